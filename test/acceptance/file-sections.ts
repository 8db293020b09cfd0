/** The parts of LevelDB's files, for whoever wants to damage each of them. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  BLOCK_TRAILER_BYTES,
  type BlockHandle,
  blockEntries,
  readHandle,
} from '../../src/database/storage/level-files/block.ts'
import { LevelReader } from '../../src/database/storage/level-files/format.ts'
import { logRecords } from '../../src/database/storage/level-files/log-file.ts'

export type Section = {
  readonly file: string
  /** `data`, `footer`, `last record`, … */
  readonly part: string
  /** Byte ranges of the file: [from, to). */
  readonly ranges: readonly (readonly [number, number])[]
}

export type Flip = { readonly file: string; readonly at: number; readonly mask: number }

const FOOTER_BYTES = 48

/** All sections of the database in `folder`; `marker` is in the value of the last write. */
export async function sectionsOf(folder: string, marker: string): Promise<Section[]> {
  const sections: Section[] = []
  for (const file of readdirSync(folder).sort()) {
    const path = join(folder, file)
    if (file === 'CURRENT') sections.push({ file, part: 'name', ranges: [whole(path)] })
    else if (file.startsWith('MANIFEST-')) sections.push(...(await logSections(path, file)))
    else if (file.endsWith('.log')) sections.push(...(await logSections(path, file, marker)))
    else if (/\.(ldb|sst)$/.test(file)) sections.push(...tableSections(path, file))
  }
  return sections.filter(({ ranges }) => ranges.some(([from, to]) => to > from))
}

function whole(path: string): readonly [number, number] {
  return [0, readFileSync(path).length]
}

async function logSections(path: string, file: string, marker?: string): Promise<Section[]> {
  const [, size] = whole(path)
  const records: { from: number; content: Buffer }[] = []
  for await (const { offset, content } of logRecords(path)) records.push({ from: offset, content })
  const rangeOf = (at: number) => [records[at]?.from ?? 0, records[at + 1]?.from ?? size] as const
  const sections: Section[] = [{ file, part: 'anywhere', ranges: [[0, size]] }]
  if (records.length > 0) {
    sections.push({ file, part: 'last record', ranges: [rangeOf(records.length - 1)] })
  }
  const last = marker === undefined ? -1 : records.findIndex((one) => one.content.includes(marker))
  if (last !== -1) {
    sections.push({ file, part: 'record of the last write', ranges: [rangeOf(last)] })
  }
  return sections
}

/** The range of a block, with its type and CRC. */
function rangeOf({ offset, size }: BlockHandle): readonly [number, number] {
  return [offset, offset + size + BLOCK_TRAILER_BYTES]
}

function tableSections(path: string, file: string): Section[] {
  const bytes = readFileSync(path)
  const footer = bytes.length - FOOTER_BYTES
  const reader = new LevelReader(bytes.subarray(footer))
  const metaindex = readHandle(reader)
  const index = readHandle(reader)
  const handlesIn = (handle: BlockHandle) =>
    [...blockEntries(bytes.subarray(...rangeOf(handle)))].map(({ value }) =>
      readHandle(new LevelReader(value)),
    )
  return [
    { file, part: 'data', ranges: handlesIn(index).map(rangeOf) },
    { file, part: 'filter', ranges: handlesIn(metaindex).map(rangeOf) },
    { file, part: 'metaindex', ranges: [rangeOf(metaindex)] },
    { file, part: 'index', ranges: [rangeOf(index)] },
    { file, part: 'footer', ranges: [[footer, bytes.length]] },
  ]
}

/** `count` places in a section, the first and last byte of its first range among them. */
export function flipsIn(section: Section, count: number, random: () => number): Flip[] {
  const { file, ranges } = section
  const size = ranges.reduce((sum, [from, to]) => sum + to - from, 0)
  const place = (number: number) => {
    if (number === 0) return 0
    if (number === 1) return size - 1
    return Math.floor(random() * size)
  }
  return Array.from({ length: count }, (_, number) => {
    let left = place(number)
    let at = 0
    for (const [from, to] of ranges) {
      at = from + left
      if (left < to - from) break
      left -= to - from
    }
    return { file, at, mask: 1 + Math.floor(random() * 255) }
  })
}

/** Each single bit of the section's first bytes. */
export function bitsOf({ file, ranges }: Section, bytes: number): Flip[] {
  const start = ranges[0]?.[0] ?? 0
  return Array.from({ length: bytes * 8 }, (_, bit) => ({
    file,
    at: start + Math.floor(bit / 8),
    mask: 1 << (bit % 8),
  }))
}

/** Changes one byte in the folder. */
export function flip(folder: string, { file, at, mask }: Flip): void {
  const path = join(folder, file)
  const bytes = readFileSync(path)
  if (at >= bytes.length) throw new Error(`${file} has no byte ${at}`)
  bytes[at] = (bytes[at] as number) ^ mask
  writeFileSync(path, bytes)
}
