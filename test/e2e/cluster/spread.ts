/** Whether counts are those of a fair choice for each connection, as kube-proxy makes it. */

/**
 * How many standard deviations each count may be off, so that random balancing over so many servers
 * stays within 999 times in 1,000 (two-sided normal quantile of 0.001 divided by the counts that
 * are free to differ: with two servers one of them is).
 */
const DEVIATIONS: Readonly<Record<number, number>> = { 2: 3.29, 3: 3.59, 4: 3.66, 5: 3.72 }

/** What is wrong with the counts; empty: a fair choice may look like that. */
export function unfair(counts: readonly number[], servers: number): string[] {
  const deviations = DEVIATIONS[servers]
  if (deviations === undefined) throw new Error(`no bound for ${servers} servers`)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const share = 1 / servers
  const bound = deviations * Math.sqrt(total * share * (1 - share))
  const off = counts.filter((count) => Math.abs(count - total * share) > bound)
  return [
    ...(counts.length === servers ? [] : [`${counts.length} of ${servers} servers answered`]),
    ...off.map((count) => `${count} of ${total}, and not ${total * share} ± ${bound.toFixed(0)}`),
  ]
}
