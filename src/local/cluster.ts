/**
 * A whole cluster on one machine: the stand-ins for kubelet (children), kube-proxy (balancer) and
 * CoreDNS (zone) put together, started and stopped in order.
 *
 * Who balances: where the kernel can, the API servers listen at one port themselves, each only
 * while it is ready, and nothing stands between a client and them; elsewhere a proxy does it.
 */

import { fileURLToPath } from 'node:url'
import { systemClock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import { Balancer } from './balancer.ts'
import { Child, type ChildCommand } from './child.ts'
import { type DataFolder, openDataFolder } from './data-folder.ts'
import { DnsZone } from './dns-zone.ts'
import type { Report } from './events.ts'
import { freePorts, kernelBalances, LOOPBACK, requirePort } from './free-ports.ts'
import { boundLog } from './log-file.ts'
import { type Environment, planChildren, ZONE } from './plan.ts'
import { probe } from './probe.ts'
import { RESTART_POLICY, type RestartPolicy } from './restart-pause.ts'
import { Watch } from './watch.ts'

/** A child that does not end within this time of a SIGTERM is killed. */
export const GRACE_MS = 10_000
const LOG_CHECK_MS = 10_000
const PROBE_MS_MAX = 1000

export type LocalOptions = {
  readonly replicas: number
  readonly api: number
  /** Port of the balanced API; 0: a free one. */
  readonly port: number
  readonly data: string
  /** Keep data in a temporary folder that is removed at the end; `data` is not used. */
  readonly ephemeral: boolean
  readonly balancer: 'auto' | 'kernel' | 'proxy'
  /** What the children inherit. */
  readonly env: Environment
  /** More for one child. */
  readonly childEnv?: (name: string) => Environment
  /** Another command line for children: a wrapper (strace), or a stand-in in tests. */
  readonly command?: ChildCommand
  readonly restart?: RestartPolicy
  readonly report?: Report
}

/**
 * Room for young objects, MiB. Each buffer among them is looked at when it is full: 32 MiB stop a
 * busy server for 20 to 40 ms at a time, and serve no more requests a second. Measured with 64
 * clients: p99 of a GET 24 ms with 32 MiB, 14 ms with 4. As in docker/Dockerfile.
 */
const SEMI_SPACE_MIB = 4
/**
 * A process copies its young objects sooner by itself than with helping threads, which first must
 * get a processor that five processes want; an API server, whose heap is small, marks old ones by
 * itself too. Measured with 64 clients: p99 of a PUT 33 ms with the threads, 24 without.
 */
const COLLECTOR_FLAG = { replica: '--no-parallel-scavenge', api: '--single-threaded-gc' }

/** The command line of a child: this program again, by the Node that runs now. */
export const ownCommand: ChildCommand = (plan) => [
  process.execPath,
  `--max-semi-space-size=${SEMI_SPACE_MIB}`,
  COLLECTOR_FLAG[plan.kind],
  fileURLToPath(new URL('../main.ts', import.meta.url)),
  plan.kind,
]

/** One process as `GET /processes` shows it. */
export type ProcessView = {
  readonly name: string
  readonly kind: 'replica' | 'api'
  readonly state: 'running' | 'paused' | 'stopping' | 'waiting' | 'stopped'
  readonly ready: boolean
  /** What a replica says it is; null: it does not answer, or is an API server. */
  readonly role: string | null
  readonly pid: number | null
  readonly restarts: number
  readonly lastExit: string | null
  readonly ports: {
    readonly client: number
    readonly metrics: number
    readonly peer: number | null
  }
  readonly url: string
  readonly dataFolder: string | null
  readonly logFile: string
}

export type ClusterView = {
  readonly url: string
  readonly balancer: 'kernel' | 'proxy'
  readonly dataFolder: string
  /** The leader last heard of. */
  readonly leader: string | null
  readonly processes: readonly ProcessView[]
}

type Parts = {
  readonly options: LocalOptions
  readonly folder: DataFolder
  readonly zone: DnsZone
  readonly balancer: 'kernel' | 'proxy'
  readonly port: number
}

export class LocalCluster {
  readonly url: string
  readonly #parts: Parts
  readonly #children = new Map<string, Child>()
  readonly #watch: Watch
  readonly #proxy: Balancer | undefined
  readonly #report: Report
  readonly #logTimer: NodeJS.Timeout
  #stopping: Promise<void> | undefined

  /** Made by {@link prepareLocal}. */
  constructor(parts: Parts, children: readonly Child[], proxy: Balancer | undefined) {
    this.url = `http://${LOOPBACK}:${parts.port}`
    this.#parts = parts
    this.#proxy = proxy
    this.#report = parts.options.report ?? (() => undefined)
    for (const child of children) this.#children.set(child.plan.name, child)
    this.#watch = new Watch({ clock: systemClock, report: this.#report, children })
    this.#logTimer = setInterval(() => void this.#boundLogs(), LOG_CHECK_MS)
  }

  /** Starts all children. */
  begin(): void {
    for (const child of this.#children.values()) child.start()
    this.#nameReplicas()
  }

  /** Folders of replicas that were there before this start. */
  get found(): readonly string[] {
    return this.#parts.folder.found
  }

  get dataFolder(): string {
    return this.#parts.folder.path
  }

  get children(): readonly Child[] {
    return [...this.#children.values()]
  }

  /** The child with this name. Fails with `not-found`. */
  child(name: string): Child {
    const child = this.#children.get(name)
    if (child === undefined) {
      const names = [...this.#children.keys()].join(', ')
      throw new ClusterError('not-found', `there is no process "${name}", only ${names}`)
    }
    return child
  }

  ready(name: string): boolean {
    return this.#watch.ready(name)
  }

  /** Name of the leader last heard of. */
  get leader(): string | undefined {
    return this.#watch.leader?.name
  }

  /** Ports of the API servers that are ready. */
  readyApiPorts(): number[] {
    return this.children
      .filter(({ plan }) => plan.kind === 'api' && this.ready(plan.name))
      .map(({ plan }) => plan.ports.client)
  }

  /** Whether the balanced port answers: a server listens there a moment after it is ready. */
  async reachable(): Promise<boolean> {
    return (await probe(this.#parts.port, '/livez', PROBE_MS_MAX)) !== undefined
  }

  view(): ClusterView {
    return {
      url: this.url,
      balancer: this.#parts.balancer,
      dataFolder: this.dataFolder,
      leader: this.leader ?? null,
      processes: this.children.map((child) => this.#viewOf(child)),
    }
  }

  /** Starts a child that is down; it is named in DNS again. */
  start(name: string): void {
    this.child(name).start()
    this.#nameReplicas()
  }

  /** Stops a child, which stays down and leaves DNS, as a deleted Pod does. */
  async stopChild(name: string, grace_ms = GRACE_MS): Promise<void> {
    await this.child(name).stop(grace_ms)
    this.#nameReplicas()
  }

  /** Stops all: the API servers first, so that what they hold is answered; then the replicas. */
  stop(grace_ms = GRACE_MS): Promise<void> {
    this.#stopping ??= this.#stopAll(grace_ms)
    return this.#stopping
  }

  /** Kills all at once, for a person who does not want to wait. */
  kill(): void {
    for (const child of this.#children.values()) {
      void child.stop(0)
      child.kill()
    }
  }

  async #stopAll(grace_ms: number): Promise<void> {
    this.#report({ type: 'stopping' })
    const stopKind = (kind: 'replica' | 'api') =>
      Promise.all(this.children.filter((c) => c.plan.kind === kind).map((c) => c.stop(grace_ms)))
    await stopKind('api')
    await this.#proxy?.close()
    await stopKind('replica')
    this.#watch.close()
    clearInterval(this.#logTimer)
    await this.#parts.zone.close()
    await this.#parts.folder.close()
  }

  /** A dead replica keeps its DNS records (publishNotReadyAddresses), a stopped one has none. */
  #nameReplicas(): void {
    const named = this.children.filter((c) => c.plan.kind === 'replica' && c.state !== 'stopped')
    this.#parts.zone.set(
      named.map(({ plan }) => ({
        name: plan.name,
        address: LOOPBACK,
        port: plan.ports.peer as number,
      })),
    )
  }

  async #boundLogs(): Promise<void> {
    for (const { plan } of this.#children.values()) {
      try {
        await boundLog(plan.logFile)
      } catch (cause) {
        this.#report({ type: 'failed', what: `keeping ${plan.logFile} short`, cause })
      }
    }
  }

  #viewOf(child: Child): ProcessView {
    const { plan } = child
    return {
      name: plan.name,
      kind: plan.kind,
      state: child.state,
      ready: this.ready(plan.name),
      role: this.#watch.role(plan.name) ?? null,
      pid: child.pid ?? null,
      restarts: child.restarts,
      lastExit: child.lastExit ?? null,
      ports: { ...plan.ports, peer: plan.ports.peer ?? null },
      url: `http://${LOOPBACK}:${plan.ports.client}`,
      dataFolder: plan.dataFolder ?? null,
      logFile: plan.logFile,
    }
  }
}

async function chooseBalancer(wanted: LocalOptions['balancer']): Promise<'kernel' | 'proxy'> {
  if (wanted === 'proxy') return 'proxy'
  if (await kernelBalances()) return 'kernel'
  if (wanted === 'auto') return 'proxy'
  throw new ClusterError(
    'invalid-config',
    'the kernel cannot share a port here (Linux only); use --balancer proxy',
  )
}

/** Starts a cluster; it is not ready yet when this resolves. Rejects as {@link prepareLocal}. */
export async function startLocal(options: LocalOptions): Promise<LocalCluster> {
  const cluster = await prepareLocal(options)
  cluster.begin()
  return cluster
}

/**
 * Prepares a cluster whose children `begin` starts. Rejects with `port-in-use`, or with
 * `invalid-config` for a folder that cannot be written; nothing is left running then.
 */
export async function prepareLocal(options: LocalOptions): Promise<LocalCluster> {
  if (options.port !== 0) await requirePort(options.port, '--port')
  const balancer = await chooseBalancer(options.balancer)
  const folder = await openDataFolder(options.data, options)
  const zone = new DnsZone({ ...ZONE, domain: ZONE.clusterDomain })
  try {
    const { host, port: dnsPort } = await zone.listen()
    const port = options.port === 0 ? ((await freePorts(1))[0] as number) : options.port
    const plans = await planChildren({
      replicas: options.replicas,
      api: options.api,
      folder,
      dnsServer: `${host}:${dnsPort}`,
      sharedPort: balancer === 'kernel' ? port : undefined,
      env: options.env,
      childEnv: options.childEnv,
    })
    const children = plans.map(
      (plan) =>
        new Child({
          plan,
          command: options.command ?? ownCommand,
          restart: options.restart ?? RESTART_POLICY,
          clock: systemClock,
          report: options.report ?? (() => undefined),
        }),
    )
    let cluster: LocalCluster | undefined
    const proxy =
      balancer === 'proxy' ? new Balancer(() => cluster?.readyApiPorts() ?? []) : undefined
    await proxy?.listen(port)
    cluster = new LocalCluster({ options, folder, zone, balancer, port }, children, proxy)
    return cluster
  } catch (error) {
    await zone.close()
    await folder.close()
    throw error
  }
}
