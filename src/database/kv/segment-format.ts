/**
 * The numbers of the segment format, shared by its writer, its validator and its reader.
 *
 * Segment: u8 version | u64 session | u64 floor | u32 command count | commands.
 * Command: u64 sequence | u8 type | u8 size, idempotency key | fields of the type:
 *   put             key | u8 size, content type (latin1) | u64 ttl ms | u32 size, value | condition
 *   delete          key | condition
 *   transaction     u16 count, (key | condition)… | branch for success | branch for failure
 *                   branch: u16 count, (u8 type | fields of put or delete, without a condition)…
 *   expire          key | u64 revision
 *   open-session    nothing
 *   close-session   u64 session
 *   expire-session  u64 session | u64 last use ms
 * Key: u16 size, UTF-8. Condition: u8 flags | for each list: u16 count, u64 revision…
 */

export const SEGMENT_VERSION = 1
/** Bytes before the first command. */
export const SEGMENT_HEADER_BYTES = 21

/** Command types on the wire and in the log: added, never renumbered. */
export const COMMAND = {
  put: 1,
  delete: 2,
  transaction: 3,
  expire: 4,
  openSession: 5,
  closeSession: 6,
  expireSession: 7,
} as const

/** Flags of a condition; 0: none. */
export const CONDITION = { matchList: 1, matchAny: 2, noneMatchList: 4, noneMatchAny: 8 } as const
