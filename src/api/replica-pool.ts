/**
 * The replicas as one API server knows them: it finds them (discovery, and what each tells of the
 * others), keeps one link to each (dialer), and knows from their status frames who leads and who is
 * fresh.
 *
 *   discovered ──dial──► linked ──first status──► known ──status too old──► silent
 *        ▲                 └──────── link lost ──────┴───────────────────────┘
 *        └── again after a pause that grows (DIAL_RETRY_MS_MIN … MAX)
 *
 * A leader is only believed while its status is fresh: what is sent to a paused one would be in
 * doubt, what waits is not (DESIGN §5).
 */

import type { Logger } from 'pino'
import { FRAME, type StatusFrame } from '../database/kv/frame-types.ts'
import { decodeStatus } from '../database/kv/frames.ts'
import type { Clock, Timer } from '../shared/clock.ts'
import { ClusterError } from '../shared/errors.ts'
import {
  DIAL_RETRY_MS_MAX,
  DIAL_RETRY_MS_MIN,
  DISCOVERY_REFRESH_MS,
  STATUS_FRESH_MS_MAX,
} from '../shared/limits.ts'
import type { Dialer, Discovery, Link, LinkIdentity, PeerAddress } from '../shared/link.ts'
import { Seldom } from '../shared/seldom.ts'

/** A replica with an open link that has said where it stands. */
export type Replica = {
  readonly ordinal: number
  readonly name: string
  /** `<api server>, <replica>`, for Ordinal-Served-By. */
  readonly servedBy: string
  readonly link: Link
  status: StatusFrame
  /** When its latest status came. */
  heard_ms: number
  silent: boolean
}

/** What the pool tells of; each is called after the pool's own state has changed. */
export type PoolListener = {
  /** A reply frame. Throws `malformed-frame`: the link is closed. */
  onReply(replica: Replica, type: number, body: Buffer): void
  /** Its link is gone: nothing sent there will be answered. */
  onLost(replica: Replica): void
  /** Its status is too old; replies may still come. */
  onSilent(replica: Replica): void
  /** Someone's status changed: what waits may find its replica now. */
  onChange(): void
}

export type PoolOptions = {
  readonly name: string
  readonly dialer: Dialer
  readonly discovery: Discovery
  readonly clock: Clock
  readonly logger: Logger
  readonly listener: PoolListener
}

/** How often freshness is looked at. */
const WATCH_MS = 100

export class ReplicaPool {
  readonly #options: PoolOptions
  readonly #seldom: Seldom
  /** By ordinal; a link without a status yet is in `#linked` only. */
  readonly #known = new Map<number, Replica>()
  readonly #linked = new Map<number, Link>()
  readonly #dialing = new Set<number>()
  #lookingUp = false
  #pause_ms = DIAL_RETRY_MS_MIN
  #refreshTimer: Timer | undefined
  #watchTimer: Timer | undefined
  #heard_ms = Number.NEGATIVE_INFINITY
  #history = ''
  #revision = 0
  #turn = 0
  #frame = 0
  #closed = false

  constructor(options: PoolOptions) {
    this.#options = options
    this.#seldom = new Seldom(options.clock)
  }

  start(): void {
    this.#refresh()
    this.#watch()
  }

  /** All replicas that said where they stand and whose link is open. */
  get replicas(): readonly Replica[] {
    return [...this.#known.values()]
  }

  /** When any replica was last heard, by the monotonic clock. */
  get heard_ms(): number {
    return this.#heard_ms
  }

  /** Highest revision known of the present history. */
  get revision(): number {
    return this.#revision
  }

  /** The history that the latest leader named; '' before any is known. */
  get history(): string {
    return this.#history
  }

  /** A frame id, unique on each link. */
  nextFrame(): number {
    this.#frame = (this.#frame + 1) >>> 0
    return this.#frame
  }

  noteRevision(replica: Replica, revision: number): void {
    if (replica.status.history === this.#history && revision > this.#revision) {
      this.#revision = revision
    }
  }

  /** The replica that says it leads, in the highest term, while that is fresh. */
  leader(): Replica | undefined {
    let leader: Replica | undefined
    for (const replica of this.#known.values()) {
      if (replica.status.role !== 'leader' || !this.isFresh(replica)) continue
      if (leader === undefined || replica.status.term > leader.status.term) leader = replica
    }
    return leader
  }

  isFresh(replica: Replica): boolean {
    return this.#options.clock.now_ms() - replica.heard_ms <= STATUS_FRESH_MS_MAX
  }

  /**
   * The next replica in turn that can serve reads of this kind and that `accept` takes. Reads of
   * another history than the leader's are served by none.
   */
  pick(
    consistency: 'linearizable' | 'stale',
    accept: (replica: Replica) => boolean,
  ): Replica | undefined {
    const replicas = this.replicas
    for (let offset = 0; offset < replicas.length; offset++) {
      const at = (this.#turn + offset) % replicas.length
      const replica = replicas[at] as Replica
      if (!this.canRead(replica, consistency) || !accept(replica)) continue
      this.#turn = at + 1
      return replica
    }
    return undefined
  }

  /** May this replica be asked for a read of this kind now? */
  canRead(replica: Replica, consistency: 'linearizable' | 'stale'): boolean {
    if (replica.status.history !== this.#history || !this.isFresh(replica)) return false
    return consistency === 'stale' || replica.status.leader >= 0
  }

  close(): void {
    this.#closed = true
    this.#refreshTimer?.cancel()
    this.#watchTimer?.cancel()
    for (const link of [...this.#linked.values()]) link.close()
  }

  #watch(): void {
    if (this.#closed) return
    this.#watchTimer = this.#options.clock.after(WATCH_MS, () => this.#watch())
    for (const replica of this.#known.values()) {
      if (replica.silent || this.isFresh(replica)) continue
      replica.silent = true
      this.#options.logger.warn({ replica: replica.name }, 'replica is silent')
      this.#options.listener.onSilent(replica)
    }
  }

  /** Looks up and dials who is missing; comes again soon while anyone is, else now and then. */
  #refresh(): void {
    if (this.#closed || this.#lookingUp) return
    this.#refreshTimer?.cancel()
    this.#lookingUp = true
    this.#options.discovery.lookup().then(
      (addresses) => this.#found(addresses),
      (error: unknown) => {
        this.#options.logger.debug({ err: error }, 'lookup failed')
        this.#found([])
      },
    )
  }

  #found(addresses: readonly PeerAddress[]): void {
    this.#lookingUp = false
    if (this.#closed) return
    let missing = addresses.length === 0
    const told = this.replicas.flatMap(({ status }) => status.peers ?? [])
    for (const ordinal of new Set([...addresses, ...told].map((each) => each.ordinal))) {
      if (this.#linked.has(ordinal)) continue
      missing = true
      // A replica that has a link with it knows better than a DNS that may remember what was.
      const known = [...told, ...addresses].filter((each) => each.ordinal === ordinal)
      if (!this.#dialing.has(ordinal)) this.#dial(distinct(known))
    }
    this.#pause_ms = missing ? Math.min(this.#pause_ms * 2, DIAL_RETRY_MS_MAX) : DIAL_RETRY_MS_MIN
    const delay_ms = missing ? this.#pause_ms : DISCOVERY_REFRESH_MS
    this.#refreshTimer = this.#options.clock.after(delay_ms, () => this.#refresh())
  }

  /** Tries the addresses of one replica, one after another. */
  #dial([address, ...others]: readonly PeerAddress[]): void {
    if (address === undefined) return
    const { ordinal } = address
    this.#dialing.add(ordinal)
    this.#options.dialer.dial(address).then(
      ({ link, remote }) => {
        this.#dialing.delete(ordinal)
        if (this.#closed || this.#linked.has(remote.ordinal)) link.close()
        else this.#accept(link, remote)
      },
      (error: unknown) => {
        this.#dialing.delete(ordinal)
        this.#dialFailed(ordinal, error)
        if (!this.#closed && !this.#linked.has(ordinal)) this.#dial(others)
      },
    )
  }

  /** Dials at once whom a replica tells of that it has not told of before. */
  #dialTold(now: StatusFrame, before: StatusFrame | undefined): void {
    for (const told of now.peers ?? []) {
      if (this.#linked.has(told.ordinal) || this.#dialing.has(told.ordinal)) continue
      if (!before?.peers?.some((each) => sameAddress(each, told))) this.#dial([told])
    }
  }

  /** One that is not there comes back; one that refuses needs a person. */
  #dialFailed(ordinal: number, error: unknown): void {
    const { logger } = this.#options
    const code = error instanceof ClusterError ? error.code : undefined
    const lasting = code === 'tls-refused' || code === 'unauthorized' || code === 'wrong-cluster'
    if (lasting && this.#seldom.due(`${ordinal} ${code}`)) {
      logger.warn({ err: error, ordinal, code }, 'no link with a replica')
    } else logger.debug({ err: error, ordinal }, 'dial failed')
  }

  #accept(link: Link, remote: LinkIdentity): void {
    const { ordinal, name } = remote
    this.#linked.set(ordinal, link)
    this.#options.logger.info({ replica: name }, 'linked to replica')
    link.onClose = (reason) => {
      if (this.#linked.get(ordinal) !== link) return
      this.#linked.delete(ordinal)
      const replica = this.#known.get(ordinal)
      this.#known.delete(ordinal)
      this.#options.logger.info({ replica: name, err: reason }, 'link to replica lost')
      if (replica !== undefined) this.#options.listener.onLost(replica)
      if (this.#closed) return
      this.#options.listener.onChange()
      this.#pause_ms = DIAL_RETRY_MS_MIN
      this.#refreshTimer?.cancel()
      this.#refreshTimer = this.#options.clock.after(this.#pause_ms, () => this.#refresh())
    }
    link.onFrame = (type, body) => {
      try {
        if (type === FRAME.status) this.#onStatus({ link, remote, status: decodeStatus(body) })
        else {
          const replica = this.#known.get(ordinal)
          if (replica?.link === link) this.#options.listener.onReply(replica, type, body)
        }
      } catch (error) {
        // Bytes we cannot read: nothing after them on this link can be trusted either.
        if (!(error instanceof ClusterError)) throw error
        this.#options.logger.warn({ replica: name, err: error }, 'closing a link')
        link.close()
      }
    }
  }

  #onStatus(news: { link: Link; remote: LinkIdentity; status: StatusFrame }): void {
    const { link, remote, status } = news
    const now_ms = this.#options.clock.now_ms()
    this.#heard_ms = now_ms
    const known = this.#known.get(remote.ordinal)
    this.#dialTold(status, known?.link === link ? known.status : undefined)
    if (known === undefined || known.link !== link) {
      this.#known.set(remote.ordinal, {
        ordinal: remote.ordinal,
        name: remote.name,
        servedBy: `${this.#options.name}, ${remote.name}`,
        link,
        status,
        heard_ms: now_ms,
        silent: false,
      })
    } else {
      known.status = status
      known.heard_ms = now_ms
      known.silent = false
    }
    this.#settleHistory()
    this.#options.listener.onChange()
  }

  /** The leader names the history; without one it stays, as long as anyone still has it. */
  #settleHistory(): void {
    const known = [...this.#known.values()].map((replica) => replica.status.history)
    const stays = this.#history !== '' && known.includes(this.#history) ? this.#history : undefined
    // A replica that belongs to no cluster yet has none, and names none.
    const history = this.leader()?.status.history ?? stays ?? known.find((one) => one !== '') ?? ''
    if (history !== this.#history) {
      this.#history = history
      this.#revision = 0
    }
    for (const replica of this.#known.values()) this.noteRevision(replica, replica.status.revision)
  }
}

function sameAddress(a: PeerAddress, b: PeerAddress): boolean {
  return a.ordinal === b.ordinal && a.host === b.host && a.port === b.port
}

function distinct(addresses: readonly PeerAddress[]): PeerAddress[] {
  return addresses.filter((one, at) => addresses.findIndex((each) => sameAddress(each, one)) === at)
}
