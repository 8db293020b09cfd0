/**
 * A number that stands in a mounted file. On Kubernetes that is a key of a ConfigMap: it changes
 * without a change of the Pods' template, which would roll every Pod when the cluster is scaled
 * (CHART, pitfall 5). Such a file has one line, with or without an end.
 */

import { readFileSync } from 'node:fs'
import { ClusterError } from './errors.ts'

export type CountRange = { readonly minimum: number; readonly maximum: number }

/**
 * The number in the file that `variable` names; undefined: it names none. Fails with
 * `invalid-config` when the file cannot be read, or holds no whole number of that range.
 */
export function readCountFile(
  variable: string,
  file: string | undefined,
  { minimum, maximum }: CountRange,
): number | undefined {
  if (file === undefined) return undefined
  const text = contentOf(variable, file).trim()
  const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (count >= minimum && count <= maximum) return count
  const found = JSON.stringify(text.slice(0, 40))
  const expected = `a whole number from ${minimum} to ${maximum}`
  throw new ClusterError('invalid-config', `${variable}: ${file} holds ${found}, not ${expected}`)
}

function contentOf(variable: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = `${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`
    throw new ClusterError('invalid-config', `${variable}: ${why}`, { cause })
  }
}
