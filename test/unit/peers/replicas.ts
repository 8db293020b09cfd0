/** PeerTransports on loopback with a discovery that is a table, for the tests of this folder. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type MemberId, type Message, memberId } from '../../../src/database/consensus/types.ts'
import type { PeerTls } from '../../../src/database/peers/peer-tls.ts'
import { PeerSecret } from '../../../src/database/peers/secret.ts'
import { PeerTransport, type PeerTransportOptions } from '../../../src/database/peers/transport.ts'
import type {
  Hello,
  IncomingSnapshot,
  TransportHandlers,
} from '../../../src/database/replica/ports.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import type { Discovery, Link, LinkIdentity, PeerAddress } from '../../../src/shared/link.ts'

/** Who an API server says that it is. */
export const API: LinkIdentity = {
  role: 'api',
  name: 'api-0',
  clusterName: 'demo',
  clusterId: '',
  ordinal: -1,
  incarnation: 'api',
}

export type Teardown = { teardown(run: () => unknown): void }

/** Resolves when `holds()` does; looked at each turn of the event loop. */
export async function until(what: string, holds: () => boolean, within_ms = 5000): Promise<void> {
  const end = performance.now() + within_ms
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${within_ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A discovery whose answers a test sets. */
export class TableDiscovery implements Discovery {
  readonly table = new Map<number, PeerAddress>()
  lookups = 0

  set(ordinal: number, port: number, host = '127.0.0.1'): void {
    this.table.set(ordinal, { ordinal, host, port })
  }

  async lookup(): Promise<readonly PeerAddress[]> {
    this.lookups += 1
    if (this.table.size === 0) throw new ClusterError('no-replica', 'the table is empty')
    return [...this.table.values()]
  }
}

/** A file with these lines, gone after the test. */
export function secretFile(test: Teardown, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-secret-'))
  test.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'secret')
  writeFileSync(file, text)
  return file
}

export type ReplicaOptions = {
  ordinal: number
  discovery: Discovery
  incarnation?: string
  clusterName?: string
  clusterId?: string
  secretFile?: string
  tls?: PeerTls
  log?: PeerTransportOptions['log']
  /** Carry the address in the hello (the default), or not. */
  address?: string
  /** The peer port; 0: any. */
  port?: number
  snapshots?: PeerTransportOptions['snapshots']
  handlers?: Partial<TransportHandlers>
}

/** One replica's transport and all that it heard. */
export type TestReplica = {
  transport: PeerTransport
  member: MemberId
  port: number
  hello: Hello
  hellos: Hello[]
  messages: Message[]
  unreachable: MemberId[]
  refusals: { by: Hello | undefined; code: string }[]
  snapshots: IncomingSnapshot[]
  apiLinks: { link: Link; name: string }[]
  send(to: TestReplica, term: number): void
  close(): Promise<void>
}

export async function startReplica(test: Teardown, options: ReplicaOptions): Promise<TestReplica> {
  const { ordinal, discovery } = options
  const incarnation = options.incarnation ?? `incarnation-${ordinal}`
  const transport = new PeerTransport({
    name: `db-${ordinal}`,
    host: '127.0.0.1',
    port: options.port ?? 0,
    discovery,
    secret: new PeerSecret({ file: options.secretFile }),
    tls: options.tls,
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.snapshots === undefined ? {} : { snapshots: options.snapshots }),
  })
  test.teardown(() => transport.close())
  const { port } = await transport.listen()
  const hello: Hello = {
    clusterName: options.clusterName ?? 'demo',
    clusterId: options.clusterId ?? '',
    ordinal,
    incarnation,
    address: options.address ?? `127.0.0.1:${port}`,
    format: 1,
    expected: 3,
    fingerprint: { index: 0, hash: '' },
    wasMember: false,
  }
  const replica: TestReplica = {
    transport,
    member: memberId(ordinal, incarnation),
    port,
    hello,
    hellos: [],
    messages: [],
    unreachable: [],
    refusals: [],
    snapshots: [],
    apiLinks: [],
    send: (to, term) => {
      const from = replica.member
      transport.send({ type: 'vote-reply', granted: true, from, to: to.member, term })
    },
    close: () => transport.close(),
  }
  await transport.start(hello, {
    onHello: (heard) => {
      replica.hellos.push(heard)
      return undefined
    },
    onRefused: (by, code) => replica.refusals.push({ by, code }),
    onMessage: (message) => replica.messages.push(message),
    onSnapshot: async (snapshot) => {
      replica.snapshots.push(snapshot)
      for await (const chunk of snapshot.chunks) if (chunk.length === 0) throw new Error('empty')
    },
    onUnreachable: (member) => replica.unreachable.push(member),
    onApiLink: (link, name) => {
      link.onFrame = (type, body) => link.send(type, [body])
      replica.apiLinks.push({ link, name })
    },
    ...options.handlers,
  })
  return replica
}

/** Is an own link of `from` to `to` up? */
export function connected(from: TestReplica, to: TestReplica): boolean {
  const { ordinal } = to.hello
  return from.transport.peers().some((peer) => peer.ordinal === ordinal && peer.connected)
}

/** `count` replicas that find each other, with own links both ways between all. */
export async function startCluster(
  test: Teardown,
  count: number,
  options: Partial<ReplicaOptions> = {},
): Promise<{ replicas: TestReplica[]; discovery: TableDiscovery }> {
  const discovery = new TableDiscovery()
  const replicas: TestReplica[] = []
  for (let ordinal = 0; ordinal < count; ordinal += 1) {
    const replica = await startReplica(test, { discovery, ...options, ordinal })
    discovery.set(ordinal, replica.port)
    replicas.push(replica)
  }
  await until('all linked', () =>
    replicas.every((from) => replicas.every((to) => from === to || connected(from, to))),
  )
  return { replicas, discovery }
}

/** What a replica knows of the peer with this ordinal. */
export function peerOf(replica: TestReplica, ordinal: number) {
  return replica.transport.peers().find((peer) => peer.ordinal === ordinal)
}
