/**
 * Which kinds of objects the API server knows, and where each is asked for; those of other projects
 * (Gateway API, cert-manager, prometheus-operator) can be made known from files.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Manifest, manifests } from '../../chart/render.ts'
import { type Kube, path, type Tree } from './kube.ts'
import type { HttpAnswer } from './store.ts'
import { until } from './until.ts'

/** A folder of CustomResourceDefinitions, as their projects publish them. */
const FOLDER = process.env['ORDINAL_E2E_CRDS'] ?? ''
/** Why what is made of unknown kinds cannot be tried. */
export const NEEDS_DEFINITIONS = 'ORDINAL_E2E_CRDS names no folder with the definitions of'

type Resource = { readonly name: string; readonly namespaced: boolean }

export class ResourceTable {
  readonly #kube: Kube
  readonly #versions = new Map<string, Promise<ReadonlyMap<string, Resource>>>()

  constructor(kube: Kube) {
    this.#kube = kube
  }

  /** Kinds among these objects that the API server does not know. */
  async unknown(objects: readonly Manifest[]): Promise<string[]> {
    const unknown = new Set<string>()
    for (const object of objects) {
      if ((await this.#find(object)) === undefined) unknown.add(object.kind)
    }
    return [...unknown].sort()
  }

  /** Server-side apply, checked strictly. `query`: what else to ask for, as `dryRun=All`. */
  async apply(object: Manifest, namespace: string, query = ''): Promise<HttpAnswer> {
    const target = await this.#pathOf(object, namespace)
    const how = `fieldManager=test&fieldValidation=Strict&${query}`
    const type = 'application/apply-patch+yaml'
    return this.#kube.call('PATCH', `${target}?${how}`, { body: object, type })
  }

  async #pathOf(object: Manifest, namespace: string): Promise<string> {
    const resource = await this.#find(object)
    if (resource === undefined) throw new Error(`the API server knows no ${object.kind}`)
    const { apiVersion, metadata } = object
    return path(
      apiVersion,
      resource.namespaced ? namespace : undefined,
      resource.name,
      metadata.name,
    )
  }

  async #find({ apiVersion, kind }: Manifest): Promise<Resource | undefined> {
    let known = this.#versions.get(apiVersion)
    if (known === undefined) {
      known = this.#discover(apiVersion)
      this.#versions.set(apiVersion, known)
    }
    return (await known).get(kind)
  }

  async #discover(apiVersion: string): Promise<ReadonlyMap<string, Resource>> {
    const answer = await this.#kube.call('GET', path(apiVersion, undefined))
    if (answer.status === 404) return new Map()
    const { resources } = JSON.parse(answer.text) as { resources: (Resource & { kind: string })[] }
    // `pods/log` and its like belong to a resource.
    return new Map(
      resources.filter(({ name }) => !name.includes('/')).map((each) => [each.kind, each]),
    )
  }
}

/** Makes the kinds of the folder known, if one is named, for as long as `t` lasts. */
export async function foreignDefinitions(t: Test, kube: Kube): Promise<void> {
  if (FOLDER === '') return
  const all = path('apiextensions.k8s.io/v1', undefined, 'customresourcedefinitions')
  const texts = readdirSync(FOLDER).filter((name) => /\.ya?ml$/.test(name))
  for (const definition of texts.flatMap((name) => manifests(read(name)))) {
    if (definition.kind !== 'CustomResourceDefinition') continue
    const target = `${all}/${definition.metadata.name}`
    if ((await kube.find(target)) !== undefined) continue
    await kube.create(all, definition)
    t.teardown(() => kube.delete(target))
    await until(`${definition.metadata.name} is served`, async () => {
      const conditions = ((await kube.get(target)).status?.conditions ?? []) as Tree[]
      return conditions.some(({ type, status }) => type === 'Established' && status === 'True')
    })
  }
}

function read(name: string): string {
  return readFileSync(join(FOLDER, name), 'utf8')
}
