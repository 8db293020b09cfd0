/**
 * How long a dead child stays down: as a kubelet's CrashLoopBackOff, the pause doubles with each
 * death and starts again at its first value after the child ran well for a while. The kubelet's
 * figures are 10 s, 5 min and 10 min; these are for people who watch.
 */

export type RestartPolicy = {
  readonly first_ms: number
  readonly max_ms: number
  /** A run of at least this long is a good one: the pause starts again at `first_ms`. */
  readonly reset_ms: number
}

export const RESTART_POLICY: RestartPolicy = { first_ms: 500, max_ms: 30_000, reset_ms: 60_000 }

/** The pause after a run of `ran_ms`, in ms; `last_ms` is the pause before that run, 0: none. */
export function restartPause(policy: RestartPolicy, last_ms: number, ran_ms: number): number {
  if (last_ms === 0 || ran_ms >= policy.reset_ms) return policy.first_ms
  return Math.min(last_ms * 2, policy.max_ms)
}
