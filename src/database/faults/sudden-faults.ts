/**
 * What ends or stops the own process. As the first process of a container it cannot kill or stop
 * itself by a signal (the kernel drops signals without a handler sent to PID 1: pid_namespaces(7)),
 * so the one is an exit without handlers where the signal did nothing, the other blocks the only
 * thread. Not `abort`, which needs a crash of the processor there and may leave a core file.
 */

import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { SuddenFaults } from './fault-board.ts'

/** LevelDB makes files while its folder is being emptied. */
const DELETE_TRIES = 5

/** @param folder the replica's data folder, which `loseDisk` empties (it may be a mount point). */
export function suddenFaults(folder: string): SuddenFaults {
  return {
    kill: endAtOnce,
    pause: (for_ms) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, for_ms)
    },
    loseDisk: () => {
      try {
        for (const name of readdirSync(folder)) {
          rmSync(join(folder, name), { recursive: true, force: true, maxRetries: DELETE_TRIES })
        }
      } finally {
        endAtOnce()
      }
    },
  }
}

/** 128 + 9, as a shell tells a SIGKILL. */
const KILLED = 137

/** No handler runs, nothing is flushed. */
function endAtOnce(): void {
  process.kill(process.pid, 'SIGKILL')
  process.removeAllListeners('exit')
  process.exit(KILLED)
}
