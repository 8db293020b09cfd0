/** How much goes wrong, and in which way, in one random schedule. */

/**
 * How often what happens: drawn anew for each schedule, so that some are stormy in one way and calm
 * in others, which finds more than the same mixture each time (Groce 2012, "Swarm Testing").
 */
export type Weather = {
  readonly weights: Readonly<Record<Happening, number>>
  readonly loss: number
  readonly duplication: number
  readonly disorder: number
  /** Nobody's clock is to be trusted for safety: each runs at its own speed. */
  readonly speeds: readonly number[]
  readonly losesDisk: boolean
}

export const HAPPENINGS = [
  'network',
  'time',
  'disk',
  'propose',
  'read',
  'serve',
  'stream',
  'crash',
  'start',
  'partition',
  'heal',
  'compact',
  'drain',
  'unreachable',
  'loseDisk',
  'campaign',
  'remember',
  'drive',
  'overthrow',
] as const

export type Happening = (typeof HAPPENINGS)[number]

const USUAL: Readonly<Record<Happening, number>> = {
  network: 50,
  time: 14,
  disk: 16,
  propose: 7,
  read: 4,
  serve: 3,
  stream: 0.7,
  crash: 0.5,
  start: 2,
  partition: 0.7,
  heal: 0.5,
  compact: 0.4,
  drain: 0.1,
  unreachable: 0.2,
  loseDisk: 0.3,
  campaign: 0.5,
  remember: 0.3,
  drive: 0.25,
  overthrow: 0.25,
}

export function drawWeather(random: () => number): Weather {
  const weights = { ...USUAL }
  // Between a quarter and four times the usual; what is rare may also be left out, or rule.
  for (const what of HAPPENINGS) weights[what] *= 4 ** (random() * 2 - 1)
  for (const what of ['crash', 'partition', 'campaign', 'drain', 'compact'] as const) {
    const dice = random()
    if (dice < 0.2) weights[what] = 0
    else if (dice > 0.8) weights[what] *= 5
  }
  const rare = (most: number): number => (random() < 0.4 ? 0 : random() * most)
  return {
    weights,
    loss: rare(0.2),
    duplication: rare(0.1),
    disorder: rare(0.5),
    speeds: Array.from({ length: 8 }, () => (random() < 0.5 ? 1 : 4 ** (random() * 2 - 1))),
    losesDisk: random() < 0.5,
  }
}
