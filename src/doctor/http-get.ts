/** One GET, as the doctor needs it; a command hands in how it is done. */

export type HttpAnswer = {
  readonly status: number
  readonly body: string
  /** Wall clock of the other end, from its Date header (whole seconds); undefined: it sent none. */
  readonly date_ms: number | undefined
  /** Own wall clock when the request left, and how long the answer took. */
  readonly sent_ms: number
  readonly took_ms: number
}

/**
 * Asks a URL whose host is an address or a name. `servername`: what the certificate must name,
 * where it is not the host. Rejects with `tls-refused`, `no-replica`.
 */
export type HttpGet = (
  url: string,
  options: { readonly token?: string | undefined; readonly servername?: string },
) => Promise<HttpAnswer>

/** The document of an answer; undefined: there is none. */
export function documentOf(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
