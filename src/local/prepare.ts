/**
 * Makes a cluster on one machine from its parts, in the order that they need each other: the port,
 * the data folder, the zone, the plan of the children, and the proxy if there is one.
 *
 * Who balances: where the kernel can, the API servers listen at one port themselves, each only
 * while it is ready, and nothing stands between a client and them; elsewhere a proxy does it.
 */

import { systemClock } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import { Balancer } from './balancer.ts'
import { Child, type ChildCommand } from './child.ts'
import { LocalCluster } from './cluster.ts'
import { openDataFolder } from './data-folder.ts'
import { DnsZone } from './dns-zone.ts'
import type { Report } from './events.ts'
import { freePorts, kernelBalances, requirePort } from './free-ports.ts'
import { ownCommand } from './own-command.ts'
import { type Environment, planChildren, ZONE } from './plan.ts'
import { RESTART_POLICY, type RestartPolicy } from './restart-pause.ts'

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
  const report = options.report ?? (() => undefined)
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
          report,
        }),
    )
    let cluster: LocalCluster | undefined
    const proxy =
      balancer === 'proxy' ? new Balancer(() => cluster?.readyApiPorts() ?? []) : undefined
    await proxy?.listen(port)
    cluster = new LocalCluster({ report, folder, zone, balancer, port, children, proxy })
    return cluster
  } catch (error) {
    await zone.close()
    await folder.close()
    throw error
  }
}
