/**
 * What must hold at every step, whatever happens (Raft §5, DESIGN §4):
 *
 *   one-leader-a-term     at most one replica is elected in a term
 *   log-matching          entries of one index and term are the same in every log
 *   leader-completeness   who is elected holds every entry that earlier terms committed
 *   committed-changed     what was committed at an index stays there
 *   committed-unsynced    what is committed lies on the disks of a quorum of the voters
 *   committed-dropped     a log that holds a committed entry keeps it
 *   sent-unsynced         a vote or an acknowledgement leaves after what it promises is on disk
 *   and the rules of the protocol (protocol.ts), core by core, and of what is applied
 *   (state-rules.ts)
 *
 * All of it is looked at from outside: the cores' effects, the messages at the transport, and what
 * was synced on the simulated disks.
 */

import type { Core } from '../../src/database/consensus/core.ts'
import type { Entry } from '../../src/database/consensus/entry.ts'
import { majority } from '../../src/database/consensus/quorum.ts'
import type {
  CoreEvent,
  Effects,
  Input,
  Instant,
  Message,
  Write,
} from '../../src/database/consensus/types.ts'
import type { KvState } from '../../src/database/kv/state.ts'
import type { AppliedEntry, KvChanges } from '../../src/database/kv/types.ts'
import { CoreLog } from './core-log.ts'
import type { DiskMirror, Mark } from './disk-mirror.ts'
import type { Model } from './model.ts'
import type { SimulatedProcess } from './process.ts'
import { Protocol, type ProtocolOptions } from './protocol.ts'
import { type EntryOutcome, StateRules } from './state-rules.ts'
import { Violation } from './violation.ts'
import type { Watcher } from './watch.ts'

/** A replica's process as the invariants know it. */
export type Member = {
  readonly process: SimulatedProcess
  /** `<ordinal>/<incarnation>`. */
  readonly id: string
  readonly mirror: () => DiskMirror
}

type View = { readonly member: Member; readonly log: CoreLog; commit: number }

export class Invariants implements Watcher {
  readonly #current: () => Member | undefined
  readonly #onEvent: (member: Member, event: CoreEvent) => void
  readonly #onSituation: (situation: string) => void
  readonly #onViolation: (violation: Violation) => void
  readonly #views = new WeakMap<Core, View>()
  readonly #leaders = new Map<number, string>()
  /** index → term → chain, of all entries ever written to a log. */
  readonly #entries = new Map<number, Map<number, number>>()
  readonly #committed: (Mark | undefined)[] = []
  /** How far each term got: the index of the last entry that was first committed in it. */
  readonly #reached: { readonly term: number; index: number }[] = []
  /** The disk of each member that there ever was; of lost ones as it was then. */
  readonly #disks = new Map<string, () => DiskMirror>()
  readonly #clusters = new Set<string>()
  /** Acknowledgement → the entry that it was meant for. */
  readonly #meant = new WeakMap<Message, Mark>()
  readonly #protocol: Protocol
  readonly #states = new StateRules()
  /** Called when an entry is known committed for the first time. */
  onCommitted: (index: number, mark: Mark) => void = () => undefined

  constructor(options: {
    current: () => Member | undefined
    onEvent: (member: Member, event: CoreEvent) => void
    onSituation: (situation: string) => void
    onViolation: (violation: Violation) => void
    protocol: Omit<ProtocolOptions, 'commit'>
  }) {
    this.#protocol = new Protocol({ ...options.protocol, commit: () => this.commit })
    this.#current = options.current
    this.#onEvent = options.onEvent
    this.#onSituation = options.onSituation
    this.#onViolation = options.onViolation
  }

  /** Index of the last entry known committed. */
  get commit(): number {
    return this.#committed.length - 1
  }

  get model(): Model {
    return this.#states.model
  }

  hashAt(index: number): string | undefined {
    return this.#states.hashAt(index)
  }

  /** A replica opened its disk and has this identity from now on. */
  started(member: Member): void {
    this.#disks.set(member.id, member.mirror)
  }

  /** This member's disk is gone: what counts is what it held. */
  lost(id: string, mirror: DiskMirror): void {
    this.#disks.set(id, () => mirror)
  }

  // What the cores do.

  onStep(core: Core, step: { instant: Instant; input: Input; effects: Effects }): void {
    this.#look((member) => {
      this.#count(step.input, step.effects)
      this.#step(member, core, step.effects)
      const { log } = this.#viewOf(core, member)
      const mirror = member.mirror()
      this.#protocol.step({ self: member.id, core, log, mirror, ...step })
    })
  }

  #count(input: Input, { write }: Effects): void {
    if (write?.install !== undefined) this.#onSituation('snapshot-installed')
    if (write?.truncateFrom !== undefined) this.#onSituation('suffix-truncated')
    if (input.type === 'compacted') this.#onSituation('log-compacted')
    if (input.type === 'snapshot-sent') {
      this.#onSituation(input.ok ? 'snapshot-sent' : 'snapshot-failed')
    }
  }

  /** Looks on behalf of who is running; what it finds is told, not thrown into the product. */
  #look(check: (member: Member) => void): void {
    const member = this.#current()
    if (member === undefined || !member.process.alive) return
    try {
      check(member)
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.#onViolation(error)
    }
  }

  #step(member: Member, core: Core, effects: Effects): void {
    const view = this.#viewOf(core, member)
    if (effects.write !== undefined) {
      this.#countOverlap(view, effects.write)
      const held = this.#heldCommitted(view.log, effects.write)
      view.log.write(effects.write)
      if (view.log.lastIndex < held) {
        const what = `${member.id} held the committed entry ${held}`
        throw new Violation('committed-dropped', `${what}, and its log ends before it now`)
      }
      for (const entry of effects.write.entries) this.#written(member, entry)
    }
    for (const { message } of effects.messages) {
      if (message.type !== 'append-reply' || message.rejected) continue
      const mark = view.log.at(message.match)
      if (mark !== undefined) this.#meant.set(message, mark)
    }
    for (const event of effects.events) {
      if (event.type === 'elected') this.#elected(view, event.term)
      this.#onEvent(member, event)
    }
    if (core.commit > view.commit) this.#advance(core, view)
  }

  /** How far a log that this write cuts holds what is known committed; 0: it cuts nothing. */
  #heldCommitted(log: CoreLog, { truncateFrom, install }: Write): number {
    if (truncateFrom === undefined && install === undefined) return 0
    for (let index = Math.min(log.lastIndex, this.commit); index > log.baseIndex; index -= 1) {
      const mark = this.#committed[index]
      if (mark !== undefined && log.at(index)?.chain === mark.chain) return index
    }
    return 0
  }

  /** A snapshot met a log that reaches as far: equal there, or another one. */
  #countOverlap({ log }: View, { install }: Write): void {
    if (install === undefined || log.lastIndex < install.meta.index) return
    this.#onSituation(`snapshot-over-${install.keepLog ? 'equal' : 'other'}-log`)
  }

  #viewOf(core: Core, member: Member): View {
    let view = this.#views.get(core)
    if (view === undefined) {
      const mirror = member.mirror()
      view = { member, log: new CoreLog(mirror), commit: mirror.base.index }
      this.#views.set(core, view)
    }
    return view
  }

  #written(member: Member, { index, term, chain }: Entry): void {
    let terms = this.#entries.get(index)
    if (terms === undefined) {
      terms = new Map()
      this.#entries.set(index, terms)
    }
    const known = terms.get(term)
    if (known === undefined) terms.set(term, chain)
    else if (known !== chain) {
      throw new Violation('log-matching', `${member.id}: entry ${index} of term ${term} differs`)
    }
  }

  #elected(view: View, term: number): void {
    const { id } = view.member
    const other = this.#leaders.get(term)
    if (other !== undefined) {
      throw new Violation('one-leader-a-term', `${id} and ${other} are elected in term ${term}`)
    }
    this.#leaders.set(term, id)
    // A vote that came late may still elect somebody into a term that others have left.
    const last = this.#reached.findLast((reached) => reached.term < term)?.index ?? 0
    const mark = this.#committed[last]
    if (mark !== undefined && !view.log.includes(last, mark.chain)) {
      const what = `${id}, elected in term ${term}, lacks the committed entry ${last}`
      throw new Violation('leader-completeness', what)
    }
  }

  #advance(core: Core, view: View): void {
    for (let index = view.commit + 1; index <= core.commit; index += 1) {
      const mark = view.log.at(index)
      if (mark === undefined) continue
      const known = this.#committed[index]
      if (known === undefined) {
        this.#committed[index] = mark
        this.#reach(core.term, index)
        this.#demandQuorum(core, view, index, mark)
        this.onCommitted(index, mark)
      } else if (known.chain !== mark.chain) {
        const what = `${view.member.id} has another entry ${index} committed (term ${mark.term})`
        throw new Violation('committed-changed', what)
      }
    }
    view.commit = core.commit
    const { membership } = core
    if (membership?.opened !== true) return
    this.#clusters.add(membership.clusterId)
    if (this.#clusters.size > 1) {
      throw new Violation('one-cluster', `there are ${this.#clusters.size} clusters with clients`)
    }
  }

  #reach(term: number, index: number): void {
    const last = this.#reached.at(-1)
    if (last !== undefined && last.term >= term) last.index = index
    else this.#reached.push({ term, index })
  }

  #demandQuorum(core: Core, view: View, index: number, { chain }: Mark): void {
    const voters = core.membership?.voters ?? []
    const holders = voters.filter((id) => this.#disks.get(id)?.().holds(index, chain))
    if (holders.length >= majority(voters.length)) return
    const what = `entry ${index}, committed by ${view.member.id}, is on the disks of [${holders}]`
    throw new Violation('committed-unsynced', `${what} of the voters [${voters}]`)
  }

  // What leaves.

  /** A message is handed to the transport. */
  onSend(message: Message): void {
    this.#look((member) => this.#send(member, message))
  }

  #send(member: Member, message: Message): void {
    const mirror = member.mirror()
    const { hardState } = mirror
    const { type, term, to } = message
    const unsynced = (what: string) => {
      throw new Violation('sent-unsynced', `${member.id} sends ${type} to ${to}: ${what}`)
    }
    if (type === 'vote-reply' && message.granted) {
      const stored = hardState.term > term || (hardState.term === term && hardState.vote === to)
      if (!stored) unsynced(`its disk says term ${hardState.term}, vote ${hardState.vote}`)
    }
    if (type === 'vote' && hardState.term < term) unsynced('its own vote is not on disk')
    if (type === 'append-reply' && !message.rejected) {
      if (hardState.term < term) unsynced(`its disk says term ${hardState.term}, not ${term}`)
      this.#demandStored(mirror, message, unsynced)
    }
  }

  #demandStored(
    mirror: DiskMirror,
    message: Message & { type: 'append-reply' },
    unsynced: (what: string) => void,
  ): void {
    const { match, term } = message
    if (match <= mirror.base.index) return
    const mark = mirror.at(match)
    if (mark === undefined) {
      unsynced(`match ${match}, and its disk ends at ${mirror.lastIndex}`)
      return
    }
    // Once it has gone on to another term, the same batch may have replaced what was promised; who
    // was elected meanwhile has it, or a quorum never had.
    const meant = this.#meant.get(message)
    if (mirror.hardState.term !== term || meant === undefined || meant.chain === mark.chain) return
    unsynced(`match ${match} of term ${meant.term}, and its disk has that of term ${mark.term}`)
  }

  // What is applied.

  onApplied(state: KvState, entry: AppliedEntry, applied: EntryOutcome): void {
    this.#look(({ id }) => this.#states.applied(id, state, { entry, ...applied }))
  }

  onChanges(_state: KvState, changes: KvChanges): void {
    this.#look(({ id }) => this.#states.written(id, changes))
  }
}
