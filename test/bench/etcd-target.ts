/**
 * A three-member etcd on loopback, each member with its own data folder on the disk that Ordinal
 * uses too, fsync on, driven through its JSON gateway.
 *
 * Two ways to it, and the benchmark takes the faster one for each setting: all connections to the
 * leader, or one port that the three members share (`--socket-reuse-port`), over which the kernel
 * spreads the connections, as it does for Ordinal's API servers. HTTP has listeners of its own
 * (`--listen-client-http-urls`): on one shared with gRPC, its default, the gateway is slower.
 */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { freePorts, LOOPBACK } from '../../src/local/free-ports.ts'
import type { Crew, CrewMember } from './crew.ts'
import { etcdRequests, sample } from './requests.ts'
import { call, type Target, until } from './target.ts'

const MEMBER_COUNT = 3
const START_MS_MAX = 30_000
/** A leader that stops waits for others to take over; its data is thrown away, so that is cut. */
const STOP_MS_MAX = 2000
/** The default of 2 GiB would end a long run with "no space". */
const QUOTA_BYTES = 8 * 1024 * 1024 * 1024

type Status = { readonly version: string; readonly leader?: string; readonly member: string }

/** Whether `etcd` is on the PATH; its version. */
export function etcdVersion(): string | undefined {
  try {
    const text = execFileSync('etcd', ['--version'], { encoding: 'utf8', timeout: 10_000 })
    return /etcd Version: (\S+)/.exec(text)?.[1] ?? 'of an unknown version'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function post(port: number, path: string, body: unknown): Promise<unknown> {
  const url = `http://${LOOPBACK}:${port}${path}`
  const headers = { 'content-type': 'application/json' }
  const answer = await call(url, { method: 'POST', body: JSON.stringify(body), headers })
  return await answer.json()
}

async function readStatus(port: number): Promise<Status> {
  const status = (await post(port, '/v3/maintenance/status', {})) as {
    version: string
    leader?: string
    header: { member_id: string }
  }
  return { version: status.version, member: status.header.member_id, ...pickLeader(status) }
}

function pickLeader({ leader }: { leader?: string }): { leader?: string } {
  return leader === undefined || leader === '0' ? {} : { leader }
}

async function check(port: number): Promise<void> {
  const { key, value } = sample()
  const encoded = { key: Buffer.from(key).toString('base64'), value: value.toString('base64') }
  await post(port, '/v3/kv/put', encoded)
  const answer = (await post(port, '/v3/kv/range', { key: encoded.key })) as {
    kvs?: { value: string }[]
  }
  if (answer.kvs?.[0]?.value !== encoded.value) throw new Error('etcd gave another value than put')
}

type Ports = {
  readonly grpc: readonly number[]
  readonly http: readonly number[]
  readonly peer: readonly number[]
  readonly shared: number
}

async function choosePorts(): Promise<Ports> {
  const all = await freePorts(MEMBER_COUNT * 3 + 1)
  const next = () => all.splice(0, MEMBER_COUNT)
  return { grpc: next(), http: next(), peer: next(), shared: all[0] ?? 0 }
}

function startMembers(crew: Crew, folder: string, ports: Ports): CrewMember[] {
  const url = (port: number | undefined) => `http://${LOOPBACK}:${port}`
  const cluster = ports.peer.map((port, number) => `etcd-${number}=${url(port)}`).join(',')
  return ports.peer.map((peerPort, number) => {
    const name = `etcd-${number}`
    const settings: Record<string, string> = {
      name,
      'data-dir': join(folder, name),
      'listen-client-urls': url(ports.grpc[number]),
      'advertise-client-urls': url(ports.grpc[number]),
      'listen-client-http-urls': `${url(ports.http[number])},${url(ports.shared)}`,
      'listen-peer-urls': url(peerPort),
      'initial-advertise-peer-urls': url(peerPort),
      'initial-cluster': cluster,
      'initial-cluster-state': 'new',
      'quota-backend-bytes': String(QUOTA_BYTES),
      'socket-reuse-port': 'true',
      'log-level': 'warn',
    }
    const args = Object.entries(settings).map(([flag, value]) => `--${flag}=${value}`)
    return crew.start({ name, command: 'etcd', args, grace_ms: STOP_MS_MAX })
  })
}

/** Starts three members and waits until they have a leader. */
export async function startEtcd(
  crew: Crew,
  options: { signal: AbortSignal; folder: string },
): Promise<Target> {
  const ports = await choosePorts()
  const members = startMembers(crew, options.folder, ports)
  const waiting = {
    timeout_ms: START_MS_MAX,
    signal: options.signal,
    alive: () => {
      for (const member of members) member.requireRunning()
    },
  }
  const { leaderPort, leader, version } = await until('etcd has a leader', waiting, async () => {
    const all = await Promise.all(ports.http.map(readStatus))
    const at = all.findIndex(({ member, leader }) => member === leader)
    if (at === -1 || all.some((one) => one.leader !== all[at]?.member)) return undefined
    const port = ports.http[at] ?? 0
    return { leaderPort: port, leader: at, version: all[at]?.version }
  })
  return {
    name: 'etcd',
    about: `etcd ${version}, three members (leader etcd-${leader}), JSON gateway, fsync on`,
    ways: new Map([
      ['leader', leaderPort],
      ['spread', ports.shared],
    ]),
    requests: etcdRequests,
    processes: async () => members.map(({ name, pid }) => ({ name, pid })),
    counters: async () => undefined,
    check: () => check(ports.shared),
  }
}
