/** Operations and counterexamples in words. */

import type { Counterexample } from './counterexample.ts'
import { isBefore, type Operation } from './history.ts'

/** A span for people: `850 µs`, `12.3 ms`, `4.2 s`. */
export function spanText(span_us: number): string {
  if (span_us < 1000) return `${Math.round(span_us)} µs`
  if (span_us < 10_000) return `${(span_us / 1000).toFixed(1)} ms`
  if (span_us < 1_000_000) return `${Math.round(span_us / 1000)} ms`
  return `${(span_us / 1_000_000).toFixed(1)} s`
}

/** What was asked: `put "7.12" if at revision 40`. */
export function requestText({ action }: Operation): string {
  switch (action.type) {
    case 'put':
    case 'delete': {
      const verb = action.type === 'put' ? `put "${action.value}"` : 'delete'
      if (action.condition === undefined) return verb
      return action.condition.type === 'absent'
        ? `${verb} if absent`
        : `${verb} if at revision ${action.condition.revision}`
    }
    case 'read':
      return action.unless === undefined ? 'read' : `read unless at revision ${action.unless}`
    case 'stale-read': {
      const bounds = [
        ...(action.maxStale_ms === undefined ? [] : [`at most ${action.maxStale_ms} ms old`]),
        ...(action.minRevision === undefined ? [] : [`from revision ${action.minRevision} on`]),
      ]
      return bounds.length === 0 ? 'stale read' : `stale read, ${bounds.join(', ')}`
    }
    default:
      return action satisfies never
  }
}

/** What was answered: `"7.12" at revision 41`. */
export function answerText({ outcome }: Operation): string {
  const age =
    'age_ms' in outcome && outcome.age_ms !== undefined ? `, ${outcome.age_ms} ms old` : ''
  switch (outcome.type) {
    case 'written':
      return `done at revision ${outcome.revision}${outcome.created ? ', key created' : ''}`
    case 'deleted':
      return `deleted at revision ${outcome.revision}`
    case 'found':
      return `"${outcome.value}" at revision ${outcome.revision}${age}`
    case 'absent':
      return `no such key${age}`
    case 'not-modified':
      return `not modified${age}`
    case 'condition-failed':
      if (outcome.revision === undefined) return 'condition failed'
      return outcome.revision === 0
        ? 'condition failed: no such key'
        : `condition failed: at revision ${outcome.revision}`
    case 'fail':
      return `never applied${outcome.code === undefined ? '' : ` (${outcome.code})`}`
    case 'unknown':
      return `outcome unknown${outcome.code === undefined ? '' : ` (${outcome.code})`}`
    default:
      return outcome satisfies never
  }
}

/** `client 7: put "7.12" → done at revision 41`. */
export function operationText(operation: Operation): string {
  return `client ${operation.process}: ${requestText(operation)} → ${answerText(operation)}`
}

/** Why no order explains these answers. */
export function counterexampleText(example: Counterexample): string {
  const { order, culprit } = example
  const holder = order.findLast(changes)
  const asked = `Client ${culprit.process}'s ${requestText(culprit)}`
  const reason = reasonText(example, holder)
  return `${asked} was answered ${answerText(culprit)}, ${reason}.${restText(order, holder)}`
}

function reasonText({ order, culprit }: Counterexample, holder: Operation | undefined): string {
  const replaced = whatReplaced(order, culprit)
  if (replaced !== undefined && isBefore(replaced, culprit)) {
    const since = spanText(culprit.call_us - (replaced.return_us as number))
    return (
      `although ${shortText(replaced)} (client ${replaced.process}), which had replaced that, ` +
      `was acknowledged ${since} before the request was sent`
    )
  }
  if (holder !== undefined && isBefore(holder, culprit)) {
    const since = spanText(culprit.call_us - (holder.return_us as number))
    return (
      `although ${shortText(holder)} (client ${holder.process}) had been acknowledged ${since} ` +
      'before the request was sent, and nothing can have undone it since'
    )
  }
  if (holder === undefined && needsPresence(culprit)) {
    const revision = conditionRevision(culprit)
    const [what, made] =
      revision === undefined
        ? ['existed', 'made it']
        : [`been at revision ${revision}`, 'left it there']
    return `although the key cannot have ${what}: no put that may have ${made} was sent by then`
  }
  return 'which fits none of the possible orders'
}

function restText(order: readonly Operation[], holder: Operation | undefined): string {
  if (order.length < 2) return ''
  return (
    ` The other answers are explained by the order ${order.map(shortText).join(', ')}; then ` +
    `${stateText(holder)}, and this one fits at no place.`
  )
}

/** Its answer says that the key existed. */
function needsPresence(operation: Operation): boolean {
  const { outcome } = operation
  if (outcome.type === 'written') {
    return outcome.created === false || conditionRevision(operation) !== undefined
  }
  return outcome.type === 'deleted'
}

/** `1 write`, `2,000 writes`. */
export function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`
}

/** On one line, and without what a terminal takes for a command: `\\u001b`. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (sign) => {
    const code = (sign.codePointAt(0) as number).toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
  })
}

/** An operation by its shortest name. */
export function shortText(operation: Operation): string {
  const { action, outcome } = operation
  if (action.type === 'put' && outcome.type !== 'condition-failed') return `put "${action.value}"`
  if (action.type === 'delete' && outcome.type === 'deleted') return 'delete'
  if (outcome.type === 'found') return `read "${outcome.value}"`
  return `${requestText(operation)} (${answerText(operation)})`
}

function changes({ action, outcome }: Operation): boolean {
  if (outcome.type === 'written' || outcome.type === 'deleted') return true
  return outcome.type === 'unknown' && (action.type === 'put' || action.type === 'delete')
}

function stateText(holder: Operation | undefined): string {
  if (holder === undefined || holder.action.type !== 'put') return 'there is no such key'
  return `the key holds "${holder.action.value}"`
}

/** The first write in the order after the one whose value the culprit saw or named. */
function whatReplaced(order: readonly Operation[], culprit: Operation): Operation | undefined {
  const { outcome, action } = culprit
  const revision = 'condition' in action ? conditionRevision(culprit) : undefined
  const at = order.findIndex((operation) => {
    if (operation.action.type !== 'put') return false
    if (outcome.type === 'found') return operation.action.value === outcome.value
    const named = outcome.type === 'condition-failed' ? outcome.revision : revision
    return operation.outcome.type === 'written' && operation.outcome.revision === named
  })
  return at === -1 ? undefined : order.slice(at + 1).find(changes)
}

function conditionRevision({ action }: Operation): number | undefined {
  if (!('condition' in action) || action.condition?.type !== 'revision') return undefined
  return action.condition.revision
}
