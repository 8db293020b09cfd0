/** Figures in words, for whoever reads what a command prints. */

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

/** `1 run`, `2 runs`. */
export function countOf(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** `2.5 virtual hours`; what is shorter in minutes or seconds. */
export function virtualTime(ms: number): string {
  if (ms >= HOUR_MS) return `${(ms / HOUR_MS).toFixed(1)} virtual hours`
  if (ms >= MINUTE_MS) return `${(ms / MINUTE_MS).toFixed(1)} virtual minutes`
  return `${(ms / 1000).toFixed(1)} virtual seconds`
}
