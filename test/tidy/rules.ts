/**
 * The rules: each a function from a tree of files to what is wrong in it, a line each.
 */

import { IMPURE, PACKAGES, PURE, ROOMS, roomOf } from './rooms.ts'
import {
  code,
  find,
  imported,
  imports,
  reachable,
  roots,
  sources,
  type Tree,
  used,
  VALUE_IMPORTS,
} from './tree.ts'

type Rule = (tree: Tree) => string[]

export const LINES_MAX = 400
export const COLUMNS_MAX = 100
const FORBIDDEN_WORDS = /^(utils?|helpers?|managers?|services?)$/

export const rules: Readonly<Record<string, Rule>> = {
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
