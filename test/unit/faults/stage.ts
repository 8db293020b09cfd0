/** A board of faults on a clock that moves when told to, with nothing that could end the test. */

import { FaultBoard, type FaultEvent } from '../../../src/database/faults/fault-board.ts'
import { type FaultType, readFault } from '../../../src/database/faults/fault-kinds.ts'
import { FakeClock } from '../api/fake-clock.ts'

export function stage() {
  const clock = new FakeClock()
  const struck: string[] = []
  const events: FaultEvent[] = []
  const board = new FaultBoard({
    clock,
    sudden: {
      kill: () => void struck.push('kill'),
      pause: (for_ms) => void struck.push(`pause ${for_ms}`),
      loseDisk: () => void struck.push('lose disk'),
    },
    onEvent: (event) => events.push(event),
  })
  /** As over HTTP: `press('pause', 'for=2s')`. */
  const press = (type: FaultType, query = '') => board.press(readFault(type, `/?${query}`))
  return { clock, board, struck, events, press }
}
