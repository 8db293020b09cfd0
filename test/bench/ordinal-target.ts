/**
 * Ordinal as a user starts it: `ordinal local --ephemeral`, driven at the port that its API servers
 * share. What runs where is read from its control API, `GET /processes`.
 */

import { fileURLToPath } from 'node:url'
import { freePorts, LOOPBACK } from '../../src/local/free-ports.ts'
import type { Crew } from './crew.ts'
import { checkKv } from './kv-check.ts'
import { kvRequests } from './requests.ts'
import { type BatchCounters, call, type ProcessRef, type Target, until } from './target.ts'

const START_MS_MAX = 60_000
/** More than the supervisor gives its children. */
const STOP_MS_MAX = 25_000

type View = {
  readonly balancer: string
  readonly leader: string | null
  readonly processes: readonly {
    readonly name: string
    readonly pid: number | null
    readonly ready: boolean
    readonly ports: { readonly metrics: number }
  }[]
}

async function view(controlPort: number): Promise<View> {
  return (await (await call(`http://${LOOPBACK}:${controlPort}/processes`)).json()) as View
}

/** The value of a metric without labels, of a page in Prometheus' text format; 0 if missing. */
export function metric(page: string, name: string): number {
  const line = page.split('\n').find((text) => text.startsWith(`${name} `))
  return line === undefined ? 0 : Number(line.slice(name.length + 1))
}

async function readCounters(controlPort: number): Promise<BatchCounters | undefined> {
  const { leader, processes } = await view(controlPort)
  const process = processes.find(({ name }) => name === leader)
  if (leader === null || process === undefined) return undefined
  const page = await (await call(`http://${LOOPBACK}:${process.ports.metrics}/metrics`)).text()
  return {
    leader,
    commands: metric(page, 'ordinal_commands_applied_total'),
    proposals: metric(page, 'ordinal_proposals_total'),
    syncedBatches: metric(page, 'ordinal_batches_total'),
  }
}

/** Starts the cluster and waits until all of it is ready. */
export async function startOrdinal(
  crew: Crew,
  options: {
    readonly signal: AbortSignal
    readonly env: Readonly<Record<string, string>>
    readonly folder: string
    readonly replicas: number
    readonly api: number
  },
): Promise<Target> {
  const [port = 0, controlPort = 0] = await freePorts(2)
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const shape = ['--replicas', String(options.replicas), '--api', String(options.api)]
  const ports = ['--port', String(port), '--control-port', String(controlPort)]
  const member = crew.start({
    name: 'local',
    command: process.execPath,
    args: [main, 'local', '--ephemeral', ...shape, ...ports],
    // The temporary folder of `--ephemeral` is made on the disk that the others use.
    // As the chart installs it: the faults that `local` offers stand around every message.
    env: { ORDINAL_FAULTS: 'off', ...options.env, TMPDIR: options.folder, NO_COLOR: '1' },
    channel: true,
    grace_ms: STOP_MS_MAX,
  })
  const waiting = {
    timeout_ms: START_MS_MAX,
    signal: options.signal,
    alive: () => member.requireRunning(),
  }
  const ready = await until('the Ordinal cluster is ready', waiting, async () => {
    const now = await view(controlPort)
    return now.leader !== null && now.processes.every((one) => one.ready) ? now : undefined
  }).catch((error: unknown) => {
    throw new Error(`Ordinal did not start; it printed\n${member.logTail()}`, { cause: error })
  })
  const processes = async (): Promise<ProcessRef[]> => {
    const now = await view(controlPort)
    const children = now.processes.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]))
    return [...children, { name: 'local', pid: member.pid }]
  }
  return {
    name: 'ordinal',
    about:
      `Ordinal, ${options.replicas} replicas (leader ${ready.leader}), ` +
      `${options.api} API servers, balanced by the ${ready.balancer}, fsync on`,
    ways: new Map([['shared', port]]),
    requests: kvRequests,
    processes,
    counters: () => readCounters(controlPort),
    check: () => checkKv(`http://${LOOPBACK}:${port}`),
  }
}
