/**
 * The wire of a simulated replica, and the dialer of a simulated API server: dials, who admits
 * whom, and links. What a real peer port checks is checked here by the same functions.
 */

import { FRAME } from '../../src/database/kv/frame-types.ts'
import { checkAnswer, checkCaller } from '../../src/database/peers/identity.ts'
import type { PeerWire, SnapshotPost, WireHandlers } from '../../src/database/peers/wire.ts'
import { ClusterError } from '../../src/shared/errors.ts'
import { DIAL_TIMEOUT_MS } from '../../src/shared/limits.ts'
import type { Link, LinkIdentity, PeerAddress } from '../../src/shared/link.ts'
import type { Endpoint, Listener, Network } from './network.ts'
import { SnapshotStream } from './snapshot-stream.ts'

export const PEER_PORT = 7000

/** A message of the core on a link between replicas (peers/peer-link.ts). */
const PEER_MESSAGE = 2
const BETWEEN_REPLICAS = { lossy: new Set([PEER_MESSAGE]), late: new Set<number>() }
const FROM_API = {
  lossy: new Set<number>(),
  late: new Set<number>([FRAME.write, FRAME.writeReply]),
}

type Dialed = { readonly link: Link; readonly remote: LinkIdentity }

export type Caller = Endpoint & { readonly identity: () => LinkIdentity }

/** Dials as `link-dialer.ts` does, over the simulated network. */
export function dial(network: Network, caller: Caller, target: PeerAddress): Promise<Dialed> {
  return new Promise((resolve, reject) => {
    const { process } = caller
    if (!process.effect()) return
    const where = `${target.host}:${target.port}`
    let settled = false
    let link: Link | undefined
    const fail = (error: ClusterError): void => {
      if (settled) return
      settled = true
      timer.cancel()
      link?.close()
      reject(error)
    }
    const timer = process.clock.after(DIAL_TIMEOUT_MS, () => {
      fail(new ClusterError('no-replica', `${where} did not answer in time`))
    })
    const listener = network.listenerAt(where)
    if (listener === undefined) {
      network.scheduler.after(2 * network.delay_ms(), process, () => {
        fail(new ClusterError('no-replica', `${where}: connection refused`))
      })
      return
    }
    const own = caller.identity()
    call(network, { caller, own, listener, target }, (error, dialed) => {
      if (error !== undefined) fail(error)
      else if (settled) dialed?.link.close()
      else {
        settled = true
        timer.cancel()
        resolve(dialed as Dialed)
      }
    })
  })
}

function call(
  network: Network,
  options: { caller: Caller; own: LinkIdentity; listener: Listener; target: PeerAddress },
  done: (error: ClusterError | undefined, dialed?: Dialed) => void,
): void {
  const { caller, own, listener, target } = options
  if (network.isBlocked(caller.place, listener.place)) return
  network.scheduler.after(network.delay_ms(), listener.process, () => {
    const back = (run: () => void) => {
      if (network.isBlocked(listener.place, caller.place)) return
      network.scheduler.after(network.delay_ms(), caller.process, run)
    }
    try {
      const remote = listener.admit(own, String(target.ordinal))
      const types = own.role === 'api' ? FROM_API : BETWEEN_REPLICAS
      const { near, far } = network.connect(caller, listener, types)
      listener.onLink(far, own)
      back(() => {
        try {
          checkAnswer(own, remote, target.ordinal)
          done(undefined, { link: near, remote })
        } catch (error) {
          near.close()
          if (!(error instanceof ClusterError)) throw error
          done(error)
        }
      })
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
      back(() => done(error))
    }
  })
}

export type SimulatedWireOptions = Caller & {
  readonly network: Network
  /** The own IP address. */
  readonly host: string
}

/** A replica's end of the simulated network. */
export class SimulatedWire implements PeerWire, Listener {
  readonly #options: SimulatedWireOptions
  #handlers: WireHandlers | undefined

  constructor(options: SimulatedWireOptions) {
    this.#options = options
  }

  get process() {
    return this.#options.process
  }

  get place() {
    return this.#options.place
  }

  async listen(): Promise<{ host: string; port: number }> {
    const { network, host } = this.#options
    network.listen(`${host}:${PEER_PORT}`, this)
    return { host, port: PEER_PORT }
  }

  serve(handlers: WireHandlers): void {
    this.#handlers = handlers
  }

  dial(target: PeerAddress): Promise<Dialed> {
    return dial(this.#options.network, this.#options, target)
  }

  async sendSnapshot(target: PeerAddress, post: SnapshotPost): Promise<void> {
    const { network, process, place, identity } = this.#options
    const listener = network.listenerAt(`${target.host}:${target.port}`)
    if (listener === undefined || !process.effect()) {
      throw new ClusterError('no-replica', 'connection refused')
    }
    const ends = { sender: { process, place }, receiver: listener }
    const stream = new SnapshotStream(network, ends, post)
    await stream.run(identity(), String(target.ordinal))
  }

  async close(): Promise<void> {
    const { network, host, process } = this.#options
    this.#handlers = undefined
    network.unlisten(`${host}:${PEER_PORT}`, process)
    network.closeLinks(process)
  }

  // As a listener.

  admit(remote: LinkIdentity, target: string): LinkIdentity {
    const own = this.#serving().identity()
    checkCaller(own, remote, target)
    return own
  }

  onLink(link: Link, remote: LinkIdentity): void {
    this.#serving().onLink(link, remote)
  }

  onSnapshot(read: Parameters<WireHandlers['onSnapshot']>[0], remote: LinkIdentity): Promise<void> {
    return this.#serving().onSnapshot(read, remote)
  }

  #serving(): WireHandlers {
    if (this.#handlers !== undefined) return this.#handlers
    throw new ClusterError('shutting-down', 'not serving peers now')
  }
}
