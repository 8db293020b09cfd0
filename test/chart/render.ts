/** Renders the chart, and looks into what came out. */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { CHART, call } from './tools.ts'

/** An object of Kubernetes, as far as the tests care. */
export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec?: Tree
  readonly data?: Readonly<Record<string, string>>
}
/** Anything further in. */
// biome-ignore lint/suspicious/noExplicitAny: manifests of thirty kinds, looked at by path
export type Tree = any

export type Rendering = {
  readonly helm?: string
  readonly chart?: string
  readonly release?: string
  readonly namespace?: string
  /** Files of values, the last one wins. */
  readonly files?: readonly string[]
  /** As for `--set`. */
  readonly set?: readonly string[]
  readonly more?: readonly string[]
}

/** Secrets made by the chart are random; with these it makes none. */
export const NO_RANDOM = ['cluster.existingSecret=peer', 'auth.existingSecret=auth']

/** What `helm template` prints. Rejects with Helm's words. */
export function render(rendering: Rendering = {}): Promise<string> {
  const { helm = 'helm', chart = CHART, release = 'db', namespace = 'demo' } = rendering
  const files = (rendering.files ?? []).flatMap((file) => ['--values', file])
  const set = (rendering.set ?? []).flatMap((value) => ['--set', value])
  const more = rendering.more ?? []
  return call(helm, ['template', release, chart, '-n', namespace, ...files, ...set, ...more])
}

/** The objects of a rendering; fails on what is no YAML. */
export function manifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    const value = document.toJS()
    return value === null ? [] : [value as Manifest]
  })
}

/** The values that the project tries, by what they are called: `default`, `single`, … */
export function valueFiles(): ReadonlyMap<string, string> {
  const folder = join(CHART, 'ci')
  const names = readdirSync(folder).filter((name) => name.endsWith('-values.yaml'))
  return new Map(names.map((name) => [name.replace('-values.yaml', ''), join(folder, name)]))
}

/** One value file by its name. */
export function valueFile(name: string): string {
  const file = valueFiles().get(name)
  if (file === undefined) throw new Error(`there is no ci/${name}-values.yaml`)
  return file
}

/** An object's kind and name. */
export function title(manifest: Manifest): string {
  return `${manifest.kind} ${manifest.metadata.name}`
}

/** The Pod of a manifest: its own or that of its template; undefined: it makes none. */
export function podOf(
  manifest: Manifest,
): { readonly metadata: Manifest['metadata']; readonly spec: Tree } | undefined {
  if (manifest.kind === 'Pod') return { metadata: manifest.metadata, spec: manifest.spec }
  return manifest.spec?.template?.spec?.containers === undefined
    ? undefined
    : manifest.spec.template
}
