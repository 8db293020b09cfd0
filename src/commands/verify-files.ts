/** The files of `ordinal verify`: histories, line by line, and pages. */

import { once } from 'node:events'
import { closeSync, createReadStream, createWriteStream, openSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Operation } from '../verifier/history.ts'
import {
  formatEnd,
  formatHeader,
  formatOperation,
  HistoryFormatError,
  type HistoryHeader,
  HistoryParser,
} from '../verifier/history-format.ts'

/** A file cannot be had, or is not what it should be: the message is one line for the user. */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly expected = true
}

/** Lines written at once. */
const CHUNK_LINES = 1000

/** Reads a saved history. Rejects with {@link FileError}, which names the line. */
export async function readHistory(
  file: string,
): Promise<{ readonly header: HistoryHeader; readonly operations: readonly Operation[] }> {
  const parser = new HistoryParser()
  const input = createReadStream(file, 'utf8')
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) parser.add(line)
    return parser.finish()
  } catch (cause) {
    if (cause instanceof HistoryFormatError) {
      throw new FileError(`${file} is no history: ${cause.message}`, { cause })
    }
    if (cause instanceof Error && 'code' in cause) {
      throw new FileError(`${file} cannot be read: ${cause.message}`, { cause })
    }
    throw cause
  } finally {
    input.destroy()
  }
}

/** Saves a history. Rejects with {@link FileError}. */
export async function writeHistory(
  file: string,
  operations: readonly Operation[],
  header: HistoryHeader,
): Promise<void> {
  const stream = createWriteStream(file)
  const failed = once(stream, 'error').then(([cause]) => {
    throw new FileError(`${file} cannot be written: ${(cause as Error).message}`, { cause })
  })
  const write = async (lines: readonly string[]) => {
    if (!stream.write(`${lines.join('\n')}\n`)) await Promise.race([once(stream, 'drain'), failed])
  }
  await write([formatHeader(header)])
  for (let at = 0; at < operations.length; at += CHUNK_LINES) {
    await write(operations.slice(at, at + CHUNK_LINES).map(formatOperation))
  }
  await write([formatEnd(operations.length)])
  stream.end()
  await Promise.race([once(stream, 'finish'), failed])
}

/** Throws {@link FileError} now, and not after the run. */
export function requireWritable(file: string): void {
  try {
    closeSync(openSync(file, 'w'))
  } catch (cause) {
    throw new FileError(`${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

/** Throws {@link FileError}. */
export function writeText(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (cause) {
    throw new FileError(`${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
}
