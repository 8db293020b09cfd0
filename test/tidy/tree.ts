/**
 * The project as a tree of files: read from the disk, and what each file imports and starts.
 */

import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'

/** Path from the project's root → text. */
export type Tree = ReadonlyMap<string, string>

const ROOT = dirname(dirname(import.meta.dirname))
const RUN_BY_SCRIPTS = /\bnode ((?:src|test)\/\S+\.ts)/g

/** Text without block comments and without lines that are comments. */
export function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
}

const IMPORTS = [
  /^\s*(?:import|export)\s[^'"`;=]*?from\s+'([^']+)'/gm,
  /^\s*import\s+'([^']+)'/gm,
  /\bimport\(\s*'([^']+)'\s*\)/g,
]
/** Imports that are still there when types are stripped. */
export const VALUE_IMPORTS = [
  /^\s*(?:import|export)\s+(?!type\b)[^'"`;=]*?from\s+'([^']+)'/gm,
  ...IMPORTS.slice(1),
]
/** A file that is started in a process or thread of its own. */
const STARTS = /new URL\(\s*'([^']+\.ts)',\s*import\.meta\.url\s*,?\s*\)/g

export function find(text: string, forms: readonly RegExp[]): string[] {
  const source = code(text)
  return forms.flatMap((form) => [...source.matchAll(form)].map((match) => match[1] as string))
}

/** What a file imports, as written. */
export const imports = (text: string) => find(text, IMPORTS)

function files(path: string, names: readonly string[]): string[] {
  return names
    .filter((name) => name.endsWith('.ts'))
    .map((name) => posix.join(posix.dirname(path), name))
    .map((name) => (name === 'src/main.ts' ? 'src/entry/main.ts' : name))
}

/** The files of the tree that `path` imports. */
export const imported = (tree: Tree, path: string) => files(path, imports(tree.get(path) ?? ''))

/** The files of the tree that `path` imports or starts. */
export const used = (tree: Tree, path: string) =>
  files(path, find(tree.get(path) ?? '', [...IMPORTS, STARTS]))

export const sources = (tree: Tree) => [...tree.keys()].filter((path) => path.startsWith('src/'))

/** Files to start from: what a person or a script starts. */
export function roots(tree: Tree): string[] {
  const scripts = [...(tree.get('package.json') ?? '').matchAll(RUN_BY_SCRIPTS)]
  const started = scripts.map((match) => match[1] as string)
  const tests = [...tree.keys()].filter((path) => path.endsWith('.test.ts'))
  return ['src/entry/main.ts', ...started, ...tests].filter((path) => tree.has(path))
}

export function reachable(tree: Tree, from: readonly string[], step: typeof used): Set<string> {
  const seen = new Set<string>()
  const left = [...from]
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    if (seen.has(path)) continue
    seen.add(path)
    left.push(...step(tree, path))
  }
  return seen
}

/** The sources and tests on the disk, and package.json. */
export function readTree(): Tree {
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
