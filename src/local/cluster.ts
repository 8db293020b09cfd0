/**
 * A whole cluster on one machine: the stand-ins for kubelet (children), kube-proxy (balancer) and
 * CoreDNS (zone) together, started and stopped in order. Who makes them: prepare.ts.
 */

import { systemClock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import type { Balancer } from './balancer.ts'
import type { Child } from './child.ts'
import type { ClusterView, ProcessView } from './cluster-view.ts'
import type { DataFolder } from './data-folder.ts'
import type { DnsZone } from './dns-zone.ts'
import type { Report } from './events.ts'
import { LOOPBACK } from './free-ports.ts'
import { boundLog } from './log-file.ts'
import { probe } from './probe.ts'
import { Watch } from './watch.ts'

/** A child that does not end within this time of a SIGTERM is killed. */
export const GRACE_MS = 10_000
const LOG_CHECK_MS = 10_000
const PROBE_MS_MAX = 1000

export type LocalParts = {
  readonly report: Report
  readonly folder: DataFolder
  readonly zone: DnsZone
  readonly balancer: 'kernel' | 'proxy'
  /** Of the balanced API. */
  readonly port: number
  readonly children: readonly Child[]
  /** Where the kernel does not balance. */
  readonly proxy: Balancer | undefined
}

export class LocalCluster {
  readonly url: string
  readonly #parts: LocalParts
  readonly #children = new Map<string, Child>()
  readonly #watch: Watch
  readonly #proxy: Balancer | undefined
  readonly #report: Report
  readonly #logTimer: NodeJS.Timeout
  #stopping: Promise<void> | undefined

  /** Made by `prepareLocal`. */
  constructor(parts: LocalParts) {
    const { children, proxy, report } = parts
    this.url = `http://${LOOPBACK}:${parts.port}`
    this.#parts = parts
    this.#proxy = proxy
    this.#report = report
    for (const child of children) this.#children.set(child.plan.name, child)
    this.#watch = new Watch({ clock: systemClock, report, children })
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
