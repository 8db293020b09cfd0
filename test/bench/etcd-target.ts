/**
 * A three-member etcd on loopback, each member with its own data folder on the disk that Ordinal
 * uses too, fsync on, driven through its JSON gateway.
 *
 * Two ways to it, and the benchmark takes the faster one for each setting: all connections to the
 * leader, or one port that the three members share (`--socket-reuse-port`), over which the kernel
 * spreads the connections, as it does for Ordinal's API servers.
 */

import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { freePorts, LOOPBACK } from '../../src/local/free-ports.ts'
import type { Crew, CrewMember } from './crew.ts'
import { etcdRequests, sample } from './requests.ts'
import { call, type Target, until } from './target.ts'

const MEMBER_COUNT = 3
const START_MS_MAX = 30_000
/** Its data is thrown away, so a leader that waits for the others to take over is not waited for. */
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

function startMembers(crew: Crew, folder: string, ports: readonly number[]): CrewMember[] {
  const shared = ports.at(-1)
  const clientPort = (number: number) => ports[number]
  const peer = (number: number) => `http://${LOOPBACK}:${ports[MEMBER_COUNT + number]}`
  const numbers = Array.from({ length: MEMBER_COUNT }, (_, number) => number)
  const cluster = numbers.map((number) => `etcd-${number}=${peer(number)}`).join(',')
  return numbers.map((number) => {
    const own = `http://${LOOPBACK}:${clientPort(number)}`
    const name = `etcd-${number}`
    const settings: Record<string, string> = {
      name,
      'data-dir': join(folder, name),
      'listen-client-urls': `${own},http://${LOOPBACK}:${shared}`,
      'advertise-client-urls': own,
      'listen-peer-urls': peer(number),
      'initial-advertise-peer-urls': peer(number),
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
  const ports = await freePorts(MEMBER_COUNT * 2 + 1)
  const members = startMembers(crew, options.folder, ports)
  const waiting = {
    timeout_ms: START_MS_MAX,
    signal: options.signal,
    alive: () => {
      for (const member of members) member.requireRunning()
    },
  }
  const clientPorts = ports.slice(0, MEMBER_COUNT)
  const { leaderPort, leader, version } = await until('etcd has a leader', waiting, async () => {
    const all = await Promise.all(clientPorts.map(readStatus))
    const at = all.findIndex(({ member, leader }) => member === leader)
    if (at === -1 || all.some((one) => one.leader !== all[at]?.member)) return undefined
    const port = clientPorts[at] ?? 0
    return { leaderPort: port, leader: at, version: all[at]?.version }
  })
  const shared = ports.at(-1) ?? 0
  return {
    name: 'etcd',
    about: `etcd ${version}, three members (leader etcd-${leader}), JSON gateway, fsync on`,
    ways: new Map([
      ['leader', leaderPort],
      ['spread', shared],
    ]),
    requests: etcdRequests,
    processes: async () => members.map(({ name, pid }) => ({ name, pid })),
    counters: async () => undefined,
    check: () => check(shared),
  }
}
