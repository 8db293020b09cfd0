/**
 * Where replicas can be reached, as they tell each other: a new Pod tells its own address in its
 * hello, and whoever heard that tells the others. A DNS that was asked while the Pod was gone may
 * deny its name for half a minute more (RFC 2308 §5); one peer that knows better is enough.
 *
 *   u16 count, then for each: u32 ordinal, text `host:port`
 *
 * Only what the peer itself told is passed on, so that nothing of old goes round. A place proves
 * nothing: who answers there shows who it is, as always.
 */

import { isIP } from 'node:net'
import { ByteReader, ByteWriter } from '../../shared/bytes.ts'
import { ClusterError } from '../../shared/errors.ts'
import { PEERS_MAX } from '../../shared/limits.ts'
import type { PeerAddress } from '../../shared/link.ts'

/** The place that `host:port` names; undefined unless it is an IP address and a port. */
export function placeAt(ordinal: number, address: string): PeerAddress | undefined {
  const match = /^\[?(.+?)\]?:(\d+)$/.exec(address)
  if (match === null) return undefined
  const host = match[1] as string
  const port = Number(match[2])
  if (isIP(host) === 0 || port < 1 || port > 0xffff) return undefined
  return { ordinal, host, port }
}

export function samePlace(one: PeerAddress | undefined, other: PeerAddress | undefined): boolean {
  return one?.ordinal === other?.ordinal && one?.host === other?.host && one?.port === other?.port
}

/** At most `PEERS_MAX` places. */
export function encodePlaces(places: readonly PeerAddress[]): Buffer {
  const writer = new ByteWriter().u16(places.length)
  for (const { ordinal, host, port } of places) {
    writer.u32(ordinal).text(isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`)
  }
  return writer.finish()
}

/** Throws `malformed-frame`. What is no address is left out. */
export function decodePlaces(source: Uint8Array): PeerAddress[] {
  const reader = new ByteReader(source)
  const count = reader.u16()
  if (count > PEERS_MAX) throw new ClusterError('malformed-frame', `${count} places at once`)
  const places: PeerAddress[] = []
  for (let i = 0; i < count; i += 1) {
    const place = placeAt(reader.u32(), reader.text())
    if (place !== undefined) places.push(place)
  }
  return places
}
