/** What `GET /processes` shows, and the console prints. */

/** One process as `GET /processes` shows it. */
export type ProcessView = {
  readonly name: string
  readonly kind: 'replica' | 'api'
  readonly state: 'running' | 'paused' | 'stopping' | 'waiting' | 'stopped'
  readonly ready: boolean
  /** What a replica says it is; null: it does not answer, or is an API server. */
  readonly role: string | null
  readonly pid: number | null
  readonly restarts: number
  readonly lastExit: string | null
  readonly ports: {
    readonly client: number
    readonly metrics: number
    readonly peer: number | null
  }
  readonly url: string
  readonly dataFolder: string | null
  readonly logFile: string
}

export type ClusterView = {
  readonly url: string
  readonly balancer: 'kernel' | 'proxy'
  readonly dataFolder: string
  /** The leader last heard of. */
  readonly leader: string | null
  readonly processes: readonly ProcessView[]
}
