/**
 * A table file (table/table_builder.cc): blocks without a gap, each behind a CRC that LevelDB
 * writes and, as classic-level opens it, never reads.
 *
 *   data blocks … | filter block | metaindex block | index block | footer (48 bytes)
 *
 * Every byte is covered: the blocks must lie end to end as the builder wrote them, the footer's
 * padding must be zeros, and the first and last key must be those that the MANIFEST names (a whole
 * table of another time or place has right CRCs too).
 */

import { type FileHandle, open } from 'node:fs/promises'
import {
  BLOCK_TRAILER_BYTES,
  type BlockHandle,
  blockEntries,
  checkBlock,
  readHandle,
} from './block.ts'
import { DamageFound, LevelReader } from './format.ts'
import { readFully } from './log-file.ts'
import type { TableRow } from './manifest.ts'

const FOOTER_BYTES = 48
const MAGIC_LOW = 0x8b80fb57
const MAGIC_HIGH = 0xdb477524
/** Bytes read at once; one larger block is read alone. */
const RUN_BYTES = 4 * 1024 * 1024

/** Reads and checks a whole table. Throws {@link DamageFound}. */
export async function checkTable(path: string, row: TableRow): Promise<void> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size !== row.size) throw new DamageFound(`it has ${size} bytes, not ${row.size}`)
    if (size < FOOTER_BYTES) throw new DamageFound('it is too short')
    await new TableReader(file, size).check(row)
  } finally {
    await file.close()
  }
}

class TableReader {
  readonly #file: FileHandle
  readonly #size: number
  #buffer = Buffer.alloc(0)

  constructor(file: FileHandle, size: number) {
    this.#file = file
    this.#size = size
  }

  async check(row: TableRow): Promise<void> {
    const { metaindex, index } = readFooter(await this.#read(this.#size - FOOTER_BYTES, this.#size))
    const end = this.#follows(index, this.#follows(metaindex, metaindex.offset))
    if (end !== this.#size - FOOTER_BYTES) throw new DamageFound('the footer does not follow')
    const handles = await this.#handlesIn(index, 'the index block')
    const filters = await this.#handlesIn(metaindex, 'the metaindex block')
    let at = 0
    for (const handle of [...handles, ...filters]) at = this.#follows(handle, at)
    if (at !== metaindex.offset) throw new DamageFound('its blocks do not fill it')
    for (const handle of filters) await this.#block(handle, 'a filter block')
    await this.#checkData(handles, row)
  }

  /** The end of a block that must begin at `at`. */
  #follows(handle: BlockHandle, at: number): number {
    const end = handle.offset + handle.size + BLOCK_TRAILER_BYTES
    if (handle.offset !== at) throw new DamageFound(`there is a gap before ${handle.offset}`)
    if (end > this.#size - FOOTER_BYTES) throw new DamageFound('a block reaches past its end')
    return end
  }

  async #handlesIn(handle: BlockHandle, name: string): Promise<BlockHandle[]> {
    const block = await this.#block(handle, name)
    return [...blockEntries(block)].map(({ value }) => readHandle(new LevelReader(value)))
  }

  async #block(handle: BlockHandle, name: string): Promise<Buffer> {
    const block = await this.#read(handle.offset, endOf(handle))
    checkBlock(block, name)
    return Buffer.from(block)
  }

  async #checkData(handles: readonly BlockHandle[], row: TableRow): Promise<void> {
    const first = handles[0]
    const last = handles.at(-1)
    if (first === undefined || last === undefined) throw new DamageFound('it has no data')
    for (let from = 0; from < handles.length; ) {
      const start = (handles[from] as BlockHandle).offset
      let to = from + 1
      while (to < handles.length && endOf(handles[to] as BlockHandle) - start <= RUN_BYTES) to += 1
      const run = await this.#read(start, endOf(handles[to - 1] as BlockHandle))
      for (const handle of handles.slice(from, to)) {
        const block = run.subarray(handle.offset - start, endOf(handle) - start)
        checkBlock(block, `the data block at ${handle.offset}`)
        if (handle === first) checkKey(blockEntries(block).next().value?.key, row.smallest)
        if (handle === last) checkKey([...blockEntries(block)].at(-1)?.key, row.largest)
      }
      from = to
    }
  }

  /** Bytes of the file, in a buffer that the next call uses again. */
  async #read(start: number, end: number): Promise<Buffer> {
    const size = end - start
    if (this.#buffer.length < size) this.#buffer = Buffer.allocUnsafe(Math.max(size, RUN_BYTES))
    const target = this.#buffer.subarray(0, size)
    if ((await readFully(this.#file, target, start)) < size) {
      throw new DamageFound('it ends early')
    }
    return target
  }
}

function endOf(handle: BlockHandle): number {
  return handle.offset + handle.size + BLOCK_TRAILER_BYTES
}

function checkKey(found: Buffer | undefined, named: Buffer): void {
  if (found === undefined || !found.equals(named)) {
    throw new DamageFound('it does not hold the keys that the MANIFEST names')
  }
}

function readFooter(footer: Buffer): { metaindex: BlockHandle; index: BlockHandle } {
  const magic = FOOTER_BYTES - 8
  if (footer.readUInt32LE(magic) !== MAGIC_LOW || footer.readUInt32LE(magic + 4) !== MAGIC_HIGH) {
    throw new DamageFound('its footer has no magic number')
  }
  const reader = new LevelReader(footer.subarray(0, magic))
  const metaindex = readHandle(reader)
  const index = readHandle(reader)
  if (footer.subarray(reader.offset, magic).some((byte) => byte !== 0)) {
    throw new DamageFound('its footer is not empty behind the handles')
  }
  return { metaindex, index }
}
