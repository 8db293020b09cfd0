import { once } from 'node:events'
import { request as plainRequest } from 'node:http'
import { connect as connectPlain } from 'node:net'
import t from 'tap'
import type { SnapshotMeta } from '../../../src/database/consensus/types.ts'
import { createDialer } from '../../../src/database/peers/link-dialer.ts'
import { PeerTls } from '../../../src/database/peers/peer-tls.ts'
import { PeerSecret } from '../../../src/database/peers/secret.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { REFUSAL_NOTE_MS, SECRET_POLL_MS } from '../../../src/shared/limits.ts'
import type { PeerAddress } from '../../../src/shared/link.ts'
import { TlsFolder } from '../../../src/shared/tls-folder.ts'
import { FakeClock } from '../api/fake-clock.ts'
import { type MountedSecret, notices, tlsContent, tlsSecret } from '../tls/folders.ts'
import {
  API,
  connected,
  startReplica,
  TableDiscovery,
  type Teardown,
  type TestReplica,
  until,
} from './replicas.ts'

const ZONE = 'db-headless.default.svc.cluster.local'
type Log = { lines: string[]; log: { info: Notice; warn: Notice } }
type Notice = (details: object, message: string) => void

/** TLS over a mounted Secret, whose files are looked at when the clock is moved. */
function tlsOf(test: Teardown, secret: MountedSecret, log?: Log) {
  const clock = new FakeClock()
  const folder = new TlsFolder({ folder: secret.path, clock })
  test.teardown(() => folder.close())
  const tls = new PeerTls({
    folder,
    clock,
    nameOf: (ordinal) => `db-${ordinal}.${ZONE}`,
    ...(log === undefined ? {} : { log: log.log }),
  })
  return { tls, clock, secret }
}

function dialerWith(tls: PeerTls | undefined) {
  const secret = new PeerSecret({ file: undefined })
  return createDialer({ identity: () => API, secret, tls, timeout_ms: 5000 })
}

/** `linked`, or the code and words of the refusal. */
async function outcome(dialer: ReturnType<typeof dialerWith>, target: PeerAddress) {
  try {
    const { link } = await dialer.dial(target)
    link.onClose = () => undefined
    link.close()
    return 'linked'
  } catch (error) {
    if (error instanceof ClusterError) return `${error.code}: ${error.message}`
    throw error
  }
}

/** A replica behind TLS, and a way to dial it with other material. */
async function stage(t: Teardown) {
  const log = notices()
  const own = tlsOf(t, tlsSecret(t, 'leaf-a', 'ca-a'), log)
  const discovery = new TableDiscovery()
  const replica = await startReplica(t, { ordinal: 0, discovery, tls: own.tls })
  const target = { ordinal: 0, host: '127.0.0.1', port: replica.port }
  const dial = (leaf: string, authorities: string[], more: Partial<PeerAddress> = {}) => {
    const { tls } = tlsOf(t, tlsSecret(t, leaf, ...authorities))
    return outcome(dialerWith(tls), { ...target, ...more })
  }
  return { ...own, replica, log, target, dial }
}

t.test('both ends show a certificate of a CA that the other one trusts', async (t) => {
  const { dial, replica } = await stage(t)
  t.equal(await dial('leaf-a', ['ca-a']), 'linked')
  t.equal(await dial('other-name', ['ca-a']), 'linked', 'a caller has no address to be named by')
  t.equal(await dial('leaf-a', ['ca-b', 'ca-a']), 'linked', 'one CA of several')
  t.equal(replica.apiLinks.length, 3)
  t.match(await dial('leaf-a', ['ca-b']), /^tls-refused: 127\.0.*not signed by a CA of ca\.crt/)
  t.match(await dial('leaf-b', ['ca-a']), /^tls-refused: .*not trusted: .*not signed by a CA/)
  t.match(await dial('expired', ['ca-a']), /^tls-refused: .*its certificate has expired/)
  t.match(await dial('server-only', ['ca-a']), /^tls-refused: .*not meant for this end/)
  t.equal(replica.apiLinks.length, 3, 'no refused caller got a link')
})

t.test('a certificate names the replica meant, whatever its address', async (t) => {
  const { dial } = await stage(t)
  t.equal(await dial('leaf-a', ['ca-a'], { name: `db-7.${ZONE}` }), 'linked')
  const elsewhere = 'db-0.db-headless.elsewhere.svc.cluster.local'
  const refused = await dial('leaf-a', ['ca-a'], { name: elsewhere })
  t.match(refused, /^tls-refused: /)
  t.ok(refused.endsWith(unnamed(elsewhere)), refused)
  const { tls } = tlsOf(t, tlsSecret(t, 'other-name', 'ca-a'))
  const discovery = new TableDiscovery()
  const impostor = await startReplica(t, { ordinal: 0, discovery, tls })
  t.match(
    await dial('leaf-a', ['ca-a'], { port: impostor.port }),
    new RegExp(unnamed(`db-0.${ZONE}`)),
    'without a name from a record: the one by rule',
  )
})

const unnamed = (name: string) => `its certificate does not name ${name}`

t.test('refused callers are logged once and noted for a while', async (t) => {
  const { dial, log, tls, target, clock } = await stage(t)
  for (let times = 0; times < 5; times += 1) await dial('leaf-b', ['ca-a'])
  t.same(log.lines, [
    'a caller at the peer port was refused: its certificate is not signed by a CA of ca.crt',
  ])
  t.match(tls.notes(), [/^tls-refused: (::ffff:)?127\.0\.0\.1 came to the peer port, and its cert/])
  const plain = plainRequest({ ...target, path: '/peer/v1/snapshot', method: 'POST' })
  plain.end('x')
  await once(plain, 'error')
  t.match(await outcome(dialerWith(undefined), target), /^no-replica: /)
  t.match(log.lines[1], /it speaks plain HTTP/)
  t.equal(log.lines.length, 2)
  const probe = connectPlain(target.port, '127.0.0.1')
  await once(probe, 'connect')
  probe.destroy()
  t.equal(await dial('leaf-a', ['ca-a']), 'linked')
  t.equal(log.lines.length, 2, 'who only knocks is not worth a line')
  t.equal(tls.notes().length, 2)
  await clock.advance(REFUSAL_NOTE_MS + 1)
  t.same(tls.notes(), [])
})

t.test('a peer port that waits for a handshake closes all the same', async (t) => {
  const { replica } = await stage(t)
  const slow = connectPlain(replica.port, '127.0.0.1')
  slow.on('error', () => undefined)
  await once(slow, 'connect')
  await replica.close()
  if (!slow.closed) await once(slow, 'close')
  t.ok(slow.closed)
})

t.test('a plain peer port is no replica for one that asks for TLS', async (t) => {
  const replica = await startReplica(t, { ordinal: 0, discovery: new TableDiscovery() })
  const { tls } = tlsOf(t, tlsSecret(t, 'leaf-a', 'ca-a'))
  const target = { ordinal: 0, host: '127.0.0.1', port: replica.port }
  t.match(await outcome(dialerWith(tls), target), /^tls-refused: .*it does not speak TLS/)
})

/** Two replicas with a Secret each, and what turns them to the next one. */
async function pair(t: Teardown) {
  const discovery = new TableDiscovery()
  const sides = [0, 1].map(() => tlsOf(t, tlsSecret(t, 'leaf-a', 'ca-a')))
  const replicas: TestReplica[] = []
  for (const [ordinal, { tls }] of sides.entries()) {
    const replica = await startReplica(t, { ordinal, discovery, tls })
    discovery.set(ordinal, replica.port)
    replicas.push(replica)
  }
  const [a, b] = replicas as [TestReplica, TestReplica]
  await until('linked', () => connected(a, b) && connected(b, a))
  const turn = async (side: number, leaf: string, ...authorities: string[]) => {
    sides[side]?.secret.replace(tlsContent(leaf, ...authorities))
    await sides[side]?.clock.advance(SECRET_POLL_MS)
  }
  const dial = (side: number) => {
    const target = { ordinal: 1 - side, host: '127.0.0.1', port: (side === 0 ? b : a).port }
    return outcome(dialerWith(sides[side]?.tls), target)
  }
  return { a, b, turn, dial }
}

t.test('a CA is changed step by step; each new link is made, and old ones go on', async (t) => {
  const { a, b, turn, dial } = await pair(t)
  const steps: [number, string, ...string[]][] = [
    [0, 'leaf-a', 'ca-a', 'ca-b'],
    [1, 'leaf-a', 'ca-a', 'ca-b'],
    [0, 'leaf-b', 'ca-a', 'ca-b'],
    [1, 'leaf-b', 'ca-a', 'ca-b'],
    [1, 'leaf-b', 'ca-b'],
    [0, 'leaf-b', 'ca-b'],
  ]
  for (const [at, step] of steps.entries()) {
    await turn(...step)
    t.equal(await dial(0), 'linked', `db-0 dials after ${step}`)
    t.equal(await dial(1), 'linked', `db-1 dials after ${step}`)
    a.send(b, at)
    b.send(a, at)
  }
  await until('all messages', () => [a, b].every(({ messages }) => messages.length === 6))
  t.same([...a.unreachable, ...b.unreachable], [], 'no link broke')
})

t.test('a CA changed without overlap is refused both ways, and said in the status', async (t) => {
  const { a, b, turn, dial } = await pair(t)
  await turn(0, 'leaf-b', 'ca-b')
  t.match(await dial(0), /^tls-refused/)
  t.match(await dial(1), /^tls-refused/)
  t.ok(connected(a, b) && connected(b, a), 'the links that are up go on')
  await b.close()
  await until('a dials again and fails', () => !connected(a, b))
  t.ok(a.unreachable.length > 0)
})

t.test('a replica that nobody trusts is told so, and logs it once', async (t) => {
  const discovery = new TableDiscovery()
  const { lines, log } = notices()
  const good = await startReplica(t, {
    ordinal: 0,
    discovery,
    tls: tlsOf(t, tlsSecret(t, 'leaf-a', 'ca-a')).tls,
  })
  discovery.set(0, good.port)
  const { tls } = tlsOf(t, tlsSecret(t, 'leaf-b', 'ca-a'))
  const bad = await startReplica(t, { ordinal: 1, discovery, tls, log })
  discovery.set(1, bad.port)
  await until('refused several times', () => bad.refusals.length > 2, 15_000)
  t.ok(bad.refusals.every(({ code }) => code === 'tls-refused'))
  t.equal(lines.filter((line) => line === 'refused by a peer').length, 1)
  t.match(bad.transport.peers()[0]?.problem, /the caller is not trusted/)
  t.match(good.transport.peers()[0]?.problem, /not signed by a CA/)
})

const META: SnapshotMeta = {
  index: 7,
  term: 3,
  chain: 9,
  time_ms: 1000,
  nextRevision: 42,
  membership: {
    clusterId: 'id',
    history: 'history',
    voters: ['0/incarnation-0'],
    learners: [],
    removed: [],
    opened: true,
  },
}

t.test('snapshots travel over TLS, and not from a stranger', async (t) => {
  const { a, b, turn } = await pair(t)
  const chunk = Buffer.alloc(300_000, 'x')
  const source = {
    meta: META,
    close: async () => undefined,
    async *chunks() {
      yield chunk
      yield chunk
    },
  }
  const send = () => a.transport.sendSnapshot(b.member, { from: a.member, term: 3, source })
  await send()
  t.equal(b.snapshots.length, 1)
  await turn(1, 'leaf-a', 'ca-b')
  await t.rejects(send(), { code: 'tls-refused' })
  t.equal(b.snapshots.length, 1)
})
