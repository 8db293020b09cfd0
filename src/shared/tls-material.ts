/**
 * What a folder like a Kubernetes TLS Secret holds: `tls.crt` (the own certificate and what stands
 * between it and its CA), `tls.key`, and `ca.crt` (one CA or several: while a CA is being changed
 * both are trusted). A CA there has to be a root: OpenSSL trusts no chain that ends before one.
 */

import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { stampOf } from './file-stamp.ts'
import { TLS_FILE_BYTES_MAX } from './limits.ts'

const CERTIFICATE = 'tls.crt'
const KEY = 'tls.key'
const AUTHORITIES = 'ca.crt'
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Extended key usages (RFC 5280 §4.2.1.12). */
const ANY_USAGE = '2.5.29.37.0'
const USAGES = { servers: '1.3.6.1.5.5.7.3.1', clients: '1.3.6.1.5.5.7.3.2' } as const

export type TlsMaterial = {
  readonly cert: string
  readonly key: string
  readonly ca: string
  /** All three, parsed once. */
  readonly context: SecureContext
  /** The own certificate, the first of `cert`. */
  readonly certificate: X509Certificate
  readonly authorities: readonly X509Certificate[]
}

const filesOf = (folder: string) =>
  [CERTIFICATE, KEY, AUTHORITIES].map((file) => join(folder, file))

/** Differs when any file of the folder was replaced. Throws when one is not there. */
export function tlsStamp(folder: string): string {
  return stampOf(filesOf(folder))
}

/** Reads and checks the folder. Throws an `Error` that says what is wrong with which file. */
export function readTls(folder: string): { material: TlsMaterial; stamp: string } {
  const stamp = tlsStamp(folder)
  const [cert, key, ca] = filesOf(folder).map(read) as [string, string, string]
  if (tlsStamp(folder) !== stamp) throw new Error('the files changed while they were read')
  const [certificate] = certificatesIn(cert, CERTIFICATE)
  const authorities = certificatesIn(ca, AUTHORITIES)
  const context = createContext({ cert, key, ca })
  const material = {
    cert,
    key,
    ca,
    context,
    authorities,
    certificate: certificate as X509Certificate,
  }
  return { material, stamp }
}

function read(file: string): string {
  const { size } = statSync(file)
  if (size > TLS_FILE_BYTES_MAX) {
    throw new Error(`${file} has more than ${TLS_FILE_BYTES_MAX} bytes`)
  }
  return readFileSync(file, 'utf8')
}

/** Node ignores a CA that it cannot read; here that is an error. */
function certificatesIn(text: string, file: string): X509Certificate[] {
  const found = text.match(PEM) ?? []
  if (found.length === 0) throw new Error(`${file} holds no certificate`)
  return found.map((pem) => {
    try {
      return new X509Certificate(pem)
    } catch (cause) {
      throw new Error(`${file} holds something that is no certificate`, { cause })
    }
  })
}

function createContext(options: { cert: string; key: string; ca: string }): SecureContext {
  try {
    return createSecureContext(options)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
      throw new Error(`${KEY} is not the key of ${CERTIFICATE}`, { cause })
    }
    throw new Error(`${CERTIFICATE} and ${KEY} cannot be used: ${message}`, { cause })
  }
}

/** What a person should know of the own certificate; empty: all is well. */
export function complaintsOf(material: TlsMaterial, wall_ms: number): string[] {
  const { certificate, authorities } = material
  const { validFromDate, validToDate, keyUsage } = certificate
  const complaints: string[] = []
  if (wall_ms > validToDate.getTime()) {
    complaints.push(`the TLS certificate expired on ${validToDate.toISOString()}`)
  }
  if (wall_ms < validFromDate.getTime()) {
    complaints.push(`the TLS certificate is valid only from ${validFromDate.toISOString()} on`)
  }
  for (const [who, usage] of Object.entries(USAGES)) {
    // One without this extension may be used for anything.
    if (keyUsage === undefined || keyUsage.includes(usage) || keyUsage.includes(ANY_USAGE)) continue
    complaints.push(`the TLS certificate may not be used by ${who} (extended key usage)`)
  }
  for (const { subject, issuer } of authorities) {
    if (subject === issuer) continue
    complaints.push(
      `ca.crt holds a CA that is no root, and trusts nobody by it: ${oneLine(subject)}`,
    )
  }
  return complaints
}

/** A subject such as `CN=db` on one line. */
export function oneLine(subject: string): string {
  return subject.replaceAll('\n', ', ')
}
