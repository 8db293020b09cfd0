/**
 * The verdict on a history: all checks, and what they found.
 *
 *                    trusts the server's revisions?
 *   linearizability   no     an order of each key's operations explains all answers
 *   lost writes       yes    each acknowledged write is there in the end, or superseded
 *   names             yes    exactly once: one value, one write, one revision
 *   order             yes    revisions rise in real time
 *   states            yes    an answer fits the state that it says it comes from
 *   stale reads       yes    within their bounds
 *
 * The search uses a revision only as a name of the write that it was told for (key-problem.ts). It
 * alone decides on what a client saw; the others find a server that contradicts itself. Any finding
 * proves the store wrong.
 */

import { counterexampleText, plural, shortText } from './explain.ts'
import type { Finding, FindingType } from './finding.ts'
import type { Operation } from './history.ts'
import { HistoryIndex } from './history-index.ts'
import { judgeKey } from './key-verdict.ts'
import { checkPresence } from './lost-writes.ts'
import { checkNames, checkOrder, checkStates, checkVersions } from './revision-checks.ts'
import { checkStaleReads } from './stale-checks.ts'

/** Findings that a verdict keeps; it counts all. */
export const FINDINGS_MAX = 20
/** Steps of the search for orders, over all keys. */
export const SEARCH_STEPS_MAX = 50_000_000
/** Bytes of dead ends that the search of one key remembers. */
export const SEARCH_BYTES_MAX = 256 * 1024 * 1024
/** Reasons for an undecided verdict that are told one by one. */
const REASONS_MAX = 5
/** Steps that each key has at least, whatever the others took. */
const KEY_STEPS_MIN = 200_000

export type Verdict = {
  /** `undecided` only when nothing was proved wrong and not all could be checked. */
  readonly holds: 'yes' | 'no' | 'undecided'
  /** At most FINDINGS_MAX, the clearest first; `findingsTotal` counts all. */
  readonly findings: readonly Finding[]
  readonly findingsTotal: number
  /** Why nothing can be said of something; [] when all was decided. */
  readonly undecided: readonly string[]
  readonly figures: Figures
}

export type Figures = {
  readonly operations: number
  readonly keys: number
  /** Acknowledged writes. */
  readonly acknowledged: number
  /** Of those, still there, or rightly superseded, at a read of their key after all its writes. */
  readonly confirmed: number
  readonly lost: number
  /** Keys with acknowledged writes, and no such read. */
  readonly keysUnread: number
  /** Steps of the linearizability search. */
  readonly steps: number
}

export type CheckOptions = {
  /** Steps of the search over all keys; SEARCH_STEPS_MAX if absent. */
  readonly steps_max?: number
  /** Bytes of remembered dead ends, of one key at a time; SEARCH_BYTES_MAX if absent. */
  readonly memory_bytes_max?: number
  /** Undecided unless each key with acknowledged writes was read after them. */
  readonly finalReads?: boolean
}

/** Those that say most to a person come first. */
const RANK: readonly FindingType[] = [
  'not-linearizable',
  'lost-write',
  'value-from-nowhere',
  'applied-twice',
  'revision-order',
  'state-mismatch',
  'too-stale',
  'below-min-revision',
  'impossible-answer',
]

/** Checks a history, given in any order. Pure: the same history has the same verdict. */
export function checkHistory(
  operations: readonly Operation[],
  options: CheckOptions = {},
): Verdict {
  const index = new HistoryIndex(operations)
  if (index.duplicate !== undefined) return unusable(index, index.duplicate)
  const findings = new Findings()
  const report = (finding: Finding) => findings.add(finding)
  checkNames(index, report)
  checkOrder(index, report)
  checkStates(index, report)
  checkVersions(index, report)
  checkStaleReads(index, report)
  const presence = checkPresence(index, report)
  const undecided = new Reasons()
  const steps = checkKeys(index, { findings, undecided }, options)
  const unread = presence.keysUnread
  if (options.finalReads === true && unread.length > 0) {
    const some = unread.slice(0, 3).join(', ')
    const more = unread.length > 3 ? ', …' : ''
    undecided.add(`${plural(unread.length, 'key')} could not be read in the end (${some}${more})`)
  }
  const { acknowledged, confirmed, lost } = presence
  return {
    holds: findings.total > 0 ? 'no' : undecided.all.length > 0 ? 'undecided' : 'yes',
    findings: findings.clearest(),
    findingsTotal: findings.total,
    undecided: undecided.all,
    figures: {
      operations: operations.length,
      keys: index.keys.length,
      acknowledged,
      confirmed,
      lost,
      keysUnread: unread.length,
      steps,
    },
  }
}

/** Looks for an order of each key's operations. Returns the steps taken. */
function checkKeys(
  index: HistoryIndex,
  { findings, undecided }: { findings: Findings; undecided: Reasons },
  options: CheckOptions,
): number {
  const { steps_max = SEARCH_STEPS_MAX, memory_bytes_max = SEARCH_BYTES_MAX } = options
  let steps = 0
  // Small keys first, so that one that cannot be decided leaves the others their share.
  const keys = index.keys.toSorted(
    (one, other) => index.operationsOf(one).length - index.operationsOf(other).length,
  )
  for (const key of keys) {
    const left = Math.max(KEY_STEPS_MIN, steps_max - steps)
    const limits = { steps_max: Math.min(steps_max, left), memory_bytes_max }
    const verdict = judgeKey(index.operationsOf(key), limits)
    steps += verdict.steps
    if (verdict.type === 'undecided') undecided.add(`the key ${key}: ${verdict.reason}`)
    if (verdict.type !== 'wrong') continue
    const { counterexample, suspects } = verdict
    if (counterexample === undefined) {
      const names = suspects.map(shortText).join(', ')
      findings.add({
        type: 'not-linearizable',
        key,
        operations: suspects,
        explanation:
          'No order of all operations on this key explains their answers. Too many are needed to ' +
          `see it for a short example; those in the way: ${names}.`,
      })
      continue
    }
    findings.add({
      type: 'not-linearizable',
      key,
      operations: counterexample.operations,
      order: counterexample.order,
      culprit: counterexample.culprit,
      explanation: counterexampleText(counterexample),
    })
  }
  return steps
}

/** What was found: counted all, kept the clearest of each type. */
class Findings {
  readonly #byType = new Map<FindingType, Finding[]>()
  total = 0

  add(finding: Finding): void {
    this.total++
    const alike = this.#byType.get(finding.type)
    if (alike === undefined) this.#byType.set(finding.type, [finding])
    else if (alike.length < FINDINGS_MAX) alike.push(finding)
  }

  /** The easiest first; each type in turn, so that all have a place. */
  clearest(): Finding[] {
    const left = RANK.map((type) =>
      (this.#byType.get(type) ?? []).toSorted((one, other) => effort(one) - effort(other)),
    )
    const chosen: Finding[] = []
    for (let round = 0; round < FINDINGS_MAX; round++) {
      for (const alike of left) {
        const finding = alike[round]
        if (finding !== undefined && chosen.length < FINDINGS_MAX) chosen.push(finding)
      }
    }
    return chosen.sort((one, other) => RANK.indexOf(one.type) - RANK.indexOf(other.type))
  }
}

/** What it takes a person to see it: a read that misses a write is the plainest. */
function effort({ operations, order, culprit }: Finding): number {
  const strange = culprit === undefined || culprit.action.type === 'read' ? 0 : 1
  return operations.length + 2 * strange + (order?.length === 0 ? 2 : 0)
}

class Reasons {
  readonly #reasons: string[] = []
  #more = 0

  add(reason: string): void {
    if (this.#reasons.length < REASONS_MAX) this.#reasons.push(reason)
    else this.#more++
  }

  get all(): readonly string[] {
    return this.#more === 0 ? this.#reasons : [...this.#reasons, `and ${this.#more} more`]
  }
}

function unusable(index: HistoryIndex, duplicate: Operation): Verdict {
  const value = duplicate.action.type === 'put' ? duplicate.action.value : ''
  const reason = `two puts store the same value "${value}", so that reads cannot tell them apart`
  const { operations, keys } = index
  const nothing = { acknowledged: 0, confirmed: 0, lost: 0, keysUnread: 0, steps: 0 }
  return {
    holds: 'undecided',
    findings: [],
    findingsTotal: 0,
    undecided: [reason],
    figures: { operations: operations.length, keys: keys.length, ...nothing },
  }
}
