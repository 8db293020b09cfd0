/**
 * Durations as people write them: `500ms`, `5s`, `1.5m`, `2h`, and `0`. Used by the configuration
 * and by query parameters, so that both read alike.
 */

/** The form of a duration, as a regular expression's source. */
export const DURATION_PATTERN = '^(0|\\d{1,9}(\\.\\d{1,3})?(ms|s|m|h|d))$'

const FORM = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/** Milliseconds, or undefined if `text` is no duration. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0
  const match = FORM.exec(text)
  if (match === null) return undefined
  return Number(match[1]) * (UNITS_MS[match[2] as string] as number)
}

/** A duration for people, in its largest fitting unit: `850 ms`, `1.2 s`, `3 min`. */
export function formatDuration(duration_ms: number): string {
  if (duration_ms < 1000) return `${Math.round(duration_ms)} ms`
  if (duration_ms < 120_000) return `${Number((duration_ms / 1000).toFixed(1))} s`
  return `${Math.round(duration_ms / 60_000)} min`
}
