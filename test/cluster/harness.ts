/**
 * A cluster of real processes for a test: what `ordinal local` starts, in a temporary folder, on
 * ports of its own, supervised by the test's process (when that dies, so do they).
 *
 *     const cluster = await startCluster({ replicas: 3, api: 2 })
 *     t.teardown(() => cluster.stop())
 *     await cluster.ready()
 */

import { readFileSync, rmSync } from 'node:fs'
import type { LocalCluster } from '../../src/local/cluster.ts'
import type { ProcessView } from '../../src/local/cluster-view.ts'
import { Control } from '../../src/local/control.ts'
import type { LocalEvent } from '../../src/local/events.ts'
import { ownCommand } from '../../src/local/own-command.ts'
import { type LocalOptions, startLocal } from '../../src/local/prepare.ts'
import { until } from './until.ts'

export type ClusterOptions = {
  /** 3 if absent. */
  readonly replicas?: number
  /** 2 if absent. */
  readonly api?: number
  /** ORDINAL_* for all children, over a quiet default. */
  readonly env?: Readonly<Record<string, string>>
  /** More for one child. */
  readonly childEnv?: LocalOptions['childEnv']
  /** Kept when the cluster stops, so that another one can start from it; absent: temporary. */
  readonly dataFolder?: string
  readonly balancer?: LocalOptions['balancer']
  /** What stands before the command line of a child: `['strace', '-f', …]`. */
  readonly wrap?: (name: string) => readonly string[]
  /** Pauses before restarts; absent: 100 ms, growing to 500 ms. */
  readonly restart?: LocalOptions['restart']
}

export type TestCluster = {
  /** The balanced API. */
  readonly url: string
  /** The control API. */
  readonly control: string
  readonly dataFolder: string
  /** Each API server by itself. */
  readonly apiUrls: readonly string[]
  readonly local: LocalCluster
  /** All that was reported so far, in order. */
  readonly events: readonly LocalEvent[]
  process(name: string): ProcessView
  replicaUrls(name: string): { readonly client: string; readonly metrics: string }
  /** Fails if the process is down. */
  pid(name: string): number
  /** Sends a signal; SIGKILL if none is named. A dead child is started again by supervision. */
  kill(name: string, signal?: NodeJS.Signals): void
  /** SIGTERM, and it stays down until `start`. */
  down(name: string): Promise<void>
  start(name: string): void
  /** SIGKILL, and it stays down until `start`; its DNS record stays, as a dead Pod's does. */
  crash(name: string): Promise<void>
  /** Deletes a replica's data folder, whether the replica runs or not. */
  deleteData(name: string): void
  /** Name of the replica that says itself that it leads, of the highest term. */
  leader(): Promise<string>
  /** Waits until every process is ready and somebody leads. */
  ready(timeout_ms?: number): Promise<void>
  /** The end of a child's log, for a failed test. */
  logTail(name: string, lines?: number): string
  waitFor: typeof until
  stop(): Promise<void>
}

type Status = { readonly role: string; readonly term: number }

/** Environment of the test without what the test runner puts there for its own children. */
function inherited(): Record<string, string | undefined> {
  const entries = Object.entries(process.env)
  return Object.fromEntries(
    entries.filter(([name]) => !/^(_?TAP|NODE_OPTIONS|ORDINAL_)/.test(name)),
  )
}

/** GET of a JSON document. Fails unless the status is 200. */
export async function getJson<T>(url: string, timeout_ms = 2000): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(timeout_ms) })
  const text = await answer.text()
  if (answer.status !== 200) throw new Error(`GET ${url}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

async function findLeader(local: LocalCluster): Promise<string> {
  let leader: { name: string; term: number } | undefined
  for (const view of local.view().processes) {
    if (view.kind !== 'replica' || view.state !== 'running') continue
    const status = await getJson<Status>(`${view.url}/status`).catch(() => undefined)
    if (status?.role !== 'leader' || status.term <= (leader?.term ?? -1)) continue
    leader = { name: view.name, term: status.term }
  }
  if (leader === undefined) throw new Error('no replica says that it leads')
  return leader.name
}

/** Starts a cluster; it is not ready yet when this resolves. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const events: LocalEvent[] = []
  const local = await startLocal({
    replicas: options.replicas ?? 3,
    api: options.api ?? 2,
    port: 0,
    data: options.dataFolder ?? '',
    ephemeral: options.dataFolder === undefined,
    balancer: options.balancer ?? 'auto',
    env: { ...inherited(), ORDINAL_BALLAST_BYTES: '1048576', ...options.env },
    ...(options.childEnv === undefined ? {} : { childEnv: options.childEnv }),
    // The test runner preloads code into every process that a test starts; `env -u` takes it out.
    command: (plan) => [
      'env',
      '-u',
      'NODE_OPTIONS',
      ...(options.wrap?.(plan.name) ?? []),
      ...ownCommand(plan),
    ],
    restart: options.restart ?? { first_ms: 100, max_ms: 500, reset_ms: 1000 },
    report: (event) => events.push(event),
  })
  const control = new Control(local)
  const controlUrl = await control.listen(0)
  const view = (name: string) => {
    const found = local.view().processes.find((one) => one.name === name)
    if (found === undefined) throw new Error(`there is no process ${name}`)
    return found
  }
  return {
    url: local.url,
    control: controlUrl,
    dataFolder: local.dataFolder,
    apiUrls: local
      .view()
      .processes.filter(({ kind }) => kind === 'api')
      .map(({ url }) => url),
    local,
    events,
    process: view,
    replicaUrls: (name) => {
      const { url, ports } = view(name)
      return { client: url, metrics: `http://127.0.0.1:${ports.metrics}` }
    },
    pid: (name) => {
      const { pid } = view(name)
      if (pid === null) throw new Error(`${name} is down`)
      return pid
    },
    kill: (name, signal = 'SIGKILL') => {
      const { pid } = view(name)
      if (pid !== null) process.kill(pid, signal)
    },
    down: (name) => local.stopChild(name),
    start: (name) => local.start(name),
    crash: async (name) => {
      const { pid } = view(name)
      if (pid !== null) process.kill(pid, 'SIGKILL')
      await local.child(name).stop(0)
    },
    deleteData: (name) => {
      const { dataFolder } = view(name)
      if (dataFolder === null) throw new Error(`${name} has no data`)
      rmSync(dataFolder, { recursive: true, maxRetries: 3 })
    },
    leader: () => findLeader(local),
    ready: async (timeout_ms = 30_000) => {
      const missing = () => local.view().processes.filter(({ ready }) => !ready)
      try {
        await until('every process is ready', () => missing().length === 0, timeout_ms)
        await until('somebody leads', () => findLeader(local), timeout_ms)
        await until('the balanced port answers', () => local.reachable(), timeout_ms)
      } catch (cause) {
        const logs = missing().map(({ name, logFile }) => `${name}:\n${tail(logFile, 10)}`)
        throw new Error(`the cluster is not ready\n${logs.join('\n')}`, { cause })
      }
    },
    logTail: (name, lines = 20) => tail(view(name).logFile, lines),
    waitFor: until,
    stop: async () => {
      control.close()
      await local.stop()
    },
  }
}

function tail(logFile: string, lines: number): string {
  return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
}
