/**
 * Ports on loopback. Those of children are chosen once and kept over restarts, so they come from
 * below the kernel's ephemeral range (from 32768 on Linux, 49152 on macOS): a port from within it
 * may be taken as some connection's source port while its owner is down.
 */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { ClusterError } from '../shared/errors.ts'

export const LOOPBACK = '127.0.0.1'

const PORT_FIRST = 20_000
const PORT_COUNT = 12_000

async function tryListen(port: number, reusePort = false): Promise<Error | undefined> {
  const server = createServer()
  try {
    server.listen({ host: LOOPBACK, port, reusePort })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return error as Error
  } finally {
    server.close()
  }
}

/** `count` different ports nobody listens at. Rejects with `port-in-use` if there are too few. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  const start = Math.floor(Math.random() * PORT_COUNT)
  for (let step = 0; step < PORT_COUNT && found.length < count; step++) {
    const port = PORT_FIRST + ((start + step) % PORT_COUNT)
    if ((await tryListen(port)) === undefined) found.push(port)
  }
  if (found.length < count) {
    throw new ClusterError('port-in-use', `no ${count} free ports from ${PORT_FIRST} on`)
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
