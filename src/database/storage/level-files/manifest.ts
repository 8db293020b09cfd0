/**
 * The MANIFEST (db/version_edit.cc, version_set.cc): a log of edits, whose sum says which tables
 * there are, which logs are still needed, and the last sequence. LevelDB believes each edit that
 * has a right CRC; here every edit must fit what came before.
 *
 * A MANIFEST may end within an edit, as a log may: LevelDB deletes what an edit replaces only when
 * the edit is synced, so that all of the state before it is still there. If it is not, an edit was
 * lost, and the files it made obsolete are missed in check.ts.
 */

import { DamageFound, LevelReader } from './format.ts'
import { logRecords } from './log-file.ts'

const COMPARATOR = 'leveldb.BytewiseComparator'
const LEVELS = 7

export type TableRow = {
  readonly level: number
  readonly number: number
  readonly size: number
  /** Internal keys: the user's key and eight bytes of sequence and type. */
  readonly smallest: Buffer
  readonly largest: Buffer
}

export type Manifest = {
  /** Logs below this number are obsolete, but for `previousLog`. */
  logNumber: number
  previousLog: number
  lastSequence: number
  readonly tables: Map<number, TableRow>
}

type Edit = {
  comparator: string | undefined
  logNumber: number | undefined
  previousLog: number | undefined
  nextFile: number | undefined
  lastSequence: number | undefined
  readonly deleted: { level: number; number: number }[]
  readonly added: TableRow[]
}

/** The state that the MANIFEST describes. Throws {@link DamageFound}. */
export async function readManifest(path: string): Promise<Manifest> {
  const state: Partial<Manifest> & Pick<Manifest, 'tables'> = { tables: new Map() }
  for await (const { offset, content, torn } of logRecords(path)) {
    if (torn) break
    try {
      applyEdit(state, readEdit(content))
    } catch (error) {
      if (!(error instanceof DamageFound)) throw error
      throw new DamageFound(`the edit at ${offset}: ${error.message}`)
    }
  }
  const { logNumber, previousLog = 0, lastSequence, tables } = state
  if (logNumber === undefined || lastSequence === undefined) {
    throw new DamageFound('it ends before its first whole state')
  }
  return { logNumber, previousLog, lastSequence, tables }
}

function readEdit(content: Buffer): Edit {
  const reader = new LevelReader(content)
  const edit: Edit = {
    comparator: undefined,
    logNumber: undefined,
    previousLog: undefined,
    nextFile: undefined,
    lastSequence: undefined,
    deleted: [],
    added: [],
  }
  while (reader.remaining > 0) readField(reader, edit)
  return edit
}

function readField(reader: LevelReader, edit: Edit): void {
  const tag = reader.varint()
  switch (tag) {
    case 1:
      edit.comparator = reader.bytes().toString('latin1')
      return
    case 2:
      edit.logNumber = reader.varint()
      return
    case 3:
      edit.nextFile = reader.varint()
      return
    case 4:
      edit.lastSequence = reader.varint()
      return
    case 5:
      readLevel(reader)
      reader.bytes()
      return
    case 6:
      edit.deleted.push({ level: readLevel(reader), number: reader.varint() })
      return
    case 7:
      edit.added.push({
        level: readLevel(reader),
        number: reader.varint(),
        size: reader.varint(),
        smallest: reader.bytes(),
        largest: reader.bytes(),
      })
      return
    case 9:
      edit.previousLog = reader.varint()
      return
    default:
      throw new DamageFound(`it has an unknown field ${tag}`)
  }
}

function readLevel(reader: LevelReader): number {
  const level = reader.varint()
  if (level >= LEVELS) throw new DamageFound(`there is no level ${level}`)
  return level
}

function applyEdit(state: Partial<Manifest> & Pick<Manifest, 'tables'>, edit: Edit): void {
  if (edit.comparator !== undefined && edit.comparator !== COMPARATOR) {
    throw new DamageFound(`its keys are ordered by ${edit.comparator}`)
  }
  for (const { level, number } of edit.deleted) {
    if (state.tables.get(number)?.level !== level) {
      throw new DamageFound(`it removes table ${number}, which is not there`)
    }
    state.tables.delete(number)
  }
  for (const row of edit.added) {
    if (state.tables.has(row.number)) throw new DamageFound(`it adds table ${row.number} twice`)
    if (row.number >= (edit.nextFile ?? Number.MAX_SAFE_INTEGER)) {
      throw new DamageFound(`it adds table ${row.number}, a number not yet given out`)
    }
    state.tables.set(row.number, row)
  }
  if ((edit.logNumber ?? 0) < (edit.logNumber === undefined ? 0 : (state.logNumber ?? 0))) {
    throw new DamageFound(`its log ${edit.logNumber} is older than ${state.logNumber}`)
  }
  if (edit.lastSequence !== undefined && edit.lastSequence < (state.lastSequence ?? 0)) {
    throw new DamageFound(`its sequence ${edit.lastSequence} goes back`)
  }
  if (edit.logNumber !== undefined) state.logNumber = edit.logNumber
  if (edit.previousLog !== undefined) state.previousLog = edit.previousLog
  if (edit.lastSequence !== undefined) state.lastSequence = edit.lastSequence
}
