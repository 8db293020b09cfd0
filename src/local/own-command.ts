/** How a child is started: this program again, its garbage collector set for few processors. */

import { fileURLToPath } from 'node:url'
import type { ChildCommand } from './child.ts'

/**
 * Room for young objects, MiB. Each buffer among them is looked at when it is full: 32 MiB stop a
 * busy server for 20 to 40 ms at a time, and serve no more requests a second. Measured with 64
 * clients: p99 of a GET 24 ms with 32 MiB, 14 ms with 4. As in docker/Dockerfile.
 */
const SEMI_SPACE_MIB = 4
/**
 * A process copies its young objects sooner by itself than with helping threads, which first must
 * get a processor that five processes want; an API server, whose heap is small, marks old ones by
 * itself too. Measured with 64 clients: p99 of a PUT 33 ms with the threads, 24 without.
 */
const COLLECTOR_FLAG = { replica: '--no-parallel-scavenge', api: '--single-threaded-gc' }

/** The command line of a child: this program again, by the Node that runs now. */
export const ownCommand: ChildCommand = (plan) => [
  process.execPath,
  `--max-semi-space-size=${SEMI_SPACE_MIB}`,
  COLLECTOR_FLAG[plan.kind],
  fileURLToPath(new URL('../main.ts', import.meta.url)),
  plan.kind,
]
