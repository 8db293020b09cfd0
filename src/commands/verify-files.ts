/**
 * The files of `ordinal verify`: histories, line by line, and pages. What is written has a
 * temporary name beside the file until it is whole, so that no older file is lost for nothing.
 */

import { once } from 'node:events'
import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  createWriteStream,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Operation } from '../verifier/history.ts'
import { HistoryFormatError } from '../verifier/history-fields.ts'
import {
  formatEnd,
  formatHeader,
  formatOperation,
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
  const part = partOf(file)
  try {
    const stream = createWriteStream(part)
    const failed = once(stream, 'error').then(([cause]) => {
      throw cause as Error
    })
    const write = async (lines: readonly string[]) => {
      if (!stream.write(`${lines.join('\n')}\n`))
        await Promise.race([once(stream, 'drain'), failed])
    }
    await write([formatHeader(header)])
    for (let at = 0; at < operations.length; at += CHUNK_LINES) {
      await write(operations.slice(at, at + CHUNK_LINES).map(formatOperation))
    }
    await write([formatEnd(operations.length)])
    stream.end()
    await Promise.race([once(stream, 'finish'), failed])
    keep(part, file)
  } catch (cause) {
    throw unwritable(file, part, cause)
  }
}

/** Throws {@link FileError} now, and not after the run. Leaves the file as it is. */
export function requireWritable(file: string): void {
  const part = partOf(file)
  try {
    if (statOf(file) !== undefined) accessSync(file, constants.W_OK)
    closeSync(openSync(part, 'a'))
    if (part !== file) rmSync(part)
  } catch (cause) {
    throw unwritable(file, part, cause)
  }
}

/** Throws {@link FileError}. */
export function writeText(file: string, text: string): void {
  const part = partOf(file)
  try {
    writeFileSync(part, text)
    keep(part, file)
  } catch (cause) {
    throw unwritable(file, part, cause)
  }
}

/** Throws {@link FileError} where two options name the same file. */
export function requireDistinct(files: Readonly<Record<string, string | undefined>>): void {
  const options = new Map<string, string>()
  for (const [option, file] of Object.entries(files)) {
    if (file === undefined) continue
    const path = realPath(file)
    const other = options.get(path)
    if (other !== undefined)
      throw new FileError(`${other} and ${option} name the same file: ${file}`)
    options.set(path, option)
  }
}

/** The path without links; of what does not exist, that of its folder. */
function realPath(file: string): string {
  const path = resolve(file)
  for (const [known, rest] of [
    [path, ''],
    [dirname(path), basename(path)],
  ] as const) {
    if (statOf(known) !== undefined) {
      return join(realpathSync(known), rest)
    }
  }
  return path
}

/** Undefined: it cannot be had, for whatever reason; who opens it is told. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** Where a file is written until it is whole; itself, if it is none that can be replaced. */
function partOf(file: string): string {
  const found = statOf(file)
  return found === undefined || found.isFile() ? `${realPath(file)}.${process.pid}.part` : file
}

function keep(part: string, file: string): void {
  if (part !== file) renameSync(part, realPath(file))
}

function unwritable(file: string, part: string, cause: unknown): FileError {
  if (part !== file && statOf(part) !== undefined) rmSync(part)
  return new FileError(`${file} cannot be written: ${(cause as Error).message}`, { cause })
}
