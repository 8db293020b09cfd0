/**
 * What a person sees: one short line for each thing worth knowing. The rest is in the log files.
 * Colours only on a terminal, and not where NO_COLOR is set (https://no-color.org).
 */

import { styleText } from 'node:util'
import { assertNever } from '../shared/assert.ts'
import { formatDuration } from '../shared/duration.ts'
import type { ClusterView, ProcessView } from './cluster-view.ts'
import type { LocalEvent } from './events.ts'
import { KEY_HELP } from './keys.ts'

type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold'
/** Colours a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string

export const plain: Paint = (_colour, text) => text
export const coloured: Paint = (colour, text) => styleText(colour, text, { validateStream: false })

function exitLine(event: LocalEvent & { type: 'exited' }, paint: Paint): string {
  const again =
    event.again_ms === undefined
      ? 'stays down'
      : `starts again ${event.again_ms === 0 ? 'now' : `in ${formatDuration(event.again_ms)}`}`
  const said = event.said === undefined ? '' : `: ${event.said}`
  const down = event.again_ms === undefined || event.again_ms === 0
  return `${paint(down ? 'dim' : 'red', event.how)}${said}, ${again}`
}

/** An event as a line without its name, or undefined if it is not worth one. */
function describe(event: LocalEvent, paint: Paint): string | undefined {
  switch (event.type) {
    case 'started':
      return paint('dim', `starting (pid ${event.pid})`)
    case 'ready': {
      const { after_ms } = event
      const since = after_ms === undefined ? 'again' : `after ${formatDuration(after_ms)}`
      return `${paint('green', 'ready')} ${paint('dim', since)}`
    }
    case 'slow': {
      const said = event.said === undefined ? '' : `: ${event.said}`
      const since = `not ready after ${formatDuration(event.after_ms)}`
      return `${paint('yellow', since)}${said}`
    }
    case 'unready':
      return paint('yellow', 'not ready')
    case 'exited':
      return exitLine(event, paint)
    case 'paused':
      return paint('yellow', `paused for ${formatDuration(event.for_ms)}`)
    case 'resumed':
      return 'goes on'
    case 'leader': {
      const before = event.before === undefined ? '' : `, after ${event.before}`
      return paint('cyan', `leads (term ${event.term}${before})`)
    }
    case 'stopping':
      return undefined
    case 'failed':
      return paint('red', `${event.what} failed: ${String(event.cause)}`)
    default:
      return assertNever(event)
  }
}

/** One line for an event, or undefined if it is not worth one. */
export function eventLine(event: LocalEvent, paint: Paint): string | undefined {
  const text = describe(event, paint)
  if (text === undefined) return undefined
  const name = 'name' in event ? event.name : 'local'
  return `  ${paint('bold', name.padEnd(6))} ${text}`
}

function processLine(view: ProcessView, paint: Paint): string {
  const state = view.state === 'running' && !view.ready ? 'not ready' : view.state
  const role = view.role ?? (view.kind === 'api' ? 'API server' : '-')
  const shown = [
    paint('bold', view.name.padEnd(6)),
    paint(view.ready ? 'green' : 'yellow', state.padEnd(10)),
    role.padEnd(10),
    `pid ${String(view.pid ?? '-').padEnd(8)}`,
    `restarts ${String(view.restarts).padEnd(4)}`,
    paint('dim', view.url),
  ]
  return `  ${shown.join(' ')}`
}

/** The processes as a table. */
export function processTable(view: ClusterView, paint: Paint): string {
  return view.processes.map((one) => processLine(one, paint)).join('\n')
}

/** What is about to start. */
export function startText(view: ClusterView, paint: Paint): string {
  const replicas = view.processes.filter(({ kind }) => kind === 'replica').length
  const api = view.processes.length - replicas
  const plural = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`
  const who = `${plural(replicas, 'replica')}, ${plural(api, 'API server')}`
  return `${paint('bold', 'ordinal')} ${who}, data in ${view.dataFolder}\n`
}

/** What to do with a cluster that runs. */
export function readyText(
  view: ClusterView,
  options: { controlUrl: string; keys: boolean; after_ms: number },
  paint: Paint,
): string {
  const missing = view.processes.filter(({ ready }) => !ready).map(({ name }) => name)
  const took = formatDuration(options.after_ms)
  const head =
    missing.length === 0
      ? `${paint('green', 'Ready')} after ${took}.`
      : `${paint('yellow', 'Not ready')} after ${took}: ${missing.join(', ')}. ` +
        `See ${view.dataFolder}/logs.`
  const port = new URL(view.url).port
  const controlPort = new URL(options.controlUrl).port
  const spread = view.balancer === 'kernel' ? 'shared by the API servers' : 'through a proxy'
  return `
${head}

  API      ${paint('cyan', `${view.url}/v1/kv/`)}  ${paint('dim', `(${spread})`)}
  Control  ${paint('cyan', `${options.controlUrl}/processes`)}
${view.processes
  .filter(({ kind }) => kind === 'replica')
  .map(({ name, url }) => `  ${name.padEnd(8)} ${paint('cyan', `${url}/status`)}\n`)
  .join('')}
  curl -X PUT --data-binary hello localhost:${port}/v1/kv/greeting
  curl localhost:${port}/v1/kv/greeting
  curl localhost:${port}/v1/cluster
  curl -X POST 'localhost:${controlPort}/processes/leader/faults/pause?for=10s'

More ways to break it, and what each teaches: docs/break-it.md
${options.keys ? `Press h for the keys, Ctrl-C to stop.` : 'Ctrl-C stops all.'}
`
}

export const helpText = `\n${KEY_HELP}\n`
