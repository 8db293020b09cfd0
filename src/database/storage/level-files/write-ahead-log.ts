/**
 * The write-ahead logs: each record is a batch (db/write_batch.cc) with the number of its first
 * operation, and the next batch goes on where it ends. A batch that vanished from the middle, whole
 * and without a trace in the CRCs, shows by that.
 *
 *   sequence u64 | count u32 | (1 key value | 0 key) …
 */

import { DamageFound, LevelReader } from './format.ts'
import { logRecords } from './log-file.ts'

/** Where the logs read so far end. */
export type LogEnd = {
  /** Sequence of the next operation; undefined: no batch was seen yet. */
  next: number | undefined
  /** The last log ended within a record; nothing may follow. */
  torn: boolean
}

/** Checks one log behind those that ended at `end`, which moves. Throws {@link DamageFound}. */
export async function checkWriteAheadLog(
  path: string,
  options: { end: LogEnd; first_max: number },
): Promise<void> {
  const { end, first_max } = options
  for await (const { offset, content, torn } of logRecords(path)) {
    if (end.torn) throw new DamageFound('batches follow a log that ends within one')
    if (torn) {
      if (startsWithWholeBatch(content)) {
        throw new DamageFound('the last batch is whole, and its record is not')
      }
      end.torn = true
      continue
    }
    const { sequence, count } = readBatch(content)
    const gap = end.next === undefined ? sequence > first_max : sequence !== end.next
    if (gap) {
      const wanted = end.next ?? `at most ${first_max}`
      throw new DamageFound(`batches are missing before ${offset}: ${sequence}, not ${wanted}`)
    }
    end.next = sequence + count
  }
}

/** Checks a batch's structure. Throws {@link DamageFound}. */
function readBatch(content: Buffer): { sequence: number; count: number } {
  const reader = new LevelReader(content)
  const batch = readOperations(reader)
  if (reader.remaining > 0) throw new DamageFound('a batch is longer than it says')
  return batch
}

function readOperations(reader: LevelReader): { sequence: number; count: number } {
  const sequence = reader.u64()
  const count = reader.u32()
  for (let operation = 0; operation < count; operation += 1) {
    const type = reader.u8()
    if (type > 1) throw new DamageFound('a batch holds an unknown operation')
    reader.bytes()
    if (type === 1) reader.bytes()
  }
  return { sequence, count }
}

/** A record that was cut short ends within its batch; one whose length rotted does not. */
function startsWithWholeBatch(content: Buffer): boolean {
  try {
    return readOperations(new LevelReader(content)).count > 0
  } catch (error) {
    if (error instanceof DamageFound) return false
    throw error
  }
}
