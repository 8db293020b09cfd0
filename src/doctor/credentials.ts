/** What this process shows and trusts: the peers' secret, the clients' tokens, the TLS files. */

import { ClusterError } from '../shared/errors.ts'
import { complaintsOf, oneLine, type TlsMaterial } from '../shared/tls-material.ts'
import { about, type CheckName, type Finding } from './finding.ts'

const EXPIRES_SOON_MS = 7 * 86_400_000

/** A file that was opened, or why it could not be; undefined: none is configured. */
export type Opened<T> =
  | { readonly file: string; readonly value: T }
  | { readonly file: string; readonly error: ClusterError }
  | undefined

/** Opens a credential; what is wrong with it becomes a finding. */
export function opened<T>(file: string | undefined, open: (file: string) => T): Opened<T> {
  if (file === undefined) return undefined
  try {
    return { file, value: open(file) }
  } catch (error) {
    if (error instanceof ClusterError) return { file, error }
    throw error
  }
}

/** What was opened, if it was. */
export function contentOf<T>(credential: Opened<T>): T | undefined {
  return credential !== undefined && 'value' in credential ? credential.value : undefined
}

/** A finding about a secret or about tokens. */
export function fileFinding(check: CheckName, credential: Opened<unknown>, off: string): Finding {
  if (credential === undefined) return about(check, '-').skipped(off)
  const finding = about(check, credential.file)
  if (!('error' in credential)) return finding.ok('can be read')
  return finding.failed(credential.error.message, 'is the Secret there, and mounted at this path?')
}

export type TlsOptions = {
  readonly credential: Opened<TlsMaterial>
  readonly wall_ms: number
  /** Names that the certificate should be for, each with what for. */
  readonly names: readonly { readonly name: string; readonly purpose: string }[]
}

/** Findings about the TLS files. */
export function tlsFindings({ credential, wall_ms, names }: TlsOptions): Finding[] {
  const material = contentOf(credential)
  if (credential === undefined || material === undefined) {
    return [fileFinding('tls', credential, 'connections are plain (ORDINAL_TLS_FOLDER is not set)')]
  }
  const finding = about('tls', credential.file)
  const renew = 'renew the certificate: for servers and for clients, by a root in ca.crt'
  const findings = complaintsOf(material, wall_ms).map((text) => finding.failed(text, renew))
  const { certificate, authorities } = material
  const missing = names.filter(({ name }) => certificate.checkHost(name) === undefined)
  for (const { name, purpose } of missing) {
    const text = `the certificate is not for ${name} (${purpose})`
    findings.push(finding.warning(text, 'add the name to the certificate, or a wildcard'))
  }
  const until = certificate.validToDate
  const trusts = authorities.map(({ subject }) => oneLine(subject)).join('; ')
  const text = `${oneLine(certificate.subject)} until ${until.toISOString()}; trusts ${trusts}`
  const left_ms = until.getTime() - wall_ms
  const soon = left_ms > 0 && left_ms < EXPIRES_SOON_MS
  return [...findings, soon ? finding.warning(`ends soon: ${text}`, renew) : finding.ok(text)]
}
