/** The commands of transcripts; each is explained above its name. */

import { type Entry, makeEntry } from '../../../src/database/consensus/entry.ts'
import { formatEntry, formatMembership, formatWrite, name } from './format.ts'
import type { Harness, Replica } from './harness.ts'
import { link, NETWORK_COMMANDS } from './network-commands.ts'

export type Context = {
  readonly harness: Harness
  readonly args: readonly string[]
  readonly quietly: (what: () => void) => void
  readonly forget: () => void
  readonly reseed: (seed: number) => void
  readonly say: (text: string) => void
}

export type Command = (context: Context) => string | undefined

function each(context: Context): Replica[] {
  const { harness, args } = context
  return args.length === 0 ? harness.alive : args.map((which) => harness.replica(which))
}

/** By their first word. */
export const COMMANDS: Record<string, Command> = {
  ...NETWORK_COMMANDS,
  // seed <n>: another stream of random numbers; before `cluster`.
  seed({ args, reseed }) {
    reseed(Number(args[0]))
    return undefined
  },
  // cluster <n> [voters]: replica 0 founds a cluster, the others are empty.
  cluster({ harness, args }) {
    harness.found(Number(args[0]), { voters: Number(args[1] ?? args[0]) })
    return undefined
  },
  // formed <n> [voters]: a cluster that has been running for a while, led by 0.
  formed({ harness, args, quietly, say, forget }) {
    harness.found(Number(args[0]), { voters: Number(args[1] ?? args[0]) })
    quietly(() => harness.run(3000))
    forget()
    say(statusLine(harness.leader as Replica))
    return undefined
  },
  // tick <replica> [ms]: time passes for one replica, 25 ms at a time.
  tick({ harness, args }) {
    harness.tick(harness.replica(args[0] ?? ''), Number(args[1] ?? 25))
    return undefined
  },
  // campaign <replica>: time passes for it until it tries to lead.
  campaign({ harness, args }) {
    const replica = harness.replica(args[0] ?? '')
    for (let turns = 0; turns < 400; turns += 1) {
      if (replica.core?.status().role === 'candidate') return undefined
      harness.tick(replica, 25)
    }
    return 'it does not campaign'
  },
  // lapse [replica] …: T passes for them without a step, so that no lease runs any more.
  lapse(context) {
    for (const replica of each(context)) {
      replica.now_ms += context.harness.timing.electionTimeout_ms
    }
    return undefined
  },
  // elect <replica> <voter> …: it wins an election among these alone; the rest hears nothing yet.
  elect({ harness, args }) {
    const some = args.map((which) => harness.replica(which))
    const [candidate] = some as [Replica]
    for (const replica of some) replica.now_ms += harness.timing.electionTimeout_ms
    const members = some.map((replica) => replica.member)
    for (let turns = 0; turns < 400; turns += 1) {
      const between = harness.flights.filter(
        ({ message }) => members.includes(message.from) && members.includes(message.to),
      )
      for (const flight of between) {
        if (candidate.core?.status().role === 'leader') return undefined
        harness.deliver(flight)
      }
      if (candidate.core?.status().role === 'leader') return undefined
      const moved = some.filter((replica) => harness.persist(replica)).length > 0
      if (between.length === 0 && !moved) harness.tick(candidate, 25)
    }
    return 'it is not elected'
  },
  // run <ms>: time passes for all; only what matters is told.
  run({ harness, args, quietly }) {
    quietly(() => harness.run(Number(args[0])))
    return undefined
  },
  // stabilize: deliver and sync until nothing moves.
  stabilize({ harness }) {
    harness.stabilize()
    return undefined
  },
  // settle: the same, telling only what matters.
  settle({ harness, quietly }) {
    quietly(() => harness.stabilize())
    return undefined
  },
  // pause <replica> <ms>: its clock jumps, without a step.
  pause({ harness, args }) {
    harness.replica(args[0] ?? '').now_ms += Number(args[1])
    return undefined
  },
  // propose <replica> <text> [bytes]
  propose({ harness, args }) {
    const text = args[2] === undefined ? (args[1] ?? '') : 'x'.repeat(Number(args[2]))
    const effects = harness.propose(harness.replica(args[0] ?? ''), text)
    return effects?.proposed === undefined ? 'not taken' : undefined
  },
  // fill <replica> <count>: that many small entries, settled, untold.
  fill({ harness, args, quietly, say, forget }) {
    const replica = harness.replica(args[0] ?? '')
    quietly(() => {
      const before = replica.applied
      for (let n = 0; n < Number(args[1]); n += 1) {
        harness.propose(replica, `fill ${n}`)
        harness.stabilize()
      }
      forget()
      say(`applied ${before} → ${replica.applied}`)
    })
    return undefined
  },
  // persist <replica> [n]: its oldest n writes (all) are synced.
  persist({ harness, args }) {
    const done = harness.persist(harness.replica(args[0] ?? ''), Number(args[1] ?? 1e9))
    return done ? undefined : 'nothing to sync'
  },
  'hold-disk'({ harness, args }) {
    for (const which of args) harness.replica(which).diskHeld = true
    return undefined
  },
  'release-disk'({ harness, args }) {
    for (const which of args) harness.replica(which).diskHeld = false
    return undefined
  },
  // crash <replica> …: dies at once; unsynced writes are lost.
  crash({ harness, args, say }) {
    for (const which of args) {
      const replica = harness.replica(which)
      for (const { write } of replica.pending) say(`lost ${formatWrite(write)}`)
      harness.crash(replica)
    }
    return undefined
  },
  restart({ harness, args, say }) {
    for (const which of args) {
      const replica = harness.replica(which)
      harness.start(replica)
      say(statusLine(replica))
    }
    return undefined
  },
  // lose-disk <replica>: it comes back as a new incarnation.
  'lose-disk'({ harness, args, say }) {
    const fresh = harness.replace(harness.replica(args[0] ?? ''))
    harness.hello(fresh)
    say(statusLine(fresh))
    return undefined
  },
  // hello <replica>: all others hear of it.
  hello({ harness, args }) {
    harness.hello(harness.replica(args[0] ?? ''))
    return undefined
  },
  read({ harness, args, say }) {
    const replica = harness.replica(args[0] ?? '')
    for (let n = 0; n < Number(args[1] ?? 1); n += 1) {
      const id = harness.read(replica)
      if (n === 0) say(`  (read ${id} at ${name(replica.member)})`)
    }
    return undefined
  },
  drain({ harness, args }) {
    for (const which of args) harness.drain(harness.replica(which))
    return undefined
  },
  // health <replica> well | unwell | disk-full
  health({ harness, args }) {
    const health = {
      electable: args[1] !== 'unwell',
      draining: false,
      diskFull: args[1] === 'disk-full',
    }
    harness.step(harness.replica(args[0] ?? ''), { type: 'health', health })
    return undefined
  },
  // remove <leader> <member>: the member asked to leave for good.
  remove({ harness, args }) {
    const member = harness.replica(args[1] ?? '').member
    harness.step(harness.replica(args[0] ?? ''), { type: 'remove', member })
    return undefined
  },
  unreachable({ harness, args }) {
    const { from, to } = link(harness, args[0])
    harness.step(from, { type: 'unreachable', to: to.member })
    return undefined
  },
  // compact <replica> [index]: the log on disk starts behind its applied index.
  compact({ harness, args }) {
    const replica = harness.replica(args[0] ?? '')
    replica.disk.compact(Number(args[1] ?? replica.disk.applied))
    replica.memory.compact(replica.disk.base.index)
    harness.step(replica, { type: 'compacted', index: replica.disk.base.index })
    return `log starts behind ${replica.disk.base.index}`
  },
  // forge <replica> <index>: on its disk, that entry is another one of the same term.
  forge({ harness, args }) {
    const { disk } = harness.replica(args[0] ?? '')
    const at = Number(args[1]) - disk.base.index - 1
    const old = disk.entries[at] as Entry
    const chain = disk.entryAt(old.index - 1)?.chain ?? disk.base.chain ?? 0
    disk.entries[at] = makeEntry(old, Buffer.from('forged'), chain)
    return undefined
  },
  // snapshots hold | release | fail: what becomes of streams.
  snapshots({ harness, args }) {
    harness.holdStreams = args[0] === 'hold'
    harness.failStreams = args[0] === 'fail'
    return undefined
  },
  status(context) {
    for (const replica of each(context)) context.say(statusLine(replica))
    return undefined
  },
  // progress <leader>: what it knows of the others.
  progress({ harness, args, say }) {
    for (const peer of harness.replica(args[0] ?? '').core?.status().progress ?? []) {
      say(`${name(peer.member)} ${peer.state} match ${peer.match} next ${peer.next}`)
    }
    return undefined
  },
  membership(context) {
    for (const replica of each(context)) {
      const status = replica.core?.status()
      const what = formatMembership(status?.membership)
      context.say(`${name(replica.member)} at ${status?.membershipIndex}: ${what}`)
    }
    return undefined
  },
  // log <replica> …: what is on its disk.
  log(context) {
    for (const replica of each(context)) {
      const { disk } = replica
      const entries = disk.entries.map(formatEntry).join(', ')
      const base = disk.base.index > 0 ? `snapshot ${disk.base.index}/${disk.base.term}, ` : ''
      context.say(`${name(replica.member)}: ${base}${entries === '' ? 'empty' : entries}`)
    }
    return undefined
  },
}

function statusLine(replica: Replica): string {
  const status = replica.core?.status()
  if (status === undefined) return `${name(replica.member)} is down`
  const parts = [
    `${name(replica.member)} ${status.role} t${status.term}`,
    `leader ${name(status.leader)}`,
    `commit ${status.commit} last ${status.lastIndex}`,
  ]
  if (status.vote !== '' && status.vote !== status.leader) parts.push(`vote ${name(status.vote)}`)
  if (status.role === 'leader') {
    parts.push(status.leadReason ?? '')
    if (!status.canPropose) parts.push('takes no proposals')
    if (status.refusing !== undefined) parts.push(`refuses: ${status.refusing}`)
    if (status.transferring !== undefined) parts.push(`handing to ${name(status.transferring)}`)
  }
  return parts.join(', ')
}
