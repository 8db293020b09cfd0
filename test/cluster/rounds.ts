/**
 * How long the cluster tests run: `npm test` holds the short form of each scenario, and
 * `ORDINAL_ROUNDS=10` (npm run test:acceptance) the full one.
 */

const ROUNDS_FULL = 10

/** How often a scenario is repeated: 2 unless ORDINAL_ROUNDS says otherwise. */
export const rounds = Number(process.env['ORDINAL_ROUNDS'] ?? 2)

/** Whether this is the full form. */
export const full = rounds >= ROUNDS_FULL

/** A file's time, ms: the runner's own limit is for files that run their short form. */
export const timeout_ms = full ? 30 * 60_000 : 240_000
