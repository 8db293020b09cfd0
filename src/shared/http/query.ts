/**
 * Query strings, read strictly: an unknown, repeated or malformed parameter is refused, because a
 * mistyped `ttl` that is silently dropped would keep a value for ever. A request without a query,
 * the common case, costs one `indexOf`.
 */

import type { Static, TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import { parseDuration } from '../duration.ts'
import { ClusterError } from '../errors.ts'
import { TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX } from '../limits.ts'
import { unescapeBytes } from './keys.ts'
import type { ReadTerms } from './reader.ts'

/** Reads the query of a raw request target against one schema. */
export class QueryReader<const T extends TSchema> {
  readonly #validator: Validator<Record<never, TSchema>, T>
  readonly #none: Static<T> | undefined
  readonly #schema: TSchema

  /**
   * @param schema an object of string members; `additionalProperties: false` refuses others. A
   * member with a pattern has a description, in the words of which its values are refused.
   */
  constructor(schema: T) {
    this.#schema = schema
    this.#validator = Compile(schema)
    const none = Object.freeze({})
    this.#none = this.#validator.Check(none) ? (none as Static<T>) : undefined
  }

  /** The parameters. Throws `bad-request`, or `invalid-key` for a name that is no UTF-8. */
  read(target: string): Static<T> {
    const at = target.indexOf('?')
    if (at === -1 && this.#none !== undefined) return this.#none
    const found = at === -1 ? {} : parse(target.slice(at + 1))
    if (this.#validator.Check(found)) return found as Static<T>
    throw new ClusterError('bad-request', explain(this.#validator.Errors(found), this.#schema))
  }
}

/** What is wrong first, in the words of a query. */
function explain(problems: readonly TLocalizedValidationError[], schema: TSchema): string {
  const allowed: unknown[] = []
  for (const problem of problems) {
    const { keyword, params } = problem
    if (keyword === 'additionalProperties') {
      return `unknown parameter ${params.additionalProperties.join(', ')}`
    }
    if (keyword === 'required')
      return `parameter ${params.requiredProperties.join(', ')} is missing`
    if (keyword === 'const') allowed.push(params.allowedValue)
  }
  const [first] = problems
  const name = first?.instancePath.slice(1) ?? ''
  if (allowed.length > 0) return `parameter ${name} must be ${allowed.join(' or ')}`
  const accepted = describe(schema, name)
  if (accepted !== undefined) return `parameter ${name} must be ${accepted}`
  return `parameter ${name} ${first?.message ?? 'is invalid'}`
}

/** What a member takes, in words. */
function describe(schema: TSchema, name: string): string | undefined {
  const { properties } = schema as { properties?: Record<string, { description?: string }> }
  return properties?.[name]?.description
}

function parse(search: string): Record<string, string> {
  const found: Record<string, string> = Object.create(null)
  for (const pair of search.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = text(equals === -1 ? pair : pair.slice(0, equals))
    if (name in found) throw new ClusterError('bad-request', `the query has ${name} twice`)
    found[name] = equals === -1 ? '' : text(pair.slice(equals + 1))
  }
  return found
}

function text(raw: string): string {
  const bytes = unescapeBytes(raw, 'query')
  const decoded = bytes.toString('utf8')
  // What was no UTF-8 became U+FFFD and has other bytes now.
  if (Buffer.byteLength(decoded) !== bytes.length || !Buffer.from(decoded).equals(bytes)) {
    throw new ClusterError('invalid-key', 'the query is not UTF-8')
  }
  return decoded
}

/** `500ms`, `5s`, `1.5m`, `2h`, `1d` → whole ms. Throws `bad-request`. */
export function durationOf(name: string, value: string): number {
  const duration_ms = parseDuration(value)
  if (duration_ms === undefined) {
    throw new ClusterError('bad-request', `${name} must be a duration such as 500ms, 5s or 2m`)
  }
  return Math.ceil(duration_ms)
}

/** The deadline of a request, from its query or its `Ordinal-Timeout` header, ms. */
export function timeoutOf(
  value: string | undefined,
  header: string | string[] | undefined,
): number {
  const given = value ?? (typeof header === 'string' ? header : undefined)
  if (given === undefined) return TIMEOUT_MS_DEFAULT
  const timeout_ms = durationOf('timeout', given)
  if (timeout_ms < 1 || timeout_ms > TIMEOUT_MS_MAX) {
    throw new ClusterError('bad-request', `timeout must lie between 1ms and ${TIMEOUT_MS_MAX}ms`)
  }
  return timeout_ms
}

type ReadParameters = {
  readonly consistency?: 'linearizable' | 'stale'
  readonly maxStale?: string
  readonly minRevision?: string
  readonly timeout?: string
}

const TERMS_DEFAULT: ReadTerms = Object.freeze({
  consistency: 'linearizable',
  maxStale_ms: 0,
  minRevision: 0,
  timeout_ms: TIMEOUT_MS_DEFAULT,
})

/** What a read asks of the state that answers it. Throws `bad-request`. */
export function readTermsOf(
  query: ReadParameters,
  header: string | string[] | undefined,
): ReadTerms {
  const { consistency, maxStale, minRevision, timeout } = query
  if (consistency === undefined && maxStale === undefined && minRevision === undefined) {
    if (timeout === undefined && header === undefined) return TERMS_DEFAULT
  }
  if (maxStale !== undefined && consistency !== 'stale') {
    throw new ClusterError('bad-request', 'maxStale is for consistency=stale only')
  }
  const maxStale_ms = maxStale === undefined ? 0 : durationOf('maxStale', maxStale)
  if (maxStale !== undefined && maxStale_ms === 0) {
    throw new ClusterError('bad-request', 'maxStale must be at least 1ms; see linearizable reads')
  }
  return {
    consistency: consistency ?? 'linearizable',
    maxStale_ms,
    minRevision: minRevision === undefined ? 0 : integerOf('minRevision', minRevision),
    timeout_ms: timeoutOf(timeout, header),
  }
}

/** A whole number of at most 2^53 - 1. Throws `bad-request`. */
export function integerOf(name: string, value: string): number {
  const number = Number(value)
  if (!/^[0-9]{1,16}$/.test(value) || !Number.isSafeInteger(number)) {
    throw new ClusterError('bad-request', `${name} is not a whole number below 2^53`)
  }
  return number
}
