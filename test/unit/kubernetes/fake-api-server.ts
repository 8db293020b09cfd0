/**
 * A small Kubernetes API server: objects with resource versions, merge patches, Events, access
 * reviews, and RBAC by the very Role of `deploy/ordinal.yaml`, which the chart makes. It records
 * what it is asked, and can refuse, fail, hang, break connections, or be gone for a while.
 */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { fixture, MountedSecret, type Teardown } from '../tls/folders.ts'

export const NAMESPACE = 'default'
export const TOKEN = 'token-1'

export type Recorded = {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly token: string
}
/** What happens to calls whose `METHOD path` matches; the first entry that does counts. */
export type Trouble = {
  readonly on: RegExp
  readonly does: number | 'hang' | 'break' | 'junk' | 'flood' | { status: number; text: string }
  /** So many times; absent: always. */
  times?: number
}
type Json = { [key: string]: unknown }
type Stored = Json & { metadata: Json & { name: string; resourceVersion: string } }
type Rule = {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}
type Access = { verb: string; group: string; resource: string; name?: string | undefined }

const DEPLOYED = join(import.meta.dirname, '../../../deploy/ordinal.yaml')
const VERBS: Readonly<Record<string, string>> = { GET: 'get', PATCH: 'patch', POST: 'create' }

/** The rules of the Role that the chart makes for a release named `db`. */
export function deployedRules(): readonly Rule[] {
  const documents = parseAllDocuments(readFileSync(DEPLOYED, 'utf8')).map((each) => each.toJS())
  const role = documents.find((each) => each?.kind === 'Role')
  if (role === undefined) throw new Error('deploy/ordinal.yaml has no Role')
  return role.rules
}

export class FakeApiServer {
  readonly requests: Recorded[] = []
  readonly troubles: Trouble[] = []
  rules: readonly Rule[] = deployedRules()
  /** Tokens that are accepted. */
  readonly tokens = new Set([TOKEN])
  /** Connections that were opened. */
  connections = 0
  readonly account: MountedSecret
  readonly #objects = new Map<string, Stored>()
  readonly #secure: boolean
  #server: ReturnType<typeof createHttp> | undefined
  #port = 0
  #version = 100

  constructor(test: Teardown, { secure = false } = {}) {
    this.#secure = secure
    this.account = new MountedSecret(test, { token: TOKEN, 'ca.crt': fixture('ca-a.crt') })
    test.teardown(() => this.vanish())
  }

  get url(): string {
    return `${this.#secure ? 'https' : 'http'}://127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  /** Listens, at the same port as before. */
  async appear(): Promise<void> {
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      void this.#answer(request, response)
    const files = { cert: fixture('leaf-a.crt'), key: fixture('leaf-a.key') }
    const server = this.#secure ? createHttps(files, answer) : createHttp(answer)
    server.on('connection', () => {
      this.connections += 1
    })
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  /** Connections break, and nobody listens any more. */
  async vanish(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }

  put(path: string, object: Json): void {
    this.#version += 1
    const name = path.slice(path.lastIndexOf('/') + 1)
    const metadata = { ...(object['metadata'] as Json), name, namespace: NAMESPACE }
    const resourceVersion = String(this.#version)
    this.#objects.set(path, { ...object, metadata: { ...metadata, resourceVersion } })
  }

  delete(path: string): void {
    this.#objects.delete(path)
  }

  get(path: string): Stored | undefined {
    return this.#objects.get(path)
  }

  paths(pattern: RegExp): string[] {
    return [...this.#objects.keys()].filter((path) => pattern.test(path))
  }

  pod(name: string, labels: Readonly<Record<string, string>> = {}): void {
    this.put(podPath(name), { kind: 'Pod', metadata: { uid: `uid-of-${name}`, labels } })
  }

  labelOf(name: string): string | undefined {
    const { labels } = (this.get(podPath(name))?.metadata ?? {}) as { labels?: Json }
    return labels?.['ordinal.dev/role'] as string | undefined
  }

  scale(spec: Json, metadata: Json = {}): void {
    this.put(SCALE_PATH, { kind: 'StatefulSet', metadata, spec })
  }

  events(): Json[] {
    return [...this.#objects].filter(([path]) => path.includes('/events/')).map(([, each]) => each)
  }

  /** How often this was asked. */
  count(pattern: RegExp): number {
    return this.requests.filter(({ method, path }) => pattern.test(`${method} ${path}`)).length
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const { method = '', url: path = '' } = request
    const text = Buffer.concat(chunks).toString()
    const body = text === '' ? undefined : JSON.parse(text)
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
    this.requests.push({ method, path, body, token })
    const trouble = this.troubles.find(({ on }) => on.test(`${method} ${path}`))
    if (trouble !== undefined && trouble.times !== 0) {
      if (trouble.times !== undefined) trouble.times -= 1
      this.#misbehave(trouble.does, request, response)
      return
    }
    if (!this.tokens.has(token)) return send(response, 401, status(401, 'Unauthorized'))
    const access = accessOf(method, path)
    if (access !== undefined && !this.#allows(access)) {
      return send(response, 403, status(403, `${path} is forbidden`))
    }
    const { code, object } = this.#perform(method, path, body)
    send(response, code, object)
  }

  #misbehave(does: Trouble['does'], request: IncomingMessage, response: ServerResponse): void {
    if (does === 'hang') return
    if (does === 'break') request.socket.destroy()
    else if (does === 'junk') response.end('{"kind":')
    else if (does === 'flood') response.end('x'.repeat(3 * 1024 * 1024))
    else if (typeof does === 'number') send(response, does, status(does, 'as the test wants'))
    else response.writeHead(does.status).end(does.text)
  }

  #perform(method: string, path: string, body: Json): { code: number; object: Json } {
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const { resourceAttributes } = body['spec'] as { resourceAttributes: Access }
      return {
        code: 201,
        object: { ...body, status: { allowed: this.#allows(resourceAttributes) } },
      }
    }
    if (method === 'POST') {
      const own = `${path}/${(body['metadata'] as { name: string }).name}`
      if (this.#objects.has(own)) return { code: 409, object: status(409, 'AlreadyExists') }
      this.put(own, body)
      return { code: 201, object: this.get(own) as Json }
    }
    const found = this.get(path)
    if (found === undefined) return { code: 404, object: status(404, `${path} not found`) }
    if (method === 'PATCH') {
      const wanted = (body['metadata'] as Json | undefined)?.['resourceVersion']
      if (wanted !== undefined && wanted !== found.metadata.resourceVersion) {
        return { code: 409, object: status(409, 'the object has been modified') }
      }
      this.put(path, merge(found, body) as Json)
    }
    return { code: 200, object: this.get(path) as Json }
  }

  #allows({ verb, group, resource, name }: Access): boolean {
    return this.rules.some(
      (rule) =>
        rule.verbs.includes(verb) &&
        rule.apiGroups.includes(group) &&
        rule.resources.includes(resource) &&
        (rule.resourceNames === undefined || rule.resourceNames.includes(name ?? '')),
    )
  }
}

export const SCALE_PATH = `/apis/apps/v1/namespaces/${NAMESPACE}/statefulsets/db`
export const MARKER_PATH = `/api/v1/namespaces/${NAMESPACE}/configmaps/db-marker`
export const podPath = (name: string) => `/api/v1/namespaces/${NAMESPACE}/pods/${name}`

function send(response: ServerResponse, code: number, object: Json): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(object))
}

function status(code: number, message: string): Json {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }
}

/** undefined: everybody may. */
function accessOf(method: string, path: string): Access | undefined {
  const found = /^\/apis?\/(?:(\w+)\/)?v1\/namespaces\/default\/(\w+)(?:\/(.+))?$/.exec(path)
  if (found === null) return undefined
  const [, group = '', resource = '', name] = found
  return { verb: VERBS[method] ?? method, group, resource, name }
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null) return patch
  const merged: Json = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else merged[key] = merge(merged[key], value)
  }
  return merged
}
