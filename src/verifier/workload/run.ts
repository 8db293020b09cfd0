/**
 * One run against a cluster: a look at who answers, the load for as long as was asked, the last
 * read of all keys. What came of it is judged elsewhere (judgement.ts).
 */

import { Client, type Fetch } from '../../client/client.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Operation } from '../history.ts'
import type { Gap, Statistics } from '../statistics.ts'
import { type LeaderChange, LeaderWatch } from './leader-watch.ts'
import { Load, type LoadOptions } from './load.ts'
import { Recorder } from './recorder.ts'

export type RunOptions = LoadOptions & {
  readonly urls: readonly string[]
  readonly duration_ms: number
  /** What a server is given for each request. */
  readonly timeout_ms: number
  /** All keys must have been read within this time after the load; less where that was ended. */
  readonly readBack_ms: number
}

/** A glance at a run that is under way. */
export type Progress = {
  readonly elapsed_ms: number
  readonly operations: number
  /** Operations a second since the glance before. */
  readonly rate: number
  readonly failures: number
  /** Time since the last successful write. */
  readonly gap_ms: number
  readonly term: number | undefined
  readonly leader: string | undefined
  readonly phase: 'load' | 'final reads'
}

export type RunPorts = {
  readonly clock: Clock
  /** Undefined: the platform's. */
  readonly fetch?: Fetch
  /** Ends the load early. */
  readonly signal: AbortSignal
  readonly progress: { readonly every_ms: number; show(progress: Progress): void }
}

export type Run = {
  readonly options: RunOptions
  readonly operations: readonly Operation[]
  readonly statistics: Statistics
  /** Time that the load took. */
  readonly load_us: number
  readonly gap: Gap
  readonly leaderChanges: readonly LeaderChange[]
  readonly leaderChangesTotal: number
  readonly leader: string | undefined
  readonly endedBy: 'time' | 'asked' | 'full history' | 'other history'
  readonly history: string | undefined
  readonly otherHistory: string | undefined
  /** The last failure of each code in the server's words. */
  readonly details: ReadonlyMap<string, string>
  /** Deletes the keys of the run. */
  clear(): Promise<void>
}

/** Who ended the load waits for the last reads no longer than this. */
const READ_BACK_ASKED_MS_MAX = 10_000
/** The load's end and its recorder's limits are looked at this often. */
const WATCH_MS = 50

/** Runs. `refused`: nothing was tried, for the reason in the line. */
export async function runWorkload(
  options: RunOptions,
  ports: RunPorts,
): Promise<{ type: 'run'; run: Run } | { type: 'refused'; line: string }> {
  const { clock } = ports
  const clients = options.urls.map(
    (url) =>
      new Client({
        url,
        timeout_ms: options.timeout_ms,
        ...(ports.fetch === undefined ? {} : { fetch: ports.fetch }),
      }),
  )
  const greeting = await greet(options.urls, clients)
  if ('line' in greeting) return { type: 'refused', line: greeting.line }
  const recorder = new Recorder(clock)
  recorder.history = greeting.history
  const now_us = () => recorder.now_us()
  const watch = new LeaderWatch({ clients, clock, now_us })
  const load = new Load(options, { clients, recorder, clock })
  watch.start()
  const glances = glanceAt(recorder, watch, ports)
  try {
    const endedBy = await runLoad(load, { recorder, options, ports })
    const load_us = recorder.now_us()
    const gap = recorder.statistics.longestGap(load_us)
    glances.phase = 'final reads'
    const { readBack_ms } = options
    await load.readAll(
      endedBy === 'asked' ? Math.min(READ_BACK_ASKED_MS_MAX, readBack_ms) : readBack_ms,
    )
    const run: Run = {
      options,
      operations: recorder.operations,
      statistics: recorder.statistics,
      load_us,
      gap,
      leaderChanges: watch.changes,
      leaderChangesTotal: watch.total,
      leader: watch.leader,
      endedBy: recorder.otherHistory === undefined ? endedBy : 'other history',
      history: recorder.history,
      otherHistory: recorder.otherHistory,
      details: recorder.details,
      clear: () => load.clear(),
    }
    return { type: 'run', run }
  } finally {
    glances.close()
    watch.close()
  }
}

/** Is there an Ordinal cluster at each of the URLs, and the same one? */
async function greet(
  urls: readonly string[],
  clients: readonly Client[],
): Promise<{ line: string } | { history: string | undefined }> {
  const ids = new Map<string, string>()
  let history: string | undefined
  for (const [at, client] of clients.entries()) {
    const url = urls[at] as string
    const answer = await client.cluster()
    switch (answer.type) {
      case 'no-answer':
        return { line: `${url} does not answer: ${answer.detail}` }
      case 'foreign':
        return { line: `${url} answers, but is no Ordinal (GET /v1/cluster: ${answer.detail})` }
      case 'problem':
        // A cluster without a leader may get one while the load runs.
        if (answer.source.status >= 500) break
        return { line: `${url} does not serve /v1/cluster (${answer.code}: ${answer.detail})` }
      case 'cluster':
        ids.set(answer.clusterId, url)
        history = answer.history === '' ? undefined : answer.history
        break
      default:
        return answer satisfies never
    }
  }
  if (ids.size > 1) {
    return { line: `${[...ids.values()].join(' and ')} belong to different clusters` }
  }
  return { history }
}

/** Runs the load to its end. Resolves to what ended it. */
async function runLoad(
  load: Load,
  context: { recorder: Recorder; options: RunOptions; ports: RunPorts },
): Promise<Run['endedBy']> {
  const { recorder, options, ports } = context
  const { clock, signal } = ports
  let endedBy: Run['endedBy'] = 'time'
  const end_ms = clock.now_ms() + options.duration_ms
  let timer = clock.after(0, look)
  function look(): void {
    if (signal.aborted) endedBy = 'asked'
    else if (recorder.otherHistory !== undefined) endedBy = 'other history'
    else if (recorder.full) endedBy = 'full history'
    else if (clock.now_ms() < end_ms) {
      timer = clock.after(WATCH_MS, look)
      return
    }
    load.stop()
  }
  await load.run()
  timer.cancel()
  return endedBy
}

function glanceAt(recorder: Recorder, watch: LeaderWatch, ports: RunPorts) {
  const { clock, progress } = ports
  const glances = { phase: 'load' as Progress['phase'], close: () => timer.cancel() }
  let before = { operations: 0, at_us: 0 }
  const look = () => {
    const now_us = recorder.now_us()
    const operations = recorder.operations.length
    progress.show({
      elapsed_ms: now_us / 1000,
      operations,
      rate: (operations - before.operations) / ((now_us - before.at_us) / 1_000_000),
      failures: recorder.statistics.failures,
      gap_ms: recorder.statistics.gapAt(now_us) / 1000,
      term: watch.term,
      leader: watch.leader,
      phase: glances.phase,
    })
    before = { operations, at_us: now_us }
    timer = clock.after(progress.every_ms, look)
  }
  let timer = clock.after(progress.every_ms, look)
  return glances
}
