/**
 * What revisions and values promise, checked without any search:
 *
 *   names    a value, and a revision, stands for one write (exactly once);
 *   order    an operation called after another's return has a higher revision, over all keys;
 *   states   an answer fits the revision of the state that it says it comes from.
 *
 * These take the server at its word: a revision told wrongly is itself what is wrong. The search
 * for an order (linearizability.ts) does not.
 */

import { answerText, requestText, shortText, spanText } from './explain.ts'
import type { Finding } from './finding.ts'
import { acknowledgedRevision, isBefore, isWrite, type Operation } from './history.ts'
import type { HistoryIndex } from './history-index.ts'

type Report = (finding: Finding) => void

/** Values and revisions name one write each, and answers are of a kind that can be. */
export function checkNames(index: HistoryIndex, report: Report): void {
  const byRevision = new Map<number, Operation>()
  for (const operation of index.operations) {
    if (!isPossible(operation)) {
      const explanation = `To ${requestText(operation)} "${answerText(operation)}" is no answer.`
      report({
        type: 'impossible-answer',
        key: operation.key,
        operations: [operation],
        explanation,
      })
    }
    const revision = acknowledgedRevision(operation)
    if (revision === undefined) continue
    const other = byRevision.get(revision)
    if (other === undefined) byRevision.set(revision, operation)
    else {
      const explanation = `Two writes were acknowledged at revision ${revision}.`
      report({
        type: 'applied-twice',
        key: operation.key,
        operations: [other, operation],
        explanation,
      })
    }
  }
  const seen = new Map<Operation, Operation>()
  for (const operation of index.operations)
    checkSeen(operation, { index, byRevision, seen }, report)
}

type Names = {
  readonly index: HistoryIndex
  readonly byRevision: Map<number, Operation>
  /** The first read of a put that was not acknowledged. */
  readonly seen: Map<Operation, Operation>
}

function checkSeen(read: Operation, names: Names, report: Report): void {
  const { outcome, key } = read
  if (outcome.type !== 'found') return
  const { value, revision } = outcome
  const writer = names.index.writers.get(value)
  const tell = (type: Finding['type'], explanation: string, others: (Operation | undefined)[]) => {
    const operations = [...others.filter((one) => one !== undefined), read]
    report({ type, key, operations, explanation })
  }
  if (writer === undefined || writer.key !== key) {
    const where = writer === undefined ? 'which nobody wrote' : `written to the key ${writer.key}`
    tell('value-from-nowhere', `A read found "${value}", ${where}.`, [writer])
    return
  }
  const { type } = writer.outcome
  if (type === 'fail' || type === 'condition-failed') {
    const told = type === 'fail' ? 'never to take effect' : 'refused for its condition'
    tell('value-from-nowhere', `A read found "${value}", whose put was said ${told}.`, [writer])
    return
  }
  if (isBefore(read, writer)) {
    tell('value-from-nowhere', `A read found "${value}" before anybody wrote it.`, [writer])
    return
  }
  const acknowledged = acknowledgedRevision(writer)
  const first = names.seen.get(writer)
  const known =
    acknowledged ?? (first?.outcome.type === 'found' ? first.outcome.revision : undefined)
  if (known !== undefined && known !== revision) {
    const how = acknowledged === undefined ? 'seen' : 'acknowledged'
    const explanation =
      `"${value}" was written once, ${how} at revision ${known}, and then read at revision ` +
      `${revision}: it was applied twice.`
    tell('applied-twice', explanation, [writer, acknowledged === undefined ? first : undefined])
    return
  }
  const owner = names.byRevision.get(revision)
  if (owner !== undefined && owner !== writer && owner !== first) {
    const explanation = `"${value}" was read at revision ${revision}, which is another write's.`
    tell('applied-twice', explanation, [owner])
    return
  }
  names.byRevision.set(revision, owner ?? read)
  if (first === undefined) names.seen.set(writer, read)
}

/** Could an operation of its kind be answered like this at all? */
function isPossible({ action, outcome }: Operation): boolean {
  switch (outcome.type) {
    case 'written':
      return action.type === 'put' && outcome.revision > 0
    case 'deleted':
      return action.type === 'delete' && outcome.revision > 0
    case 'found':
      return (action.type === 'read' || action.type === 'stale-read') && outcome.revision > 0
    case 'absent':
      return action.type !== 'put'
    case 'not-modified':
      return action.type === 'read' && action.unless !== undefined
    case 'condition-failed':
      return 'condition' in action && action.condition !== undefined
    case 'fail':
    case 'unknown':
      return true
    default:
      return outcome satisfies never
  }
}

/** An operation called after another's return has a higher revision; a read none below. */
export function checkOrder(index: HistoryIndex, report: Report): void {
  const calls = index.operations
  const returns = index.byReturn
  let at = 0
  let highest: { readonly revision: number; readonly operation: Operation } | undefined
  for (const operation of calls) {
    for (; at < returns.length; at++) {
      const returned = returns[at] as Operation
      if ((returned.return_us as number) >= operation.call_us) break
      const revision = stateRevision(returned)
      if (revision === undefined || revision <= (highest?.revision ?? 0)) continue
      highest = { revision, operation: returned }
    }
    if (highest === undefined || operation.action.type === 'stale-read') continue
    const own = stateRevision(operation)
    if (own === undefined) continue
    const write = acknowledgedRevision(operation) !== undefined
    if (own > highest.revision || (!write && own === highest.revision)) continue
    const since = spanText(operation.call_us - (highest.operation.return_us as number))
    const explanation =
      `Revision ${highest.revision} had been told to client ${highest.operation.process} ` +
      `${since} before client ${operation.process} sent its ${requestText(operation)}, ` +
      'which was answered ' +
      `${write ? 'with' : 'from'} revision ${own}.`
    report({
      type: 'revision-order',
      key: operation.key,
      operations: [highest.operation, operation],
      explanation,
    })
  }
}

/** The revision that an answer proves to have been reached. */
function stateRevision({ outcome }: Operation): number | undefined {
  switch (outcome.type) {
    case 'written':
    case 'deleted':
      return outcome.revision
    case 'found':
      return outcome.seen ?? outcome.revision
    case 'absent':
    case 'not-modified':
      return outcome.seen
    default:
      return undefined
  }
}

/** An answer from the state at revision S shows all of its key up to S. */
export function checkStates(index: HistoryIndex, report: Report): void {
  for (const read of index.operations) {
    const { outcome, key, action } = read
    if (isWrite(read) || !('seen' in outcome) || outcome.seen === undefined) continue
    const { seen } = outcome
    const unless = action.type === 'read' ? action.unless : undefined
    const shown =
      outcome.type === 'found' ? outcome.revision : outcome.type === 'absent' ? 0 : unless
    if (shown === undefined) continue
    const tell = (explanation: string, others: readonly Operation[]) => {
      report({ type: 'state-mismatch', key, operations: [...others, read], explanation })
    }
    if (shown > seen) {
      tell(`A read found revision ${shown} in a state that is at revision ${seen}.`, [])
      continue
    }
    const last = index.lastWriteUpTo(key, seen)
    if (last === undefined) continue
    const revision = acknowledgedRevision(last) as number
    const removed =
      outcome.type === 'absent' &&
      (last.outcome.type === 'deleted' || index.mayBeRemoved(last, read))
    if (revision <= shown || removed) continue
    const answer = shown === 0 ? 'no such key' : `revision ${shown}`
    tell(
      `A read was answered ${answer} from the state at revision ${seen}, which holds ` +
        `${shortText(last)} of revision ${revision}.`,
      [last],
    )
  }
}

/** A key's version counts its writes: more than there were means that one was applied twice. */
export function checkVersions(index: HistoryIndex, report: Report): void {
  for (const read of index.operations) {
    const { outcome, key } = read
    if (outcome.type !== 'found' || outcome.version === undefined) continue
    const most = index.putsUpTo(key, outcome.revision) + index.openPuts(key, read)
    if (outcome.version <= most) continue
    report({
      type: 'applied-twice',
      key,
      operations: [read],
      explanation:
        `A read found version ${outcome.version} of a key that at most ${most} puts can have ` +
        'written since it was created: one was applied twice.',
    })
  }
}
