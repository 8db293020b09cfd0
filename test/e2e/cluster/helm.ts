/**
 * Helm, run as a person does, with the caller's KUBECONFIG; Helm 3 or 4, whichever is on the PATH.
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024
const HELM_MS_MAX = 300_000

export const CHART = join(import.meta.dirname, '..', '..', '..', 'chart')
/** The chart's own default; another one is named by ORDINAL_IMAGE. */
const DEFAULT_IMAGE = 'ordinal:0.1.0'
export const IMAGE = process.env['ORDINAL_IMAGE'] || DEFAULT_IMAGE

/** The chart's values for an image named `name:tag`, as for `--set`. */
export function imageValues(image: string): string[] {
  const at = image.lastIndexOf(':')
  const split = at > image.lastIndexOf('/') ? at : image.length
  return [
    `image.repository=${image.slice(0, split)}`,
    `image.tag=${image.slice(split + 1) || 'latest'}`,
  ]
}

export type HelmRun = {
  /** As for `--set`, in order. */
  readonly set?: readonly string[]
  /** Until all is ready, at most so many seconds; absent: not at all. */
  readonly wait_s?: number
  readonly more?: readonly string[]
}

export class Helm {
  readonly #namespace: string
  readonly #command: string

  constructor(namespace: string, command = 'helm') {
    this.#namespace = namespace
    this.#command = command
  }

  install(release: string, options: HelmRun = {}): Promise<string> {
    return this.call(['install', release, CHART, ...argumentsOf(options)])
  }

  upgrade(release: string, options: HelmRun = {}): Promise<string> {
    return this.call(['upgrade', release, CHART, ...argumentsOf(options)])
  }

  /** Rejects with all that Helm printed. */
  async call(args: readonly string[]): Promise<string> {
    const options = { maxBuffer: OUTPUT_BYTES_MAX, timeout: HELM_MS_MAX }
    const all = [...args, '--namespace', this.#namespace]
    try {
      const { stdout } = await run(this.#command, all, options)
      return stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout?: string; stderr?: string }
      throw new Error(`${this.#command} ${all.join(' ')}\n${stdout ?? ''}${stderr ?? ''}`, {
        cause: error,
      })
    }
  }
}

/** The Helms on the PATH, one of each major version: `{ v4: 'helm', v3: 'helm3' }`. */
export async function helms(): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for (const command of ['helm', 'helm3', 'helm4']) {
    const version = await versionOf(command)
    if (version !== undefined) found[version] ??= command
  }
  return found
}

async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, ['version', '--template', '{{.Version}}'])
    return /^v\d+/.exec(stdout)?.[0]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function argumentsOf({ set = [], wait_s, more = [] }: HelmRun): string[] {
  const wait = wait_s === undefined ? [] : ['--wait', '--timeout', `${wait_s}s`]
  // None for the image that the chart takes by itself.
  const values = [...(IMAGE === DEFAULT_IMAGE ? [] : imageValues(IMAGE)), ...set]
  return [...values.flatMap((each) => ['--set', each]), ...wait, ...more]
}
