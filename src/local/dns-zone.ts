/**
 * A small authoritative DNS server, so that on one machine discovery is the code that runs in
 * Kubernetes: the records that CoreDNS would serve for a StatefulSet's headless Service.
 *
 *   _peer._tcp.<service>.<namespace>.svc.<domain>   SRV   one for each replica
 *   <replica>.<service>.<namespace>.svc.<domain>    A or AAAA
 *   <service>.<namespace>.svc.<domain>              A and AAAA of all
 *
 * UDP with truncation (RFC 1035 §4.2.1, RFC 6891 §6.2.3) and TCP on one port. A name that is not
 * there is denied with the zone's SOA (RFC 2308); what is not DNS is not answered.
 */

import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, isIP, type Server, type Socket } from 'node:net'
import packets, { type Answer, type DecodedPacket, type Packet, type Question } from 'dns-packet'
import { ClusterError } from '../shared/errors.ts'
import { DNS_CONNECTIONS_MAX, DNS_IDLE_MS_MAX } from '../shared/limits.ts'

const NOERROR = 0
const NXDOMAIN = 3
const NOTIMP = 4
const REFUSED = 5
/** Without EDNS an answer over UDP has at most so many bytes (RFC 1035 §2.3.4). */
const UDP_BYTES_MAX = 512
/** More than that an answer over loopback never needs to say in one datagram. */
const EDNS_BYTES_MAX = 4096
const BIND_TRIES = 8

export type ZoneReplica = {
  /** `db-0` */
  readonly name: string
  /** An IP address; undefined: named, but without an address yet, as a Pod that just starts. */
  readonly address: string | undefined
  /** The peer port. */
  readonly port: number
}

export type DnsZoneOptions = {
  readonly service?: string
  readonly namespace?: string
  readonly domain?: string
  /** How long answers may be kept; short, as replicas move. */
  readonly ttl_s?: number
}

type Reply = { readonly code: number; readonly answers: Answer[]; readonly inZone: boolean }

/** The zone of one headless Service on loopback. */
export class DnsZone {
  readonly #domain: string
  readonly #service: string
  readonly #ttl_s: number
  #replicas: readonly ZoneReplica[] = []
  #serial = 1
  #udp: UdpSocket | undefined
  #tcp: Server | undefined
  readonly #connections = new Set<Socket>()

  constructor(options: DnsZoneOptions = {}) {
    const { service = 'db-headless', namespace = 'default', domain = 'cluster.local' } = options
    this.#domain = domain.toLowerCase()
    this.#service = `${service}.${namespace}.svc.${domain}`.toLowerCase()
    this.#ttl_s = options.ttl_s ?? 0
  }

  /** The replicas as they are now. */
  set(replicas: readonly ZoneReplica[]): void {
    this.#replicas = [...replicas]
    this.#serial += 1
  }

  /** Binds one free port for UDP and TCP. Rejects with `port-in-use` if there is none. */
  async listen(host = '127.0.0.1'): Promise<{ host: string; port: number }> {
    let cause: unknown
    for (let tries = 0; tries < BIND_TRIES; tries += 1) {
      const tcp = createServer((socket) => this.#connected(socket))
      tcp.maxConnections = DNS_CONNECTIONS_MAX
      tcp.listen({ host, port: 0 })
      await once(tcp, 'listening')
      const { port } = tcp.address() as AddressInfo
      const udp = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4')
      try {
        udp.bind({ address: host, port })
        await once(udp, 'listening')
      } catch (error) {
        // Another program has the UDP port of this number: another number.
        cause = error
        tcp.close()
        udp.close()
        continue
      }
      udp.on('message', (query, from) => this.#datagram(udp, query, from))
      // An answer that could not be delivered (its asker is gone) is not this server's end.
      udp.on('error', () => undefined)
      this.#tcp = tcp
      this.#udp = udp
      return { host, port }
    }
    throw new ClusterError('port-in-use', 'no port is free for both UDP and TCP', { cause })
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#udp?.close()
    this.#udp = undefined
    for (const socket of this.#connections) socket.destroy()
    if (this.#tcp === undefined) resolve()
    else this.#tcp.close(() => resolve())
    this.#tcp = undefined
    await promise
  }

  #datagram(udp: UdpSocket, query: Buffer, from: RemoteInfo): void {
    const packet = decode(query)
    if (packet === undefined) return
    const opt = packet.additionals?.find((record) => record.type === 'OPT')
    const asked_bytes = opt?.type === 'OPT' ? opt.udpPayloadSize : UDP_BYTES_MAX
    const max_bytes = Math.min(EDNS_BYTES_MAX, Math.max(UDP_BYTES_MAX, asked_bytes))
    let reply = this.#reply(packet, false)
    if (reply !== undefined && reply.length > max_bytes) reply = this.#reply(packet, true)
    if (reply !== undefined) udp.send(reply, from.port, from.address)
  }

  #connected(socket: Socket): void {
    this.#connections.add(socket)
    socket.on('close', () => this.#connections.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.setTimeout(DNS_IDLE_MS_MAX, () => socket.destroy())
    let received: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk as Buffer])
      // RFC 1035 §4.2.2: each message behind its length, so that no more than 64 KiB gather here.
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const size = received.readUInt16BE(0)
        const packet = decode(received.subarray(2, 2 + size))
        received = received.subarray(2 + size)
        if (packet === undefined) {
          socket.destroy()
          return
        }
        const reply = this.#reply(packet, false)
        if (reply === undefined) continue
        const length = Buffer.allocUnsafe(2)
        length.writeUInt16BE(reply.length, 0)
        socket.write(Buffer.concat([length, reply]))
      }
    })
  }

  /** undefined: the question cannot even be repeated. */
  #reply(packet: DecodedPacket, truncated: boolean): Buffer | undefined {
    const question = packet.questions?.[0]
    const { code, answers, inZone }: Reply =
      question === undefined ? { code: NOTIMP, answers: [], inZone: false } : this.#answer(question)
    const flags =
      code |
      (inZone ? packets.AUTHORITATIVE_ANSWER : 0) |
      (packet.flag_rd ? packets.RECURSION_DESIRED : 0) |
      (truncated ? packets.TRUNCATED_RESPONSE : 0)
    const reply: Packet = {
      type: 'response',
      id: packet.id ?? 0,
      flags,
      questions: question === undefined ? [] : [question],
      answers: truncated ? [] : answers,
      authorities: inZone && answers.length === 0 ? [this.#soa()] : [],
    }
    try {
      return packets.encode(reply)
    } catch {
      return undefined
    }
  }

  #answer(question: Question): Reply {
    const name = question.name.toLowerCase().replace(/\.$/, '')
    if (name !== this.#domain && !name.endsWith(`.${this.#domain}`)) {
      return { code: REFUSED, answers: [], inZone: false }
    }
    const records = this.#records(name, question.name)
    if (records === undefined) return { code: NXDOMAIN, answers: [], inZone: true }
    const answers = records.filter((record) => record.type === question.type)
    return { code: NOERROR, answers, inZone: true }
  }

  /** All records of a name; undefined: there is no such name. `owner` keeps the asker's case. */
  #records(name: string, owner: string): Answer[] | undefined {
    if (name === this.#domain) return [this.#soa()]
    if (name === `_peer._tcp.${this.#service}`) {
      return this.#replicas.map((replica) => ({
        type: 'SRV',
        name: owner,
        ttl: this.#ttl_s,
        data: { priority: 0, weight: 100, port: replica.port, target: this.#host(replica) },
      }))
    }
    if (name === this.#service) {
      return this.#replicas.flatMap((replica) => this.#addresses(replica, owner))
    }
    const replica = this.#replicas.find((candidate) => this.#host(candidate) === name)
    if (replica !== undefined) return this.#addresses(replica, owner)
    // A name above one that exists, exists (RFC 8020).
    return `_peer._tcp.${this.#service}`.endsWith(`.${name}`) ? [] : undefined
  }

  #host(replica: ZoneReplica): string {
    return `${replica.name.toLowerCase()}.${this.#service}`
  }

  #addresses(replica: ZoneReplica, owner: string): Answer[] {
    const { address } = replica
    if (address === undefined) return []
    const type = isIP(address) === 6 ? 'AAAA' : 'A'
    return [{ type, name: owner, ttl: this.#ttl_s, data: address }]
  }

  #soa(): Answer {
    return {
      type: 'SOA',
      name: this.#domain,
      ttl: this.#ttl_s,
      data: {
        mname: `ns.dns.${this.#domain}`,
        rname: `hostmaster.${this.#domain}`,
        serial: this.#serial,
        refresh: 7200,
        retry: 1800,
        expire: 86_400,
        minimum: this.#ttl_s,
      },
    }
  }
}

/** A query, or undefined: not DNS, or an answer (never answered, lest two servers talk). */
function decode(bytes: Buffer): DecodedPacket | undefined {
  let packet: DecodedPacket
  try {
    packet = packets.decode(bytes)
  } catch {
    return undefined
  }
  return packet.type === 'query' ? packet : undefined
}
