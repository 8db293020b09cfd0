/** What can go wrong in a run. */

import type { DnsTrouble } from './dns.ts'

/** What is left on a disk when its process ends: all that was written, or what chance leaves. */
export type Power = 'lost' | 'kept'

export const MOMENTS = [
  'start',
  'candidate',
  'elected',
  'transfer-started',
  'membership',
  'snapshot',
] as const

/** What replicas do that a fault may wait for. */
export type Moment = (typeof MOMENTS)[number]

/**
 * Armed at its time, it strikes when the next such thing happens: what goes wrong in the middle of
 * a change is rare by chance alone.
 */
export type Trigger = {
  readonly moment: Moment
  /** It strikes who did it, instead of its own ordinal. */
  readonly actor: boolean
  readonly after_ms: number
}

/** One fault of a schedule. What chance it needs comes from its `seed`. */
export type Fault = {
  readonly at_ms: number
  readonly when?: Trigger
  /** It strikes who leads then, if anybody does, instead of its own ordinal. */
  readonly aim?: 'leader'
} /** `down_ms`: and its machine is not there for so long. */ & (
  | {
      readonly type: 'kill'
      readonly ordinal: number
      readonly power: Power
      readonly down_ms: number
    }
  /** It dies after so many more effects, between any two of one step. */
  | {
      readonly type: 'fuse'
      readonly ordinal: number
      readonly effects: number
      readonly power: Power
    }
  | { readonly type: 'pause'; readonly ordinal: number; readonly for_ms: number }
  /** SIGTERM, and the kubelet starts it again. */
  | { readonly type: 'restart'; readonly ordinal: number }
  | { readonly type: 'drain-all' }
  | { readonly type: 'kill-all'; readonly power: Power }
  | { readonly type: 'rolling-restart' }
  | {
      readonly type: 'partition'
      readonly ways: readonly (readonly [string, string])[]
      readonly for_ms: number
    }
  /** One replica is cut off from all others: what it says, what it is told, or both. */
  | {
      readonly type: 'isolate'
      readonly ordinal: number
      readonly direction: 'out' | 'in' | 'both'
      readonly for_ms: number
    }
  /** An API server and one replica do not reach each other; all others do. */
  | {
      readonly type: 'api-cut'
      readonly number: number
      readonly ordinal: number
      readonly for_ms: number
    }
  | { readonly type: 'reset-links'; readonly ordinal: number }
  | { readonly type: 'slow-network'; readonly times: number; readonly for_ms: number }
  | { readonly type: 'dns'; readonly trouble: DnsTrouble; readonly for_ms: number }
  | {
      readonly type: 'slow-disk'
      readonly ordinal: number
      readonly times: number
      readonly for_ms: number
    }
  | { readonly type: 'hung-disk'; readonly ordinal: number; readonly for_ms: number }
  | { readonly type: 'full-disk'; readonly ordinal: number; readonly for_ms: number }
  /** Free space is below the watermark. */
  | { readonly type: 'nearly-full'; readonly ordinals: readonly number[]; readonly for_ms: number }
  | { readonly type: 'flip'; readonly ordinal: number; readonly seed: number }
  | { readonly type: 'hide'; readonly ordinal: number; readonly seed: number }
  | { readonly type: 'lost-disk'; readonly ordinal: number }
  /** Several at once, where the budget allows that many. */
  | { readonly type: 'lost-disks'; readonly ordinals: readonly number[] }
  /** The disk that this ordinal had before is back. */
  | { readonly type: 'old-disk'; readonly ordinal: number }
  /** A second process with this ordinal, waiting for the same disk or with an empty one. */
  | {
      readonly type: 'twin'
      readonly ordinal: number
      readonly disk: 'same' | 'empty'
      readonly for_ms: number
    }
  | { readonly type: 'clock-jump'; readonly ordinal: number; readonly by_ms: number }
  | { readonly type: 'api-kill'; readonly number: number }
  | { readonly type: 'api-restart'; readonly number: number }
  | { readonly type: 'api-pause'; readonly number: number; readonly for_ms: number }
  /** No client begins anything: what goes on in silence, not overtaken by new writes. */
  | { readonly type: 'lull'; readonly for_ms: number }
  | { readonly type: 'scale-up' }
  | { readonly type: 'scale-down' }
)

export type FaultType = Fault['type']
