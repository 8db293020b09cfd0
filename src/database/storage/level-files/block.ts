/** Blocks of LevelDB's tables (1.20: table/block.cc, table/format.cc): their CRC and entries. */

import { DamageFound, LevelReader, maskedCrc } from './format.ts'
import { uncompress } from './snappy.ts'

export type BlockHandle = { readonly offset: number; readonly size: number }

export function readHandle(reader: LevelReader): BlockHandle {
  return { offset: reader.varint(), size: reader.varint() }
}

/** Type byte and CRC behind each block. */
export const BLOCK_TRAILER_BYTES = 5

/** Checks the CRC of a block with its trailer. Throws {@link DamageFound}. */
export function checkBlock(block: Buffer, name: string): void {
  const size = block.length - BLOCK_TRAILER_BYTES
  if (maskedCrc(block.subarray(0, size + 1)) !== block.readUInt32LE(size + 1)) {
    throw new DamageFound(`${name} has a wrong CRC`)
  }
  if ((block[size] as number) > 1) throw new DamageFound(`${name} has an unknown compression`)
}

/** Entries of a checked block, in order. Throws {@link DamageFound} where it cannot be decoded. */
export function* blockEntries(block: Buffer): Generator<{ key: Buffer; value: Buffer }> {
  const size = block.length - BLOCK_TRAILER_BYTES
  const stored = block.subarray(0, size)
  const content = block[size] === 1 ? uncompress(stored) : stored
  if (content.length < 4) throw new DamageFound('a block is too short')
  const restarts = content.readUInt32LE(content.length - 4)
  const end = content.length - 4 - 4 * restarts
  if (end < 0) throw new DamageFound('a block has too many restarts')
  const reader = new LevelReader(content.subarray(0, end))
  let key = Buffer.alloc(0)
  while (reader.remaining > 0) {
    const shared = reader.varint()
    const unshared = reader.varint()
    const valueSize = reader.varint()
    if (shared > key.length) throw new DamageFound('a block shares a longer key than there is')
    key = Buffer.concat([key.subarray(0, shared), reader.raw(unshared)])
    yield { key, value: reader.raw(valueSize) }
  }
}
