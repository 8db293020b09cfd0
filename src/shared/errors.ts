/**
 * Expected failures: one class, one table.
 *
 * The table maps a stable code to its HTTP status (RFC 9110), to whether a client may send the same
 * request again, and to its title in a problem document (RFC 9457). Codes are API: they are added,
 * never renamed.
 */

type ErrorRow = { readonly status: number; readonly retry: boolean; readonly title: string }

/** Code → HTTP status, may the client retry, title. */
export const ERROR_TABLE = {
  'bad-request': { status: 400, retry: false, title: 'The request is malformed' },
  'invalid-key': { status: 400, retry: false, title: 'The key is not 1 to 1024 bytes of UTF-8' },
  'not-found': { status: 404, retry: false, title: 'There is no such key' },
  'faults-disabled': { status: 404, retry: false, title: 'Faults are switched off here' },
  'no-such-route': { status: 404, retry: false, title: 'There is no such resource' },
  'method-not-allowed': { status: 405, retry: false, title: 'The method is not allowed here' },
  'request-timeout': { status: 408, retry: true, title: 'The request came too slowly' },
  'precondition-failed': {
    status: 412,
    retry: false,
    title: 'A condition of the request is false',
  },
  'value-too-large': { status: 413, retry: false, title: 'The value is larger than allowed' },
  'header-too-large': { status: 431, retry: false, title: 'The header is larger than allowed' },
  'unsupported-encoding': { status: 415, retry: false, title: 'The encoding is not supported' },
  'not-leader': { status: 421, retry: true, title: 'This replica is not the leader' },
  unauthorized: { status: 401, retry: false, title: 'A token or secret is missing or wrong' },
  'tls-refused': { status: 403, retry: false, title: 'One end does not trust the other one' },
  'wrong-cluster': { status: 409, retry: false, title: 'The peer belongs to another cluster' },
  'wrong-replica': { status: 409, retry: false, title: 'Another replica answers at this address' },
  'removed-replica': { status: 410, retry: false, title: 'This incarnation was removed' },
  'no-leader': { status: 503, retry: true, title: 'No leader within the deadline' },
  'quorum-lost': { status: 503, retry: true, title: 'A majority of the replicas is missing' },
  'cluster-forming': { status: 503, retry: true, title: 'The cluster is still forming' },
  overloaded: { status: 503, retry: true, title: 'Too many requests are waiting' },
  'shutting-down': { status: 503, retry: true, title: 'This server is stopping' },
  'no-replica': { status: 503, retry: true, title: 'No replica can be reached' },
  'deadline-exceeded': { status: 503, retry: true, title: 'The deadline passed' },
  'outcome-unknown': {
    status: 503,
    retry: false,
    title: 'It is unknown whether the write took effect',
  },
  'too-stale': { status: 503, retry: true, title: 'No replica is fresh enough' },
  'revision-not-reached': {
    status: 503,
    retry: true,
    title: 'The revision was not reached in time',
  },
  'disk-full': { status: 507, retry: true, title: 'The disks of a quorum are full' },
  'data-diverged': {
    status: 503,
    retry: false,
    title: 'Replicas differ at one index; writes are stopped',
  },
  'session-expired': { status: 503, retry: true, title: 'The session of the API server expired' },
  'malformed-frame': { status: 400, retry: false, title: 'A binary frame is malformed' },
  'format-too-new': { status: 500, retry: false, title: 'The data has a newer format' },
  'data-damaged': { status: 500, retry: false, title: 'Stored data is damaged' },
  'storage-failed': { status: 500, retry: false, title: 'The disk refused a write' },
  'invalid-config': { status: 500, retry: false, title: 'The configuration is invalid' },
  'port-in-use': { status: 500, retry: false, title: 'The port is in use' },
  'refused-bootstrap': { status: 409, retry: false, title: 'The cluster cannot be formed here' },
  internal: { status: 500, retry: false, title: 'Internal error' },
} as const satisfies Record<string, ErrorRow>

/** A stable, machine-readable name of a failure. */
export type ErrorCode = keyof typeof ERROR_TABLE

/**
 * What is known of a refused write: `not-applied` surely never takes effect; `unknown` may have, or
 * may yet.
 */
export type Outcome = 'not-applied' | 'unknown'

/** An expected failure with a stable code. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError'
  readonly code: ErrorCode
  /** For a write: what is known of its fate. */
  readonly outcome: Outcome | undefined
  /** More fields for the problem document. */
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options?: { cause?: unknown; outcome?: Outcome; details?: Record<string, unknown> },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.outcome = options?.outcome
    this.details = options?.details
  }

  get status(): number {
    return ERROR_TABLE[this.code].status
  }

  get retry(): boolean {
    return ERROR_TABLE[this.code].retry
  }
}
