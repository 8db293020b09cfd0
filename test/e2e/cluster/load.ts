/**
 * `ordinal verify` in the probe's Pod: load while things are broken, and its verdict in the end. It
 * sends nothing twice, so that a failure is what a client without retries would have seen.
 */

import type { Probe, Running } from './probe.ts'
import { until } from './until.ts'

export type Change = { readonly at_ms: number; readonly term: number; readonly leader?: string }

export type Verdict = {
  /** 0: it holds. */
  readonly exitCode: number
  readonly headline: string
  readonly operations: number
  readonly written: number
  /** Requests without an answer, or with a status from 500 on. */
  readonly failures: number
  readonly failureCodes: Readonly<Record<string, number>>
  /** The same without the refusals that a client had asked for. */
  readonly failed: Readonly<Record<string, number>>
  readonly longestGap_ms: number
  /** Since the load began. */
  readonly longestGap: { readonly from_ms: number; readonly until_ms: number }
  readonly changes: readonly Change[]
}

/** Longer than any test; it is ended when the test has seen enough. */
const LOAD = '2h'
const END_MS_MAX = 90_000
/**
 * A read that wants an answer at most 200 ms old is refused while nobody has one, as between two
 * leaders: that is what it asked for.
 */
const ASKED_FOR = 'too-stale'
/** About two seconds' worth. */
const WRITES = 150

export class Load {
  readonly #probe: Probe
  readonly #id: number
  readonly #revision: () => Promise<number>

  constructor(probe: Probe, id: number, revision: () => Promise<number>) {
    this.#probe = probe
    this.#id = id
    this.#revision = revision
  }

  running(): Promise<Running> {
    return this.#probe.running(this.#id)
  }

  /** Until it has got so many writes through from now on. */
  async goesOn(writes = WRITES): Promise<void> {
    const before = await this.#revision()
    await until('the load goes on', async () => {
      const { ended, err } = await this.running()
      if (ended) throw new Error(`the load has ended: ${err.slice(-500)}`)
      return (await this.#revision()) >= before + writes
    })
  }

  /** Ends the load; resolves to what it has seen. */
  async end(): Promise<Verdict> {
    await this.#probe.post(`/stop?id=${this.#id}`)
    const done = await until(
      'the load ends with a verdict',
      async () => {
        const running = await this.running()
        return running.ended && running
      },
      END_MS_MAX,
    )
    if (!done.out.startsWith('{')) throw new Error(`no verdict: ${done.out}${done.err}`)
    const { verdict, run } = JSON.parse(done.out)
    const codes = Object.entries(run.failureCodes as Record<string, number>)
    return {
      exitCode: done.exitCode ?? 2,
      headline: verdict.headline,
      operations: run.operations,
      written: run.written,
      failures: run.failures,
      failureCodes: run.failureCodes,
      failed: Object.fromEntries(codes.filter(([code]) => code !== ASKED_FOR)),
      longestGap_ms: run.longestGap_ms,
      longestGap: run.longestGap,
      changes: run.leaderChanges,
    }
  }
}

/** What is loaded. */
export type Target = {
  readonly url: string
  /** The store's latest revision: how far its writes have got. */
  revision(): Promise<number>
}

/** Starts the load; resolves once it gets writes through. */
export async function startLoad(
  probe: Probe,
  target: Target,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Load> {
  // Ready Pods are not yet endpoints of their Service on every node.
  await until('the Service answers in the probe', () => probe.ask(`${target.url}/v1/whoami`))
  const args = ['verify', '--json', '--url', target.url, '--duration', LOAD, ...more]
  const load = new Load(probe, await probe.start(args, env), () => target.revision())
  await load.goesOn()
  return load
}

/** For a table: what it cost. */
export function verdictText(verdict: Verdict): string {
  const codes = Object.entries(verdict.failureCodes).map(([code, count]) => `${count} ${code}`)
  const failed = verdict.failures === 0 ? '0 failed' : `${verdict.failures} failed (${codes})`
  const gap = (verdict.longestGap_ms / 1000).toFixed(2)
  const changes = verdict.changes.length === 1 ? 'change' : 'changes'
  return (
    `longest gap ${gap} s, ${verdict.changes.length} ${changes} of leader, ` +
    `${verdict.operations} operations, ${failed}, ${verdict.headline}`
  )
}
