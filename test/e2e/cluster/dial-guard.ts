/**
 * Watches every address that this process dials. Tests must hold on any cluster, and on most of
 * them Pods and ClusterIPs cannot be reached from where the tests run: only the API server and
 * addresses of load balancers may be dialed, and all else fails the test that did it.
 */

import { Socket } from 'node:net'

const allowed = new Set<string>()
const foreign = new Set<string>()
const connect = Socket.prototype.connect as (...args: unknown[]) => Socket

function note(address: string, port: number): void {
  const target = `${address}:${port}`
  if (!allowed.has(target)) foreign.add(target)
}

Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
  // Said of each address that is tried, whether it answers or not.
  this.on('connectionAttempt', note)
  return connect.apply(this, args)
} as typeof Socket.prototype.connect

/** From now on this address may be dialed. */
export function allowDialing(address: string, port: number): void {
  allowed.add(`${address}:${port}`)
}

/** What was dialed and should not have been, since this was last asked. */
export function foreignDials(): string[] {
  const dialed = [...foreign]
  foreign.clear()
  return dialed
}
