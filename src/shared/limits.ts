/**
 * Every limit of the product, with its unit in its name. A limit that a test does not reach is a
 * wish: each has one.
 */

export const KEY_BYTES_MAX = 1024
export const VALUE_BYTES_MAX = 1024 * 1024
export const CONTENT_TYPE_BYTES_MAX = 255
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
/** Keys of one listing page. */
export const LIST_LIMIT_MAX = 1000
/** Bytes of the ballast file released when the disk is full. */
export const BALLAST_BYTES = 64 * 1024 * 1024
/** Free space below which puts are refused (507). */
export const DISK_FREE_BYTES_MIN = 128 * 1024 * 1024
