/**
 * Histories as files: one JSON document a line (docs/verify.md has the fields).
 *
 *     {"format":"ordinal-history","version":1,"finalReads":true,…}
 *     {"id":0,"process":3,"key":"k","call_us":12,"return_us":90,"do":"put","value":"3.0",
 *      "outcome":"written","revision":7,"created":true}
 *     …
 *     {"end":true,"operations":1}
 *
 * Without the last line the file was cut off, and is refused.
 */

import type { Action, Condition, Operation, Outcome } from './history.ts'
import { Fields, HistoryFormatError } from './history-fields.ts'

export const HISTORY_FORMAT = 'ordinal-history'
export const HISTORY_VERSION = 1

/** The first line, besides the format's name and version. */
export type HistoryHeader = {
  /** The recorder read each key in the end, or tried to. */
  readonly finalReads?: boolean
  /** For people: how it came about. */
  readonly about?: Readonly<Record<string, unknown>>
}

export function formatHeader(header: HistoryHeader): string {
  return JSON.stringify({ format: HISTORY_FORMAT, version: HISTORY_VERSION, ...header })
}

export function formatOperation(operation: Operation): string {
  const { id, process, key, call_us, return_us, action, outcome } = operation
  const { type: what, ...asked } = action
  const condition = 'condition' in asked ? asked.condition : undefined
  const { type: how, ...told } = outcome
  const saw = outcome.type === 'found' ? { saw: outcome.value } : {}
  return JSON.stringify({
    id,
    process,
    key,
    call_us,
    return_us,
    do: what,
    ...asked,
    condition: undefined,
    ifRevision: condition?.type === 'revision' ? condition.revision : undefined,
    ifAbsent: condition?.type === 'absent' ? true : undefined,
    outcome: how,
    ...told,
    value: action.type === 'put' ? action.value : undefined,
    ...saw,
  })
}

export function formatEnd(operations: number): string {
  return JSON.stringify({ end: true, operations })
}

/** Reads a file line by line. Each method throws {@link HistoryFormatError}. */
export class HistoryParser {
  readonly #operations: Operation[] = []
  /** Of each operation. */
  readonly #lines: number[] = []
  readonly #ids = new Set<number>()
  readonly #values = new Set<string>()
  #header: HistoryHeader | undefined
  #ended = false
  #line = 0

  add(text: string): void {
    this.#line++
    if (text.trim() === '') return
    const document = this.#parse(text)
    if (this.#ended) throw this.#wrong('follows the end of the history')
    if (this.#header === undefined) {
      this.#header = this.#headerOf(document)
      return
    }
    if (document['end'] === true) {
      if (document['operations'] !== this.#operations.length) {
        const { length } = this.#operations
        throw this.#wrong(`says ${document['operations']} operations, but there are ${length}`)
      }
      this.#ended = true
      this.#requireOnly(document, ['end', 'operations'])
      return
    }
    this.#operations.push(this.#operationOf(document))
    this.#lines.push(this.#line)
  }

  /** The whole history, once all lines were added. */
  finish(): { readonly header: HistoryHeader; readonly operations: readonly Operation[] } {
    if (this.#header === undefined) throw new HistoryFormatError('it is empty')
    if (!this.#ended) {
      throw new HistoryFormatError(`line ${this.#line} is the last one, and no end: it was cut off`)
    }
    this.#requireOneAtATime()
    return { header: this.#header, operations: this.#operations }
  }

  #wrong(what: string, line = this.#line): HistoryFormatError {
    return new HistoryFormatError(`line ${line} ${what}`)
  }

  /** A process whose operation was never answered has given it up when it goes on. */
  #requireOneAtATime(): void {
    const until = new Map<number, { return_us: number; line: number }>()
    const order = this.#operations.map((operation, at) => ({ operation, line: this.#lines[at] }))
    order.sort((one, other) => {
      const [first, second] = [one.operation, other.operation]
      return first.call_us - second.call_us || returnOf(first) - returnOf(second)
    })
    for (const { operation, line = 0 } of order) {
      const { process, call_us, return_us } = operation
      const before = until.get(process)
      if (before !== undefined && call_us < before.return_us) {
        throw this.#wrong(
          `is called before the operation of line ${before.line} of the same process ${process} ` +
            'has returned',
          line,
        )
      }
      if (return_us !== undefined) until.set(process, { return_us, line })
    }
  }

  #requireOnly(document: Record<string, unknown>, names: readonly string[]): void {
    const other = Object.keys(document).find((name) => !names.includes(name))
    if (other === undefined) return
    throw this.#wrong(`has a field ${JSON.stringify(other)}, which has no meaning there`)
  }

  #parse(text: string): Record<string, unknown> {
    try {
      const document: unknown = JSON.parse(text)
      if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
        return document as Record<string, unknown>
      }
    } catch {
      throw this.#wrong('is no JSON')
    }
    throw this.#wrong('is no JSON object')
  }

  #headerOf(document: Record<string, unknown>): HistoryHeader {
    const { format, version, finalReads, about } = document
    if (format !== HISTORY_FORMAT) {
      throw this.#wrong(`does not begin a history ("format":"${HISTORY_FORMAT}")`)
    }
    if (version !== HISTORY_VERSION) {
      throw this.#wrong(`has version ${JSON.stringify(version)}; ${HISTORY_VERSION} can be read`)
    }
    this.#requireOnly(document, ['format', 'version', 'finalReads', 'about'])
    if (finalReads !== undefined && typeof finalReads !== 'boolean') {
      throw this.#wrong('has neither true nor false in "finalReads"')
    }
    if (
      about !== undefined &&
      (typeof about !== 'object' || about === null || Array.isArray(about))
    ) {
      throw this.#wrong('has no object in "about"')
    }
    return {
      ...(finalReads === true ? { finalReads } : {}),
      ...(about === undefined ? {} : { about: about as Record<string, unknown> }),
    }
  }

  #operationOf(document: Record<string, unknown>): Operation {
    const fields = new Fields(document, (what) => this.#wrong(what))
    const id = fields.whole('id')
    if (this.#ids.has(id)) throw this.#wrong(`has the id ${id} of an earlier operation`)
    this.#ids.add(id)
    const action = actionOf(fields)
    if (action.type === 'put') {
      if (this.#values.has(action.value)) {
        throw this.#wrong(`stores "${action.value}", as an earlier put does: values are unique`)
      }
      this.#values.add(action.value)
    }
    const call_us = fields.time('call_us')
    const return_us = fields.has('return_us') ? fields.time('return_us') : undefined
    const outcome = outcomeOf(fields)
    if (return_us === undefined && outcome.type !== 'unknown') {
      throw this.#wrong('has no return_us, and its outcome is not unknown')
    }
    if (return_us !== undefined && return_us < call_us) throw this.#wrong('returns before its call')
    const process = fields.whole('process')
    const key = fields.text('key')
    this.#requireOnly(document, fields.read)
    return { id, process, key, call_us, return_us, action, outcome }
  }
}

function conditionOf(fields: Fields): { readonly condition?: Condition } {
  fields.notBoth('ifRevision', 'ifAbsent')
  if (fields.has('ifRevision')) {
    return { condition: { type: 'revision', revision: fields.whole('ifRevision') } }
  }
  return fields.has('ifAbsent') && fields.flag('ifAbsent') ? { condition: { type: 'absent' } } : {}
}

function actionOf(fields: Fields): Action {
  const type = fields.text('do')
  switch (type) {
    case 'put':
      return { type, value: fields.text('value'), ...conditionOf(fields) }
    case 'delete':
      return { type, ...conditionOf(fields) }
    case 'read':
      return { type, ...fields.optional('unless', (name) => fields.whole(name)) }
    case 'stale-read':
      return {
        type,
        ...fields.optional('maxStale_ms', (name) => fields.time(name)),
        ...fields.optional('minRevision', (name) => fields.whole(name)),
      }
    default:
      throw fields.unknownWord('do')
  }
}

function outcomeOf(fields: Fields): Outcome {
  const type = fields.text('outcome')
  const state = {
    ...fields.optional('seen', (name) => fields.whole(name)),
    ...fields.optional('age_ms', (name) => fields.time(name)),
  }
  switch (type) {
    case 'written': {
      const revision = fields.whole('revision')
      return fields.has('created')
        ? { type, revision, created: fields.flag('created') }
        : { type, revision }
    }
    case 'deleted':
      return { type, revision: fields.whole('revision') }
    case 'found': {
      const version = fields.optional('version', (name) => fields.whole(name))
      const revision = fields.whole('revision')
      return { type, value: fields.text('saw'), revision, ...version, ...state }
    }
    case 'absent':
    case 'not-modified':
      return { type, ...state }
    case 'condition-failed':
      return { type, ...fields.optional('revision', (name) => fields.whole(name)) }
    case 'fail':
    case 'unknown':
      return { type, ...fields.optional('code', (name) => fields.text(name)) }
    default:
      throw fields.unknownWord('outcome')
  }
}

function returnOf({ call_us, return_us }: Operation): number {
  return return_us ?? call_us
}
