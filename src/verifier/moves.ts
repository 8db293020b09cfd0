/**
 * What may come next in an order, the likeliest first: required operations as the server's
 * revisions suggest, then optional writes, and those only where they make something possible that
 * is wanted now (rule 5 of linearizability.ts).
 */

import type { Used } from './dead-ends.ts'
import {
  ABSENT,
  DEAD,
  DELETE,
  type KeyProblem,
  OBSERVE_NOT,
  type OptionalWrite,
  PRESENT,
  UNTOLD,
} from './key-problem.ts'
import type { Move, Standing } from './standing.ts'

/** States that operations wait for which may come next by their times. */
type Wanted = { absent: boolean; present: boolean; states: Set<number> | undefined }

/** The moves from a standing that has advanced as far as it could without any choice. */
export function movesFrom(standing: Standing, problem: KeyProblem): Move[] {
  const { kind, before, hint } = problem
  const required: number[] = []
  const first = new Map<number, number>()
  const wanted: Wanted = { absent: false, present: false, states: undefined }
  standing.eachNext((one) => {
    const needs = before[one] as number
    const fits = standing.fits(one)
    if (kind[one] === OBSERVE_NOT || needs === PRESENT) {
      wanted.present ||= !fits
      wanted.absent ||= !fits && kind[one] === OBSERVE_NOT
    } else if (needs === ABSENT) wanted.absent = true
    else if (needs > DEAD) {
      wanted.states ??= new Set()
      wanted.states.add(needs)
    }
    if ((kind[one] as number) <= OBSERVE_NOT || !fits || !standing.mayLeave(one)) return
    const alike = likenessOf(one, standing, problem)
    if (alike === undefined) {
      required.push(one)
      return
    }
    const other = first.get(alike)
    if (other === undefined || isLater(problem, other, one)) first.set(alike, one)
  })
  for (const one of first.values()) required.push(one)
  if (required.length > 1) {
    required.sort((one, other) => (hint[one] as number) - (hint[other] as number) || one - other)
  }
  if (!standing.mayLeave(-1) || standing.afterAny) return required
  return [...required, ...optionalMoves(standing, problem, wanted)]
}

function isLater(problem: KeyProblem, one: number, other: number): boolean {
  return (problem.return[one] as number) > (problem.return[other] as number)
}

/** A number shared by operations that need and leave the same; undefined: it is like no other. */
function likenessOf(one: number, standing: Standing, problem: KeyProblem): number | undefined {
  const { kind, before, after } = problem
  const needs = before[one] as number
  if (needs > DEAD) return undefined
  if (kind[one] === DELETE) return needs * 2
  return standing.merged(after[one] as number) === DEAD ? needs * 2 + 1 : undefined
}

function optionalMoves(standing: Standing, problem: KeyProblem, wanted: Wanted): Move[] {
  const { optional } = problem
  const { state } = standing
  const moves: Move[] = []
  const targets = targetsOf(standing, problem, wanted)
  const counted = (kind: keyof Used) => callable(standing, optional[kind][standing.used[kind]])
  const anyPut = callable(standing, optional.anyPut)
  const putOn = callable(standing, optional.putOn.get(state))
  const putIfAbsent = counted('putIfAbsent')
  const put = counted('put')
  const putUntold = state === UNTOLD ? counted('putUntold') : undefined
  for (const to of targets) {
    if (anyPut !== undefined) {
      moves.push({ write: anyPut, uses: undefined, to })
      continue
    }
    if (putOn !== undefined) moves.push({ write: putOn, uses: undefined, to })
    if (putIfAbsent !== undefined && state === ABSENT) {
      moves.push({ write: putIfAbsent, uses: 'putIfAbsent', to })
    }
    if (put !== undefined) moves.push({ write: put, uses: 'put', to })
    if (putUntold !== undefined) moves.push({ write: putUntold, uses: 'putUntold', to })
  }
  // A delete makes room, also for a put of unknown outcome that wanted no such key.
  const removes = wanted.absent || (putIfAbsent !== undefined && targets.length > 0)
  if (state === ABSENT || !removes) return moves
  const anyRemove = callable(standing, optional.anyRemove)
  const removeOn = callable(standing, optional.removeOn.get(state))
  const remove = counted('remove')
  const to = ABSENT
  if (anyRemove !== undefined) {
    moves.push({ write: anyRemove, uses: undefined, to })
    return moves
  }
  if (removeOn !== undefined) moves.push({ write: removeOn, uses: undefined, to })
  if (remove !== undefined) moves.push({ write: remove, uses: 'remove', to })
  const removeUntold = counted('removeUntold')
  if (removeUntold === undefined) return moves
  if (state === UNTOLD) {
    moves.push({ write: removeUntold, uses: 'removeUntold', to })
    return moves
  }
  // It needs a put that nobody saw before it.
  if (putOn !== undefined) moves.push({ write: putOn, uses: undefined, to: UNTOLD })
  if (put !== undefined) moves.push({ write: put, uses: 'put', to: UNTOLD })
  return moves
}

/** States worth reaching by an optional put. */
function targetsOf(standing: Standing, problem: KeyProblem, wanted: Wanted): number[] {
  const targets: number[] = []
  const present = wanted.present && standing.state !== DEAD && standing.state !== UNTOLD
  if (present) targets.push(problem.blank)
  for (const phantom of problem.phantoms) {
    if (phantom === standing.state || !standing.isNeeded(phantom)) continue
    // Who needs any value now may be served by the one that others will name later.
    if (present || wanted.states?.has(phantom) === true) targets.push(phantom)
  }
  return targets
}

function callable(standing: Standing, write: OptionalWrite | undefined): OptionalWrite | undefined {
  return write !== undefined && write.call < standing.horizon ? write : undefined
}
