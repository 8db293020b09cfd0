/**
 * A link: one ordered stream of frames between two processes, over one upgraded HTTP connection.
 * A frame is `u32 length of what follows | u8 type | body`. The interface is here because three
 * rooms speak over links (peers, replica, api); the socket behind it is `peers/`.
 */

export type FrameHandler = (type: number, body: Buffer) => void

export interface Link {
  /** Sends a frame whose body is the concatenation of `parts`. False: queue full, frame dropped. */
  send(type: number, parts: readonly Uint8Array[]): boolean
  /** Bytes handed to `send` that the socket has not taken yet. */
  readonly queuedBytes: number
  readonly closed: boolean
  /** Set once, right after the link is made. Bodies are slices of the receive buffer. */
  onFrame: FrameHandler
  /** Called once when the link ends, for whatever reason. */
  onClose: (reason: Error | undefined) => void
  close(): void
}

/** Opens links to the replicas named by discovery; `peers/` implements it, `api/` uses it. */
export interface Dialer {
  /**
   * Dials the peer port of a replica. Resolves after both sides know each other's identity.
   * Rejects with `unauthorized`, `tls-refused`, `wrong-cluster`, `wrong-replica`, `no-replica`
   * (not reached).
   */
  dial(target: PeerAddress): Promise<{ link: Link; remote: LinkIdentity }>
}

/** Who answered at the other end of a link. */
export type LinkIdentity = {
  readonly role: 'replica' | 'api'
  /** `db-0`, `api-1`, … for people. */
  readonly name: string
  readonly clusterName: string
  /** '' while the replica belongs to no cluster yet. */
  readonly clusterId: string
  readonly ordinal: number
  readonly incarnation: string
}

/** One replica as discovery names it. */
export type PeerAddress = {
  readonly ordinal: number
  readonly host: string
  readonly port: number
  /** Its host name, without a trailing dot, as far as known: what its certificate must say. */
  readonly name?: string
}

/** Finds the replicas; never counts them to learn how many there should be (DESIGN §7). */
export interface Discovery {
  /** Looks up SRV and address records now. Rejects with `no-replica` when nothing is found. */
  lookup(): Promise<readonly PeerAddress[]>
}
