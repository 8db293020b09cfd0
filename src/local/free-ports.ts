/**
 * Ports on loopback. Those of children are chosen once and kept over restarts, so they come from
 * below the kernel's ephemeral range (from 32768 on Linux, 49152 on macOS): a port from within it
 * may be taken as some connection's source port while its owner is down.
 *
 * For the same reason no one else may choose them: not this process a second time, nor another
 * `ordinal local` beside it. They are cut from blocks, and a process claims a block by listening at
 * its first port for as long as it lives.
 */

import { once } from 'node:events'
import { createServer, type ListenOptions, type Server } from 'node:net'
import { ClusterError } from '../shared/errors.ts'

export const LOOPBACK = '127.0.0.1'

const PORT_FIRST = 20_000
const PORT_COUNT = 12_000
const BLOCK_PORTS = 60
const BLOCK_COUNT = PORT_COUNT / BLOCK_PORTS

/** What is left of the block claimed last; a port leaves it once. */
let block = { next: 0, end: 0 }

async function listening(server: Server, at: ListenOptions): Promise<Error | undefined> {
  try {
    server.listen(at)
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return error as Error
  }
}

async function tryListen(port: number, reusePort = false): Promise<Error | undefined> {
  const server = createServer()
  const failure = await listening(server, { host: LOOPBACK, port, reusePort })
  server.close()
  return failure
}

/** Claims a block nobody else has, until the process ends. */
async function claimBlock(): Promise<typeof block> {
  const start = Math.floor(Math.random() * BLOCK_COUNT)
  for (let step = 0; step < BLOCK_COUNT; step++) {
    const first = PORT_FIRST + ((start + step) % BLOCK_COUNT) * BLOCK_PORTS
    const claim = createServer((socket) => socket.destroy())
    claim.unref()
    if ((await listening(claim, { host: LOOPBACK, port: first })) === undefined) {
      return { next: first + 1, end: first + BLOCK_PORTS }
    }
  }
  const last = PORT_FIRST + PORT_COUNT - 1
  throw new ClusterError('port-in-use', `no free ports from ${PORT_FIRST} to ${last}`)
}

/**
 * `count` different ports nobody listens at, and that this function gives to no one else on the
 * machine while this process lives. Rejects with `port-in-use` if there are too few.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    if (block.next === block.end) block = await claimBlock()
    const port = block.next++
    if ((await tryListen(port)) === undefined) found.push(port)
  }
  return found
}

/** Rejects with `port-in-use`, naming the option to change, unless `port` can be listened at. */
export async function requirePort(port: number, option: string): Promise<void> {
  const failure = (await tryListen(port)) as NodeJS.ErrnoException | undefined
  if (failure === undefined) return
  const why = failure.code === 'EACCES' ? 'may not be used by you' : 'is in use'
  throw new ClusterError('port-in-use', `port ${port} ${why}; choose another with ${option}`, {
    cause: failure,
  })
}

/** Whether the kernel spreads the connections of one port over several processes (Linux). */
export async function kernelBalances(): Promise<boolean> {
  if (process.platform !== 'linux') return false
  return (await tryListen(0, true)) === undefined
}
