/** What a check finds. */

import type { Operation } from './history.ts'

/** How a history was proved wrong. */
export type FindingType =
  /** No order of the key's operations explains all answers. */
  | 'not-linearizable'
  /** An acknowledged write is missing in the end. */
  | 'lost-write'
  /** An operation called after another's return has no higher revision. */
  | 'revision-order'
  /** A value, or a revision, stands for more than one write. */
  | 'applied-twice'
  /** A value that nobody wrote, or whose write was answered as never applied. */
  | 'value-from-nowhere'
  /** An answer does not fit the revision of the state that it says it comes from. */
  | 'state-mismatch'
  /** A stale read older than its bound, or than the age it told. */
  | 'too-stale'
  /** A read answered from a state below the revision that the client had passed. */
  | 'below-min-revision'
  /** An outcome that an operation of its kind cannot have. */
  | 'impossible-answer'

/** One proof that the store was wrong. */
export type Finding = {
  readonly type: FindingType
  readonly key: string
  /** The operations concerned; no others are needed to see that it is wrong. */
  readonly operations: readonly Operation[]
  /** Sentences for a person. */
  readonly explanation: string
  /** not-linearizable: an order of all but the culprit that explains their answers. */
  readonly order?: readonly Operation[]
  /** not-linearizable: the operation that fits at no place. */
  readonly culprit?: Operation
}

/** The operation whose answer is the strange one. */
export function culpritOf({ culprit, operations }: Finding): Operation | undefined {
  return culprit ?? operations.at(-1)
}
