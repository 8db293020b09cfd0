/**
 * Why a TLS connection did not come about, in words. Node and OpenSSL say it with some thirty
 * codes; what a person can do about it is one of a handful of things.
 */

const UNTRUSTED = 'its certificate is not signed by a CA of ca.crt'
const NO_TLS = 'it does not speak TLS'

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  INVALID_PURPOSE: 'its certificate is not meant for this end of a connection',
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_HTTP_REQUEST: 'it speaks plain HTTP',
}

/** More causes than that are a circle. */
const CAUSES_MAX = 4

type Coded = { readonly code?: unknown; readonly cause?: unknown; readonly host?: unknown }

/** The reason in words; undefined: this error has nothing to do with TLS. */
export function tlsFailure(error: unknown): string | undefined {
  let current = error
  for (let depth = 0; depth < CAUSES_MAX && current instanceof Error; depth += 1) {
    const { code, cause, host } = current as Coded
    if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `its certificate does not name ${host}`
    if (typeof code === 'string') {
      const reason = tlsReason(code)
      if (reason !== undefined) return reason
    }
    current = cause
  }
  return undefined
}

/** The same for a code alone, such as `authorizationError` of a TLS socket. */
export function tlsReason(code: string): string | undefined {
  if (Object.hasOwn(REASONS, code)) return REASONS[code]
  if (!/^(ERR_SSL_|ERR_TLS_|CERT_|CRL_)/.test(code)) return undefined
  return code
    .replace(/^ERR_(SSL|TLS)_/, '')
    .toLowerCase()
    .replaceAll('_', ' ')
}
