/**
 * The API server, as far as the tests need it: objects by path, logs, and its proxy to Pods and
 * Services. Objects are looked at by path into them, so they are typed loosely.
 */

import { request } from 'undici'
import type { Connection } from './connection.ts'

/** Anything further in. */
// biome-ignore lint/suspicious/noExplicitAny: objects of thirty kinds, looked at by path
export type Tree = any

export type KubeObject = {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: {
    readonly name: string
    readonly uid: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
    readonly creationTimestamp?: string
    readonly deletionTimestamp?: string
    readonly generation?: number
  }
  readonly spec?: Tree
  readonly status?: Tree
  readonly data?: Readonly<Record<string, string>>
}

export type KubeAnswer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** An answer of the API server that was not wanted. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly status: number

  constructor(what: string, answer: KubeAnswer) {
    super(`${what}: ${answer.status} ${answer.text.slice(0, 500)}`)
    this.status = answer.status
  }
}

export type Call = {
  readonly body?: unknown
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** `path('apps/v1', 'demo', 'statefulsets', 'db')`; without a namespace for what has none. */
export function path(version: string, namespace: string | undefined, ...rest: string[]): string {
  const base = version.includes('/') ? `/apis/${version}` : `/api/${version}`
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`
  return [`${base}${within}`, ...rest].join('/')
}

export class Kube {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Any answer; rejects only where none comes. */
  async call(method: string, target: string, call: Call = {}): Promise<KubeAnswer> {
    const { url, dispatcher, headers } = this.#connection
    const { body, type = 'application/json' } = call
    const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
    const answer = await request(`${url}${target}`, {
      method: method as 'GET',
      dispatcher,
      headers: {
        ...headers,
        accept: '*/*',
        ...(text === undefined ? {} : { 'content-type': type }),
        ...call.headers,
      },
      ...(text === undefined ? {} : { body: text }),
    })
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text: await answer.body.text(),
    }
  }

  /** The object; rejects with a KubeError unless the answer is a 2xx. */
  async get(target: string): Promise<KubeObject> {
    return JSON.parse(await this.text(target)) as KubeObject
  }

  /** The object, or undefined: there is none. */
  async find(target: string): Promise<KubeObject | undefined> {
    const answer = await this.call('GET', target)
    if (answer.status === 404) return undefined
    return JSON.parse(wanted(`GET ${target}`, answer)) as KubeObject
  }

  async list(target: string, selector?: string): Promise<KubeObject[]> {
    const query = selector === undefined ? '' : `?labelSelector=${encodeURIComponent(selector)}`
    return (JSON.parse(await this.text(`${target}${query}`)) as { items: KubeObject[] }).items
  }

  async create(target: string, object: unknown): Promise<KubeObject> {
    const answer = await this.call('POST', target, { body: object })
    return JSON.parse(wanted(`POST ${target}`, answer)) as KubeObject
  }

  /** A merge patch (RFC 7386). */
  async patch(target: string, change: unknown): Promise<KubeObject> {
    const type = 'application/merge-patch+json'
    const answer = await this.call('PATCH', target, { body: change, type })
    return JSON.parse(wanted(`PATCH ${target}`, answer)) as KubeObject
  }

  /** What is gone already is no failure. `grace_s`: undefined: the object's own; 0: by force. */
  async delete(target: string, grace_s?: number): Promise<void> {
    const body = grace_s === undefined ? {} : { body: { gracePeriodSeconds: grace_s } }
    const answer = await this.call('DELETE', target, body)
    if (answer.status !== 404) wanted(`DELETE ${target}`, answer)
  }

  /** The text of an answer; rejects with a KubeError unless it is a 2xx. */
  async text(target: string): Promise<string> {
    return wanted(`GET ${target}`, await this.call('GET', target))
  }

  async close(): Promise<void> {
    await this.#connection.dispatcher.destroy()
  }
}

function wanted(what: string, answer: KubeAnswer): string {
  if (answer.status >= 200 && answer.status < 300) return answer.text
  throw new KubeError(what, answer)
}
