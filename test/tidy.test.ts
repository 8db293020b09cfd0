/**
 * The house rules that no linter knows (CONTRIBUTING.md, "Rooms" and "Style"). Each rule is a
 * function from a tree of files to what is wrong in it, and is shown to fail on a tree made wrong.
 */

import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import t from 'tap'

/** Path from the project's root → text. */
type Tree = ReadonlyMap<string, string>
type Rule = (tree: Tree) => string[]

const ROOT = dirname(import.meta.dirname)
const LINES_MAX = 400
const COLUMNS_MAX = 100

/** What each room of `src/` may import besides itself; patterns of paths below `src/`. */
const ROOMS: Readonly<Record<string, readonly RegExp[]>> = {
  entry: [/^commands\/main\.ts$/],
  commands: [/./],
  api: [
    /^shared\//,
    /^database\/kv\/(types|codec|frames|record|(frame|segment|result)-[a-z-]+)\.ts$/,
  ],
  'database/replica': [/^database\/(consensus|kv)\//, /^shared\//],
  'database/consensus': [/^shared\/(assert|bytes|errors|formats|limits)\.ts$/],
  'database/kv': [/^shared\/(assert|bytes|errors|limits)\.ts$/],
  'database/storage': [
    /^database\/(consensus|kv)\//,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  'database/peers': [
    /^database\/consensus\/(types|entry)\.ts$/,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  // Stands around the ports that a command hands to a replica, which never sees it. Speaks the
  // frames of API servers, since the fault `lie` answers them in the replica's place.
  'database/faults': [
    /^database\/consensus\/types\.ts$/,
    /^database\/kv\/(types|codec|frames|record|frame-types)\.ts$/,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  // The seam is types alone: what a replica asks, told by who answers.
  kubernetes: [/^database\/replica\/orchestrator\.ts$/, /^shared\//],
  // Asks replicas over links as an API server does, and so speaks the same frames; how a link is
  // dialed, a name looked up or a URL asked is handed in.
  doctor: [/^database\/kv\/(frames|frame-types)\.ts$/, /^shared\//],
  local: [/^shared\//],
  client: [],
  dashboard: [/^shared\//],
  verifier: [/^shared\/assert\.ts$/],
  'verifier/workload': [/^client\//, /^verifier\//, /^shared\//],
  shared: [],
}

/** Packages that only these rooms may import. */
const PACKAGES: readonly { readonly name: RegExp; readonly rooms: readonly string[] }[] = [
  { name: /^(level|classic-level|abstract-level)$/, rooms: ['database/storage', 'commands'] },
  { name: /^@kubernetes\//, rooms: ['kubernetes'] },
  { name: /^undici$/, rooms: ['database/peers', 'commands'] },
]

/** Rooms without input, output, clock, randomness or promises, and the packages they may have. */
const PURE: Readonly<Record<string, readonly string[]>> = {
  'database/consensus': ['@node-rs/crc32', 'node:buffer'],
  'database/kv': ['@node-rs/crc32', 'node:buffer', 'node:crypto'],
  verifier: [],
}
const IMPURE = new RegExp(
  [
    '\\b(Date\\.now|new Date|Math\\.random|randomUUID|performance\\.',
    'set(Timeout|Interval|Immediate)|await|Promise|process\\.|fetch\\()',
  ].join('|'),
)

const FORBIDDEN_WORDS = /^(utils?|helpers?|managers?|services?)$/
const RUN_BY_SCRIPTS = /\bnode ((?:src|test)\/\S+\.ts)/g

/** Text without block comments and without lines that are comments. */
function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
}

const IMPORTS = [
  /^\s*(?:import|export)\s[^'"`;=]*?from\s+'([^']+)'/gm,
  /^\s*import\s+'([^']+)'/gm,
  /\bimport\(\s*'([^']+)'\s*\)/g,
]
/** Imports that are still there when types are stripped. */
const VALUE_IMPORTS = [
  /^\s*(?:import|export)\s+(?!type\b)[^'"`;=]*?from\s+'([^']+)'/gm,
  ...IMPORTS.slice(1),
]
/** A file that is started in a process or thread of its own. */
const STARTS = /new URL\(\s*'([^']+\.ts)',\s*import\.meta\.url\s*,?\s*\)/g

function find(text: string, forms: readonly RegExp[]): string[] {
  const source = code(text)
  return forms.flatMap((form) => [...source.matchAll(form)].map((match) => match[1] as string))
}

/** What a file imports, as written. */
const imports = (text: string) => find(text, IMPORTS)

function files(path: string, names: readonly string[]): string[] {
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join(posix.dirname(path), name))
    .map((name) => (name === 'src/main.ts' ? 'src/entry/main.ts' : name))
}

/** The files of the tree that `path` imports. */
const imported = (tree: Tree, path: string) => files(path, imports(tree.get(path) ?? ''))

/** The files of the tree that `path` imports or starts. */
const used = (tree: Tree, path: string) =>
  files(path, find(tree.get(path) ?? '', [...IMPORTS, STARTS]))

function roomOf(path: string): string | undefined {
  const inside = path.replace(/^src\//, '')
  const rooms = Object.keys(ROOMS).filter((room) => inside.startsWith(`${room}/`))
  return rooms.sort((a, b) => b.length - a.length)[0]
}

const sources = (tree: Tree) => [...tree.keys()].filter((path) => path.startsWith('src/'))

/** Files to start from: what a person or a script starts. */
function roots(tree: Tree): string[] {
  const scripts = [...(tree.get('package.json') ?? '').matchAll(RUN_BY_SCRIPTS)]
  const started = scripts.map((match) => match[1] as string)
  const tests = [...tree.keys()].filter((path) => path.endsWith('.test.ts'))
  return ['src/entry/main.ts', ...started, ...tests].filter((path) => tree.has(path))
}

function reachable(tree: Tree, from: readonly string[], step: typeof used): Set<string> {
  const seen = new Set<string>()
  const left = [...from]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    left.push(...step(tree, path))
  }
  return seen
}

const rules: Readonly<Record<string, Rule>> = {
  'each room imports only what it may': (tree) =>
    sources(tree).flatMap((path) => {
      const room = roomOf(path)
      if (room === undefined) return [`${path} is in no room`]
      const allowed = ROOMS[room] as readonly RegExp[]
      return imported(tree, path)
        .filter((file) => roomOf(file) !== room)
        .filter((file) => !allowed.some((one) => one.test(file.replace(/^src\//, ''))))
        .map((file) => `${path} may not import ${file}`)
    }),

  'packages stay in their rooms': (tree) =>
    sources(tree).flatMap((path) =>
      imports(tree.get(path) as string)
        .filter((name) =>
          PACKAGES.some((one) => one.name.test(name) && !one.rooms.includes(roomOf(path) ?? '')),
        )
        .map((name) => `${path} may not import ${name}`),
    ),

  // An image has no devDependencies; some packages are there for their types alone.
  'what is imported for more than its types is a dependency': (tree) => {
    const { dependencies = {} } = JSON.parse(tree.get('package.json') ?? '{}')
    return sources(tree).flatMap((path) =>
      find(tree.get(path) as string, VALUE_IMPORTS)
        .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] as string)
        .filter((name) => !/^(\.|node:)/.test(name) && !(name in dependencies))
        .map((name) => `${path} imports ${name}`),
    )
  },

  'pure rooms are pure': (tree) =>
    sources(tree).flatMap((path) => {
      const allowed = PURE[roomOf(path) ?? '']
      if (allowed === undefined) return []
      const text = tree.get(path) as string
      const packages = imports(text).filter((name) => !/^\./.test(name) && !allowed.includes(name))
      const word = IMPURE.exec(code(text))?.[0]
      return [...packages, ...(word === undefined ? [] : [word])].map((one) => `${path}: ${one}`)
    }),

  'no files import each other in a circle': (tree) =>
    sources(tree)
      .filter((path) => reachable(tree, imported(tree, path), imported).has(path))
      .map((path) => `${path} imports itself through others`),

  'every file is used, those of src by the program itself': (tree) => {
    const program = reachable(tree, ['src/entry/main.ts'], used)
    const all = reachable(tree, roots(tree), used)
    return [...tree.keys()]
      .filter((path) => path.endsWith('.ts'))
      .filter((path) => !(path.startsWith('src/') ? program : all).has(path))
      .map((path) => `${path} is used by nothing`)
  },

  [`files have at most ${LINES_MAX} lines`]: (tree) =>
    [...tree]
      .map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }))
      .filter(({ path, lines }) => path.endsWith('.ts') && lines > LINES_MAX)
      .map(({ path, lines }) => `${path} has ${lines} lines`),

  [`lines have at most ${COLUMNS_MAX} columns`]: (tree) =>
    [...tree]
      .filter(([path]) => path.endsWith('.ts'))
      .flatMap(([path, text]) =>
        text
          .split('\n')
          .map((line, at) => ({ length: [...line].length, at: `${path}:${at + 1}` }))
          .filter(({ length }) => length > COLUMNS_MAX)
          .map(({ at, length }) => `${at} has ${length} columns`),
      ),

  'names are kebab-case nouns that say something': (tree) =>
    [...tree.keys()]
      .filter((path) => path.endsWith('.ts'))
      .flatMap((path) => path.replace(/(\.test)?\.ts$/, '').split('/'))
      .filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name) || name.split('-').some(isForbidden))
      .map((name) => `${name} is no good name`),

  'the environment is read by commands alone': (tree) =>
    sources(tree)
      .filter((path) => /\bprocess\.env\b/.test(code(tree.get(path) as string)))
      .filter((path) => !/^src\/(commands\/|shared\/config\.ts$)/.test(path))
      .map((path) => `${path} reads process.env`),

  'every file of src says in its header what it owns': (tree) =>
    sources(tree)
      .filter((path) => !/^(#!.*\n)?\/\*\*/.test(tree.get(path) as string))
      .map((path) => `${path} has no header`),

  'nothing is exported by a star': (tree) =>
    sources(tree)
      .filter((path) => /^\s*export \*/m.test(code(tree.get(path) as string)))
      .map((path) => `${path} exports a star`),
}

function isForbidden(word: string): boolean {
  return FORBIDDEN_WORDS.test(word)
}

function readTree(): Tree {
  const tree = new Map([['package.json', readFileSync(join(ROOT, 'package.json'), 'utf8')]])
  for (const folder of ['src', 'test']) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true }) as string[]) {
      const path = posix.join(folder, name.replaceAll('\\', '/'))
      // src/main.ts is a link to src/entry/main.ts.
      if (!path.endsWith('.ts') || !lstatSync(join(ROOT, path)).isFile()) continue
      tree.set(path, readFileSync(join(ROOT, path), 'utf8'))
    }
  }
  return tree
}

const HEADER = '/** Header. */\n'

/** For each rule trees that break it, with what is to be found in each. */
const WRONG: Readonly<Record<string, readonly [Record<string, string>, string]>> = {
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

const tree = readTree()

t.test('the tree was found', async (t) => {
  t.ok(tree.has('src/entry/main.ts') && tree.has('test/tidy.test.ts'))
  t.ok(roots(tree).length > 2)
})

for (const [name, rule] of Object.entries(rules)) {
  t.test(name, async (t) => {
    const [wrong, found] = WRONG[name] ?? [{}, 'no tree that breaks it']
    t.equal(rule(new Map(Object.entries(wrong))).join('\n'), found, 'the rule can fail')
    t.equal(rule(tree).join('\n'), '', 'the project holds it')
  })
}
