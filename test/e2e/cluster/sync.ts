/**
 * Files copied into a running Pod, as `skaffold dev` copies what was saved: an archive unpacked by
 * `tar` in the container, through the API server's `exec`.
 */

import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { Exec, type V1Status } from '@kubernetes/client-node'
import { callersConfig } from './connection.ts'

const run = promisify(execFile)

export type Container = {
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

/** Runs `command` in the container; resolves to what it printed, rejects unless it ends well. */
async function exec(to: Container, command: string[], input: Buffer): Promise<string> {
  const out = new PassThrough()
  const said = text(out)
  const { namespace, pod, container } = to
  const status = await new Promise<V1Status>((resolve, reject) => {
    new Exec(callersConfig())
      .exec(namespace, pod, container, command, out, out, Readable.from(input), false, resolve)
      .catch(reject)
  })
  out.end()
  if (status.status !== 'Success') throw new Error(`${command}: ${status.message} ${await said}`)
  return said
}

/** What stands in a file of a container. */
export function readFileIn(from: Container, path: string): Promise<string> {
  return exec(from, ['cat', path], Buffer.alloc(0))
}

/** Replaces a file of a container. `folder`: an empty one of this machine, for the archive. */
export async function copyInto(
  to: Container,
  path: string,
  content: string,
  folder: string,
): Promise<void> {
  mkdirSync(join(folder, dirname(path)), { recursive: true })
  writeFileSync(join(folder, path), content)
  const archive = await run('tar', ['-cf', '-', '-C', folder, `.${path}`], { encoding: 'buffer' })
  // An end of file is not passed on by every `exec`; an archive says itself where it ends.
  await exec(to, ['tar', '-xmf', '-', '-C', '/', '--no-same-owner'], archive.stdout)
}
