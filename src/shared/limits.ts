/**
 * Every limit of the product, with its unit in its name. A limit that a test does not reach is a
 * wish: each has one.
 */

export const KEY_BYTES_MAX = 1024
export const VALUE_BYTES_MAX = 1024 * 1024

/** A refused body is read up to this many bytes, so that its sender sees the refusal. */
export const REFUSED_BODY_BYTES_MAX = 64 * 1024 * 1024
export const CONTENT_TYPE_BYTES_MAX = 255
/** Revisions (ETags) one condition may list. */
export const CONDITION_REVISIONS_MAX = 256
/** Compares, and operations of one branch, of one transaction (etcd's default is the same). */
export const TRANSACTION_OPERATIONS_MAX = 128
export const IDEMPOTENCY_KEY_BYTES_MAX = 255
/** Longest time to live a key may be given: a hundred years. */
export const TTL_MS_MAX = 100 * 366 * 86_400_000
/** Keys in one read frame. */
export const READ_ITEMS_MAX = 4096
/** Records in one read reply stop at this size (one may be larger); the rest is `omitted`. */
export const READ_REPLY_BYTES_MAX = 2 * 1024 * 1024
/** Commands merged into one log entry stop at this size; one larger command stands alone. */
export const ENTRY_BYTES_MAX = 1024 * 1024
/** One frame between processes: a command of the largest value, with room around it. */
export const FRAME_BYTES_MAX = 4 * 1024 * 1024
/** Bytes the leader has proposed and not committed; beyond, it takes no proposals. */
export const UNCOMMITTED_BYTES_MAX = 16 * 1024 * 1024
/** Bytes of client frames waiting at a leader for a place in an entry; beyond: `overloaded`. */
export const PROPOSAL_QUEUE_BYTES_MAX = 16 * 1024 * 1024
/** Bytes of appends on the way to one follower. */
export const INFLIGHT_BYTES_MAX = 4 * 1024 * 1024
/** Append messages on the way to one follower. */
export const INFLIGHT_APPENDS_MAX = 64
/** Bytes of entries in one append message (one entry may be larger). */
export const APPEND_BYTES_MAX = 1024 * 1024
/** Committed and stored entries kept in memory for followers that are a little behind. */
export const LOG_CACHE_BYTES_MAX = 16 * 1024 * 1024
/** Bytes queued on one link to a peer; beyond, messages are dropped (consensus sends again). */
export const LINK_QUEUE_BYTES_MAX = 16 * 1024 * 1024
/** Records kept in memory although the disk has them, bytes. */
export const RECENT_RECORDS_BYTES_MAX = 64 * 1024 * 1024
/** So many waiting commands become an entry although an earlier one is not committed yet. */
export const PIPELINE_COMMANDS_MIN = 128
/** Bytes of applied keys and records that wait in memory; with more the next batch takes them. */
export const APPLIED_BYTES_MAX = 128 * 1024
/** Sessions of API servers a cluster keeps; the least recently used expires first. */
export const SESSIONS_MAX = 256
/** Results a session keeps above its floor; a command beyond is refused, not executed. */
export const SESSION_RESULTS_MAX = 16_384
/** A session unused for this long, in log time, expires. */
export const SESSION_IDLE_MS_MAX = 10 * 60_000
/** At most this far a new leader moves log time towards its wall clock. */
export const LOG_TIME_STEP_MS_MAX = 60_000
/** Entries kept in the log behind the applied index, for followers that return. */
export const LOG_TRAILING_ENTRIES = 10_000
/** Bytes of log kept behind the applied index. */
export const LOG_TRAILING_BYTES_MAX = 64 * 1024 * 1024
/** Incarnations remembered as removed. */
export const REMOVED_MEMBERS_MAX = 64
/** Requests one API server holds at once, waiting ones included; beyond: `overloaded`. */
export const API_REQUESTS_MAX = 4096
/** Bytes of values one API server holds at once. */
export const API_BYTES_MAX = 64 * 1024 * 1024
/** Writes a leader's own client port holds at once; beyond: `overloaded`. */
export const LOCAL_WRITES_MAX = 256
/** Bytes of values of those writes. */
export const LOCAL_WRITE_BYTES_MAX = 16 * 1024 * 1024
/** Write frames of one API server on the way to the leader: more would make smaller batches. */
export const WRITE_FRAMES_MAX = 2
/** Read frames of one API server on the way to one replica, for each kind of read. */
export const READ_FRAMES_MAX = 2
/** Write frames whose leader fell silent, kept in case that their reply comes after all. */
export const ABANDONED_FRAMES_MAX = 64
/** Time a request has, unless it says otherwise. */
export const TIMEOUT_MS_DEFAULT = 5000
/** Longest time a request may ask for. */
export const TIMEOUT_MS_MAX = 60_000
/** A replica whose latest status is older than this is not asked anything new. */
export const STATUS_FRESH_MS_MAX = 1000
/** An API server is ready while it heard any replica within this time. */
export const API_HEARD_MS_MAX = 10_000
/** Time one replica has to answer a linearizable read before another one is asked. */
export const READ_ATTEMPT_MS_MAX = 2000
/** Time for a request's head and body to arrive (a slow client holds memory). */
export const REQUEST_RECEIVE_MS_MAX = 60_000
/** Keys of one listing page, unless the request says otherwise. */
export const LIST_LIMIT_DEFAULT = 100
/** Keys of one listing page. */
export const LIST_LIMIT_MAX = 1000
/** Bytes of the ballast file released when the disk is full. */
export const BALLAST_BYTES = 64 * 1024 * 1024
/** Free space below which puts are refused (507). */
export const DISK_FREE_BYTES_MIN = 256 * 1024 * 1024
/** A link sends at least one frame (a ping) this often, so that silence means something. */
export const LINK_PING_MS = 1000
/** A link that heard nothing for this long is dead. */
export const LINK_SILENCE_MS_MAX = 5000
/** After a close the other end has this long to take what is queued. */
export const LINK_LINGER_MS_MAX = 1000
/** Connections the peer port holds at once (replicas, API servers, a snapshot). */
export const PEER_CONNECTIONS_MAX = 512
/** Ordinals a transport keeps a dialing task for. */
export const PEERS_MAX = 64
/** First pause after a failed dial or lookup; it doubles, with jitter, up to the next limit. */
export const DIAL_RETRY_MS_MIN = 50
/** Longest pause between dials of one peer. */
export const DIAL_RETRY_MS_MAX = 2000
/** A dial, the exchange of identities included. */
export const DIAL_TIMEOUT_MS = 2000
/** Discovery is asked at least this often, so that new ordinals are found. */
export const DISCOVERY_REFRESH_MS = 5000
/** A peer that discovery no longer names and that was not heard for this long is forgotten. */
export const PEER_FORGET_MS = 60_000
/** Bytes of a refusal's problem document. */
export const PROBLEM_BYTES_MAX = 16 * 1024
/** Bytes of the file that holds the peers' secret. */
export const SECRET_BYTES_MAX = 4096
/** A file that may change is looked at no more often than this. */
export const SECRET_POLL_MS = 1000
/** Bytes of the file that holds the clients' tokens. */
export const TOKENS_BYTES_MAX = 64 * 1024
/** Client tokens accepted at one time. */
export const CLIENT_TOKENS_MAX = 64
/** Bytes of a file with certificates or a key. */
export const TLS_FILE_BYTES_MAX = 256 * 1024
/** A TLS handshake that takes longer is given up. */
export const TLS_HANDSHAKE_MS_MAX = 5000
/** What goes wrong again and again in the same words is logged once in this time. */
export const SELDOM_MS = 60_000
/** Such words remembered at once. */
export const SELDOM_KEYS_MAX = 256
/** A caller that was refused stands in the notes for this long. */
export const REFUSAL_NOTE_MS = 60_000
/** Bytes of an answer that a command reads. */
export const HTTP_ANSWER_BYTES_MAX = 4 * 1024 * 1024
/** Batches of which a replica remembers how long they took. */
export const BATCH_TIMES_MAX = 256
/** Such callers noted at once. */
export const REFUSALS_NOTED_MAX = 8
/** A snapshot stream that moves no byte for this long is given up. */
export const SNAPSHOT_STALL_MS_MAX = 10_000
/** The receiver of a whole snapshot has this long to store and check it. */
export const SNAPSHOT_ANSWER_MS_MAX = 60_000
/** Connections the proxy of `ordinal local` carries at once; beyond: refused. */
export const BALANCER_CONNECTIONS_MAX = 4096
/** A child's log is cut at this size; one part before is kept. */
export const LOG_FILE_BYTES_MAX = 32 * 1024 * 1024
/** Longest pause of a child that the control API takes. */
export const CHILD_PAUSE_MS_MAX = 10 * 60_000
/** An answer of a child's probe or status. */
export const PROBE_BODY_BYTES_MAX = 256 * 1024
/** First wait for an answer of a DNS server; c-ares doubles it at each further try. */
export const DNS_TIMEOUT_MS = 500
/** Questions to the DNS servers before a lookup fails. */
export const DNS_TRIES = 2
/** TCP connections that the local DNS zone holds at once. */
export const DNS_CONNECTIONS_MAX = 32
/** A TCP connection to the local DNS zone that says nothing for this long is closed. */
export const DNS_IDLE_MS_MAX = 5000
/** Log entries one call of compaction deletes. */
export const COMPACTION_ENTRIES_MAX = 8192
/** Keys one step of sweeping deletes. */
export const SWEEP_KEYS_MAX = 2048
/** Bytes one step of the scrub reads. */
export const SCRUB_BYTES_MAX = 1024 * 1024
/** Bytes of one chunk of a snapshot (a single larger record has a chunk of its own). */
export const SNAPSHOT_CHUNK_BYTES = 256 * 1024
/** Bytes of log kept from compaction for one snapshot on its way. */
export const SNAPSHOT_LOG_BYTES_MAX = 256 * 1024 * 1024
/** Linearizable reads that wait at one replica for a round or an index; beyond: refused. */
export const READS_WAITING_MAX = 65_536
/** Members heard that are in no membership yet. */
export const HEARD_MEMBERS_MAX = 64
/** Entries a member may be behind the leader's last one and count as caught up. */
export const CAUGHT_UP_ENTRIES = 64
/** A fault switched on by a person ends by itself after at most this long. */
export const FAULT_MS_MAX = 10 * 60_000
/** Longest delay of a batch or a message that a fault may ask for. */
export const FAULT_DELAY_MS_MAX = 10_000
/** Farthest jump of a wall clock that a fault may ask for: ten years. */
export const FAULT_CLOCK_JUMP_MS_MAX = 10 * 366 * 86_400_000
/** Keys of which a lying replica remembers an old value. */
export const FAULT_MEMORY_KEYS_MAX = 16_384
/** Bytes of those keys and values. */
export const FAULT_MEMORY_BYTES_MAX = 16 * 1024 * 1024
/** A call of the Kubernetes API has this long. */
export const KUBERNETES_CALL_MS_MAX = 5000
/** Bytes of an answer of the Kubernetes API; a ConfigMap has at most 1 MiB. */
export const KUBERNETES_ANSWER_BYTES_MAX = 2 * 1024 * 1024
/** Connections to the Kubernetes API at once; further calls wait. */
export const KUBERNETES_CONNECTIONS_MAX = 4
/** The own StatefulSet is read this often, give or take a fifth. */
export const TOPOLOGY_POLL_MS = 5000
/** A leader looks this often whether its Pod, and no other one, carries the label. */
export const ROLE_CHECK_MS = 15_000
/** First pause after the Kubernetes API did not do something; it doubles up to the next limit. */
export const KUBERNETES_RETRY_MS_MIN = 500
export const KUBERNETES_RETRY_MS_MAX = 30_000
/** So many good answers in a row, and the Kubernetes API counts as well again. */
export const KUBERNETES_ANSWERS_WELL = 3
/** Time that a stopping replica gives the Kubernetes API for the last label and Events. */
export const KUBERNETES_CLOSE_MS_MAX = 1000
/** Events that wait to be told; beyond, the oldest is dropped. */
export const EVENTS_WAITING_MAX = 16
/** Events told in a row; then one for each of the next pauses. */
export const EVENTS_BURST_MAX = 10
export const EVENT_PAUSE_MS = 30_000
/** Events of which the next one of the kind is counted instead of told anew. */
export const EVENTS_REMEMBERED_MAX = 32
/** Characters of an Event's message (the API's limit). */
export const EVENT_TEXT_MAX = 1024
