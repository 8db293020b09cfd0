/**
 * `ordinal local`: starts a cluster on this machine, shows it, takes keys, and stops it in order.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { LocalCluster } from '../local/cluster.ts'
import {
  coloured,
  eventLine,
  helpText,
  type Paint,
  plain,
  processTable,
  readyText,
  startText,
} from '../local/console.ts'
import { act, Control } from '../local/control.ts'
import { requirePort } from '../local/free-ports.ts'
import { readKey } from '../local/keys.ts'
import type { Environment } from '../local/plan.ts'
import { prepareLocal } from '../local/prepare.ts'
import { ClusterError } from '../shared/errors.ts'

export type LocalCommand = {
  readonly replicas: number
  readonly api: number
  readonly port: number
  /** Undefined: the port above `port`. */
  readonly controlPort?: number
  readonly data: string
  readonly ephemeral: boolean
  readonly balancer: 'auto' | 'kernel' | 'proxy'
  readonly env: Environment
}

/** After this the addresses are shown even if something is not ready. */
const READY_MS_MAX = 15_000
const READY_POLL_MS = 50
const PORT_MAX = 65_535

function print(text: string | undefined): void {
  if (text !== undefined) process.stdout.write(`${text}\n`)
}

/** Reads the keyboard. Returns what gives it back; nothing to read from: undefined. */
function takeKeys(cluster: LocalCluster, paint: Paint, quit: () => void): (() => void) | undefined {
  const { stdin } = process
  if (!stdin.isTTY || !process.stdout.isTTY) return undefined
  let chosen: number | undefined
  const onKey = (key: string) => {
    const meaning = readKey(key, chosen)
    chosen = meaning.type === 'choose' ? meaning.ordinal : undefined
    if (meaning.type === 'help') print(helpText)
    if (meaning.type === 'list') print(processTable(cluster.view(), paint))
    if (meaning.type === 'quit') quit()
    if (meaning.type !== 'act') return
    try {
      act(cluster, meaning.name, meaning.action)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      print(`  ${error.message}`)
    }
  }
  const onData = (text: string) => {
    for (const key of text) onKey(key)
  }
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.on('data', onData)
  return () => {
    stdin.off('data', onData)
    stdin.setRawMode(false)
    stdin.pause()
  }
}

/** Waits until all children are ready, at most {@link READY_MS_MAX}. Resolves to the time taken. */
async function untilReady(cluster: LocalCluster, stopping: () => boolean): Promise<number> {
  const start_ms = performance.now()
  const elapsed = () => performance.now() - start_ms
  const done = () =>
    cluster.leader !== undefined && cluster.children.every(({ plan }) => cluster.ready(plan.name))
  while (!stopping() && elapsed() < READY_MS_MAX) {
    if (done() && (await cluster.reachable())) break
    await delay(READY_POLL_MS)
  }
  return elapsed()
}

/** Tells of data that this start leaves alone: it may be needed for a quorum. */
function warnOfMore(cluster: LocalCluster, replicas: number): void {
  const left = cluster.found.filter((name) => Number(name.slice(3)) >= replicas)
  if (left.length === 0) return
  print(`  there is data of ${left.sort().join(', ')} too, not started (--replicas)`)
}

/** Fails with `invalid-config` if the two ports cannot be had together. */
function controlPortOf({ port, controlPort }: LocalCommand): number {
  if (port === 0) return controlPort ?? 0
  const chosen = controlPort ?? port + 1
  if (chosen === port) {
    throw new ClusterError('invalid-config', `--port and --control-port are both ${port}`)
  }
  if (chosen <= PORT_MAX) return chosen
  throw new ClusterError('invalid-config', `no port lies above ${port}: give --control-port, too`)
}

/** Runs until it is stopped. Rejects with `port-in-use` or `invalid-config`. */
export async function runLocal(command: LocalCommand): Promise<void> {
  process.title = 'ordinal local'
  const paint = process.stdout.isTTY && !command.env['NO_COLOR'] ? coloured : plain
  const controlPort = controlPortOf(command)
  if (controlPort !== 0) await requirePort(controlPort, '--control-port')
  const cluster = await prepareLocal({
    ...command,
    report: (event) => print(eventLine(event, paint)),
  })
  const control = new Control(cluster)
  const controlUrl = await control.listen(controlPort)
  let asked = 0
  const quit = () => {
    asked += 1
    if (asked === 2) return cluster.kill()
    if (asked > 1) return
    print('\nStopping. (Ctrl-C again: at once)')
    void cluster.stop().then(() => {
      control.close()
      giveBackKeys?.()
      process.exit(0)
    })
  }
  // Nobody reads any more (`| head`): without its one terminal the cluster stops in order.
  process.stdout.on('error', () => {
    if (asked === 0) quit()
  })
  print(startText(cluster.view(), paint))
  warnOfMore(cluster, command.replicas)
  cluster.begin()
  const giveBackKeys = takeKeys(cluster, paint, quit)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, quit)

  const after_ms = await untilReady(cluster, () => asked > 0)
  if (asked > 0) return
  const keys = giveBackKeys !== undefined
  print(readyText(cluster.view(), { controlUrl, keys, after_ms }, paint))
}
