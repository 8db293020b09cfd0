/**
 * Small changes to a history, which may or may not break it; the brute force tells. What would be
 * found by other checks than the search for an order (one value at two revisions, a value that
 * nobody wrote) is not made.
 */

import type { Operation, Outcome } from '../../../src/verifier/history.ts'
import type { Random } from '../../../src/verifier/random.ts'

/** The history with up to two changes, or as it was where none of those tried may be made. */
export function disturb(operations: readonly Operation[], random: Random): readonly Operation[] {
  let made = operations
  for (let change = 0; change < 2; change++) {
    const at = random.below(made.length)
    const one = made[at]
    if (one === undefined) continue
    const changed = changeOne(one, made, random)
    const next = made.map((operation, place) => (place === at ? changed : operation))
    if (isFair(next)) made = next
  }
  return made
}

function changeOne(one: Operation, all: readonly Operation[], random: Random): Operation {
  const { outcome, action } = one
  const as = (changed: Outcome): Operation => ({ ...one, outcome: changed })
  switch (random.below(8)) {
    case 0: {
      const writers = all.filter((other) => other.outcome.type === 'written')
      if (outcome.type !== 'found' || writers.length === 0) return one
      const writer = random.pick(writers)
      if (writer.action.type !== 'put' || writer.outcome.type !== 'written') return one
      const { revision } = writer.outcome
      return as({ type: 'found', value: writer.action.value, revision })
    }
    case 1:
      return outcome.type === 'found' ? as({ type: 'absent' }) : one
    case 2:
      if (outcome.type !== 'written' || outcome.created === undefined) return one
      return as({ ...outcome, created: !outcome.created })
    case 3:
      if (outcome.type !== 'condition-failed') return one
      return as({ ...outcome, revision: random.below(12) })
    case 4: {
      if (one.return_us === undefined) return one
      const later_us = random.below(10)
      return { ...one, call_us: one.call_us + later_us, return_us: one.return_us + later_us }
    }
    case 5: {
      // A write of unknown outcome, conditional on a revision that it may be that nobody was told.
      if (outcome.type !== 'unknown' || (action.type !== 'put' && action.type !== 'delete')) {
        return one
      }
      const condition = { type: 'revision', revision: 1 + random.below(12) } as const
      return { ...one, action: { ...action, condition } }
    }
    case 6: {
      if (outcome.type !== 'deleted') return one
      const conditional = random.chance(0.7)
      const condition = { type: 'revision', revision: 1 + random.below(12) } as const
      return {
        ...one,
        action: conditional ? { type: 'delete', condition } : { type: 'delete' },
        outcome: { type: 'unknown' },
      }
    }
    default:
      if (outcome.type !== 'unknown' || action.type !== 'put' || one.return_us === undefined) {
        return one
      }
      return as({ type: 'written', revision: 500 + one.id })
  }
}

function isFair(operations: readonly Operation[]): boolean {
  const revisions = new Map<string, number>()
  const values = new Map<number, string>()
  const never = new Set<string>()
  for (const { action, outcome } of operations) {
    if (action.type === 'put') {
      if (outcome.type === 'fail' || outcome.type === 'condition-failed') never.add(action.value)
    }
    const value =
      outcome.type === 'found'
        ? outcome.value
        : outcome.type === 'written' && action.type === 'put'
          ? action.value
          : undefined
    if (value === undefined || !('revision' in outcome) || outcome.revision === undefined) continue
    if ((revisions.get(value) ?? outcome.revision) !== outcome.revision) return false
    if ((values.get(outcome.revision) ?? value) !== value) return false
    revisions.set(value, outcome.revision)
    values.set(outcome.revision, value)
  }
  return operations.every(({ outcome }) => outcome.type !== 'found' || !never.has(outcome.value))
}
