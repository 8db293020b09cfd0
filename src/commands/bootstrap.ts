/**
 * `ordinal bootstrap --force`: asks one running replica to form a new cluster from its own data.
 * For the day when a majority of the disks is lost (docs: README, "When a majority is lost").
 */

import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import { ClusterError } from '../shared/errors.ts'
import { tlsFailure } from '../shared/tls-failure.ts'
import { TlsFolder } from '../shared/tls-folder.ts'

const TIMEOUT_MS = 30_000

export type BootstrapOptions = {
  /** Client port of the replica whose data is kept. */
  readonly url: string
  readonly secretFile: string | undefined
  /** Folder whose ca.crt signed the replica's certificate; undefined: whom Node trusts. */
  readonly tlsFolder: string | undefined
}

/** Prints the new cluster id and history. Rejects with its refusal, or `invalid-config`. */
export async function runBootstrap(options: BootstrapOptions): Promise<void> {
  const { url, secretFile } = options
  const target = URL.parse('/v1/bootstrap?force=true', url)
  if (target === null || !/^https?:$/.test(target.protocol)) {
    throw new ClusterError('invalid-config', `--url is "${url}", expected http://<host>:<port>`)
  }
  const secret = secretFile === undefined ? undefined : readSecret(secretFile)
  const { tlsFolder: folder } = options
  const ca = folder === undefined ? undefined : new TlsFolder({ folder }).material.ca
  const answer = await request(target, {
    method: 'POST',
    ...(ca === undefined ? {} : { dispatcher: new Agent({ connect: { ca } }) }),
    headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    headersTimeout: TIMEOUT_MS,
    bodyTimeout: TIMEOUT_MS,
  }).catch((cause: Error) => {
    const why = tlsFailure(cause) ?? cause.message
    throw new ClusterError('no-replica', `${target.origin} does not answer: ${why}`, { cause })
  })
  const body = (await answer.body.json()) as Record<string, unknown>
  if (answer.statusCode !== 200) {
    throw new ClusterError('refused-bootstrap', `refused: ${body['detail'] ?? answer.statusCode}`)
  }
  process.stdout.write(
    `a new cluster was formed from this replica's data\n` +
      `cluster id ${body['clusterId']}, history ${body['history']}\n` +
      `empty replicas join it by themselves; delete the disks of others that held old data\n`,
  )
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n')[0]?.trim() ?? ''
  } catch (cause) {
    throw new ClusterError('invalid-config', `the secret file ${file} cannot be read`, { cause })
  }
}
