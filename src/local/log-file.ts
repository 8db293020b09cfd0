/**
 * The log files of children. A child writes to its file by itself, so that a supervisor that is
 * slow or gone never blocks it; here they are only kept from growing without end.
 */

import { copyFile, open, stat, truncate } from 'node:fs/promises'
import { LOG_FILE_BYTES_MAX } from '../shared/limits.ts'

/** How much of a log's end is read to quote its last line. */
const TAIL_BYTES = 4096

/**
 * Moves what a log holds to `<path>.1` once it is too large. The file itself stays, since a child
 * appends to it; lines written between copy and truncation are lost.
 */
export async function boundLog(path: string, bytes_max = LOG_FILE_BYTES_MAX): Promise<void> {
  const size = (await stat(path)).size
  if (size <= bytes_max) return
  await copyFile(path, `${path}.1`)
  await truncate(path, 0)
}

/** The message of a log's last line, for a person: the text itself, or `msg` of a JSON line. */
export async function lastLine(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const length = Math.min(size, TAIL_BYTES)
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length)
    const line = buffer.toString('utf8').trimEnd().split('\n').at(-1) ?? ''
    return message(line)
  } finally {
    await file.close()
  }
}

function message(line: string): string {
  if (!line.startsWith('{')) return line
  try {
    const parsed = JSON.parse(line) as { msg?: unknown; err?: { message?: unknown } }
    return [parsed.msg, parsed.err?.message].filter((part) => typeof part === 'string').join(': ')
  } catch (error) {
    // Not JSON after all, or cut off: quoted as it stands.
    if (error instanceof SyntaxError) return line
    throw error
  }
}
