/** The clock of a replica whose wall clock may be made wrong. Monotonic time stays as it is. */

import type { Clock } from '../../shared/clock.ts'
import type { FaultBoard } from './fault-board.ts'

/** `clock`, whose wall time is off while the fault `clock-jump` is active. */
export function faultyClock(clock: Clock, board: FaultBoard): Clock {
  return {
    now_ms: () => clock.now_ms(),
    wall_ms: () => clock.wall_ms() + (board.active('clock-jump')?.by_ms ?? 0),
    after: (delay_ms, run) => clock.after(delay_ms, run),
  }
}
