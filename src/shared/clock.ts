/** Time as a port: the simulator hands in its own. */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Monotonic milliseconds, with fractions. */
  now_ms(): number
  /** Wall clock, whole milliseconds since the epoch. */
  wall_ms(): number
  /** Calls `run` once after `delay_ms`. */
  after(delay_ms: number, run: () => void): Timer
}

/** The clock of this process. */
export const systemClock: Clock = {
  now_ms: () => performance.now(),
  wall_ms: () => Date.now(),
  after: (delay_ms, run) => {
    const timer = setTimeout(run, delay_ms)
    return { cancel: () => clearTimeout(timer) }
  },
}
