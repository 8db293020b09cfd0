/**
 * The format: one number for the form of all that replicas store, and send each other to be stored
 * (entries with what is in them, records, sessions, snapshots, the layout of the disk). The parts
 * have a version byte each; which versions a format stands for is said where it is written.
 *
 *   FORMAT_OLDEST ≤ FORMAT_ENABLED ≤ FORMAT_NEWEST
 *   read ─────────────────────────────────────► read
 *   written ──────► written
 *
 * A new format comes in two steps, so that there is a way back (DESIGN §7). The version that brings
 * it raises FORMAT_NEWEST alone: it reads n and n+1, writes n, and can be taken back. A later one
 * raises FORMAT_ENABLED. Even then a leader writes n+1 only while each member says in its hello
 * that it reads it (consensus/written-format.ts); and before a disk takes the first bytes of n+1
 * they are announced in its folder (storage/folder.ts), which a version that reads up to n leaves
 * untouched. What a replica makes by applying an entry, a record say, is to follow the format of
 * that entry: the content hashes of all replicas must agree, whichever version each runs.
 */

/** Oldest format that is read. A new disk has it, and what nobody asked the members about. */
export const FORMAT_OLDEST: number = 1
/** Newest format that is written, once each member reads it. */
export const FORMAT_ENABLED: number = 1
/** Newest format that is read. */
export const FORMAT_NEWEST: number = 1
