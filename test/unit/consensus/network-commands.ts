/** The commands of transcripts that say what becomes of messages. */

import type { Command } from './commands.ts'
import { formatMessage } from './format.ts'
import type { Harness, Replica } from './harness.ts'

/** `0->1` → both replicas. */
export function link(harness: Harness, text: string | undefined): { from: Replica; to: Replica } {
  const [from, to] = (text ?? '').split('->') as [string, string]
  return { from: harness.replica(from), to: harness.replica(to) }
}

function flightsOf(harness: Harness, text: string | undefined): Harness['flights'] {
  const { from, to } = link(harness, text)
  return harness.flights.filter(
    ({ message }) => message.from === from.member && message.to === to.member,
  )
}

/** By their first word. */
export const NETWORK_COMMANDS: Record<string, Command> = {
  // deliver <a->b> [n]: the oldest n messages (all) on that link, held or not.
  deliver({ harness, args }) {
    const flights = flightsOf(harness, args[0]).slice(0, Number(args[1] ?? Number.MAX_SAFE_INTEGER))
    for (const flight of flights) harness.deliver(flight)
    return flights.length === 0 ? 'nothing on the way' : undefined
  },
  // drop <a->b> [n]: loses the oldest n messages (all).
  drop({ harness, args, say }) {
    for (const flight of flightsOf(harness, args[0]).slice(0, Number(args[1] ?? 1e9))) {
      harness.flights.splice(harness.flights.indexOf(flight), 1)
      say(`lost ${formatMessage(flight.message)}`)
    }
    return undefined
  },
  // duplicate <a->b>: all that is on the way there is so twice.
  duplicate({ harness, args }) {
    for (const flight of flightsOf(harness, args[0])) harness.flights.push({ ...flight })
    return undefined
  },
  // reverse <a->b>: what was sent last arrives first.
  reverse({ harness, args }) {
    const flights = flightsOf(harness, args[0])
    for (const flight of flights) harness.flights.splice(harness.flights.indexOf(flight), 1)
    harness.flights.push(...flights.reverse())
    return undefined
  },
  // hold <a->b>: messages stay on the way until `release` or `deliver`.
  hold({ harness, args }) {
    for (const text of args) {
      const { from, to } = link(harness, text)
      harness.holding.add(`${from.member}->${to.member}`)
      for (const flight of flightsOf(harness, text)) flight.held = true
    }
    return undefined
  },
  release({ harness, args }) {
    for (const text of args) {
      const { from, to } = link(harness, text)
      harness.holding.delete(`${from.member}->${to.member}`)
      for (const flight of flightsOf(harness, text)) flight.held = false
    }
    return undefined
  },
  // partition 0 | 1 2: messages between groups are lost.
  partition({ harness, args }) {
    const groups = args.join(' ').split('|')
    harness.partition(
      groups.map((group) =>
        group
          .trim()
          .split(' ')
          .filter((which) => which !== '')
          .map((which) => harness.replica(which)),
      ),
    )
    return undefined
  },
  // cut <a->b> …: one direction loses everything.
  cut({ harness, args }) {
    for (const text of args) {
      const { from, to } = link(harness, text)
      harness.cut.add(`${from.member}->${to.member}`)
    }
    return undefined
  },
  heal({ harness }) {
    harness.heal()
    return undefined
  },
}
