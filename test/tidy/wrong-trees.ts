/**
 * For each rule a tree that breaks it: a rule that cannot fail says nothing.
 */

import { COLUMNS_MAX, LINES_MAX } from './rules.ts'

const HEADER = '/** Header. */\n'

/** For each rule trees that break it, with what is to be found in each. */
export const WRONG: Readonly<Record<string, readonly [Record<string, string>, string]>> = {
  'each room imports only what it may': [
    {
      'src/database/replica/loop.ts': `import type {\n  A,\n} from '../storage/storage.ts'`,
      'src/shared/errors.ts': `const a = await import('../api/routes.ts')`,
      'src/local/child.ts': `import { b } from '../shared/clock.ts'`,
      'src/api/apply.ts': `export { a } from '../database/kv/apply.ts'`,
      'src/odd/file.ts': '',
    },
    `src/database/replica/loop.ts may not import src/database/storage/storage.ts
src/shared/errors.ts may not import src/api/routes.ts
src/api/apply.ts may not import src/database/kv/apply.ts
src/odd/file.ts is in no room`,
  ],
  'packages stay in their rooms': [
    { 'src/api/a.ts': `import { Level } from 'level'`, 'src/commands/b.ts': `import 'level'` },
    'src/api/a.ts may not import level',
  ],
  'what is imported for more than its types is a dependency': [
    {
      'package.json': '{"dependencies": {"a": "1", "@b/c": "1"}, "devDependencies": {"d": "1"}}',
      'src/a.ts': `import { a } from 'a/b'\nimport '@b/c'\nimport type { D } from 'd'`,
      'src/b.ts': `import fs from 'node:fs'\nimport { d } from 'd'\nimport './a.ts'`,
      'src/c.ts': `await import('d/e')`,
      'test/d.ts': `import { d } from 'd'`,
    },
    'src/b.ts imports d\nsrc/c.ts imports d',
  ],
  'pure rooms are pure': [
    {
      'src/database/kv/a.ts': '// await\nconst now = Date.now()',
      'src/database/consensus/b.ts': `import { readFileSync } from 'node:fs'`,
      'src/database/peers/c.ts': 'await 1',
    },
    'src/database/kv/a.ts: Date.now\nsrc/database/consensus/b.ts: node:fs',
  ],
  'no files import each other in a circle': [
    {
      'src/api/a.ts': `import './b.ts'`,
      'src/api/b.ts': `import type { C } from './c.ts'`,
      'src/api/c.ts': `import { a } from './a.ts'`,
      'src/api/d.ts': `import { a } from './a.ts'\nnew URL('d.ts', import.meta.url)`,
    },
    ['a', 'b', 'c'].map((name) => `src/api/${name}.ts imports itself through others`).join('\n'),
  ],
  'every file is used, those of src by the program itself': [
    {
      'package.json': '"bench": "node test/bench/main.ts"',
      'src/entry/main.ts': `import('../commands/main.ts')`,
      'src/commands/main.ts': `/* import './idle.ts' */ new URL('worker.ts', import.meta.url)`,
      'src/commands/worker.ts': '',
      'src/commands/idle.ts': '',
      'test/idle.test.ts': `import './cluster/used.ts'\nimport '../src/commands/idle.ts'`,
      'test/cluster/used.ts': '',
      'test/cluster/unused.ts': '',
      'test/bench/main.ts': '',
    },
    'src/commands/idle.ts is used by nothing\ntest/cluster/unused.ts is used by nothing',
  ],
  [`files have at most ${LINES_MAX} lines`]: [
    { 'src/a.ts': `${'\n'.repeat(400)}x`, 'src/b.ts': `${'x\n'.repeat(400)}` },
    'src/a.ts has 401 lines',
  ],
  [`lines have at most ${COLUMNS_MAX} columns`]: [
    { 'test/a.ts': `${'é'.repeat(100)}\n${'x'.repeat(101)}` },
    'test/a.ts:2 has 101 columns',
  ],
  'names are kebab-case nouns that say something': [
    { 'src/api/lane-manager.ts': '', 'src/utils/a.ts': '', 'src/api/bigFile.ts': '' },
    `lane-manager is no good name
utils is no good name
bigFile is no good name`,
  ],
  'the environment is read by commands alone': [
    {
      'src/api/a.ts': `const name = process.env['NAME']`,
      'src/commands/b.ts': 'process.env',
      'src/shared/config.ts': 'process.env',
    },
    'src/api/a.ts reads process.env',
  ],
  'every file of src says in its header what it owns': [
    { 'src/a.ts': `import './b.ts'`, 'src/b.ts': HEADER, 'src/c.ts': `#!/bin/env node\n${HEADER}` },
    'src/a.ts has no header',
  ],
  'nothing is exported by a star': [
    { 'src/api/a.ts': `export * from './b.ts'` },
    'src/api/a.ts exports a star',
  ],
}
