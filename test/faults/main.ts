/**
 * `npm run test:faults`: a cluster of real processes works under load while a nemesis breaks it.
 * At the end the history of all clients is checked, the replicas' content hashes are compared, and
 * a table tells what was done and for how long no write was acknowledged.
 */

import { closeSync, mkdirSync, mkdtempSync, openSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { checkHistory, type Verdict } from '../../src/verifier/check-history.ts'
import { startCluster, type TestCluster } from '../cluster/harness.ts'
import { allVoting, contentPicture } from '../cluster/pictures.ts'
import { UsageError } from '../command-line.ts'
import { namesOf } from './deeds.ts'
import { saveEvidence } from './evidence.ts'
import { NotRecovered, runNemesis, type Taken } from './nemesis.ts'
import { commandOf, parseOptions, type SuiteOptions, USAGE } from './options.ts'
import { contentsOf, gapsOf, gapTable, type StepGaps, stepLine } from './report.ts'
import { historyLines, startWorkload, type Workload } from './workload.ts'

/** Quicker than the default, so that a run sees more changes of leader. */
const TUNING = { ORDINAL_HAND_BACK_AFTER: '2s' }
const END_MS_MAX = 60_000
const LIE_MS = 2000
/** The first ones are the clearest. */
const FINDINGS_SHOWN = 5

const print = (text: string) => process.stdout.write(`${text}\n`)

type End = {
  /** What is wrong, each a sentence; []: nothing. */
  readonly wrong: readonly string[]
  /** Why it cannot be told whether all is well; []: it can. */
  readonly untold: readonly string[]
}

/** Runs the suite. Resolves to the exit code. */
async function run(options: SuiteOptions): Promise<number> {
  const { seed, replicas } = options
  const again = commandOf(options)
  print(`seed ${seed}; to run it again: ${again}`)
  const cluster = await startCluster({
    replicas,
    api: options.api,
    env: TUNING,
  })
  const taken: Taken[] = []
  const lines: string[] = []
  const tell = (line: string) => {
    lines.push(line)
    print(line)
  }
  try {
    await cluster.ready()
    const workload = startWorkload({ url: cluster.url, ...options })
    const end = await breakAndCheck(cluster, workload, { options, taken, tell })
    for (const line of end.wrong) tell(`WRONG: ${line}`)
    for (const line of end.untold) tell(`cannot be told: ${line}`)
    const code = end.wrong.length > 0 ? 1 : end.untold.length > 0 ? 2 : 0
    if (code !== 0 || options.keep) {
      const folder = options.out ?? mkdtempSync(join(tmpdir(), `ordinal-faults-${seed}-`))
      mkdirSync(folder, { recursive: true })
      writeHistory(join(folder, 'history.jsonl'), workload)
      saveEvidence(folder, { cluster, taken, report: `${lines.join('\n')}\n` })
      print(`logs, data, history and plan are in ${folder}`)
    }
    print(code === 0 ? 'all is well' : `to run it again: ${again}`)
    return code
  } finally {
    await cluster.stop()
  }
}

type Run = {
  readonly options: SuiteOptions
  readonly taken: Taken[]
  readonly tell: (line: string) => void
}

async function breakAndCheck(cluster: TestCluster, workload: Workload, run: Run): Promise<End> {
  const { options, taken, tell } = run
  const start_ms = performance.now()
  const gaps: StepGaps[] = []
  const wrong: string[] = []
  const notRecovered = (error: unknown) => {
    if (!(error instanceof NotRecovered)) throw error
    wrong.push(`not recovered: ${error.message}`)
  }
  await cluster.waitFor('something is written', () => workload.acks_ms().length > 50)
  if (options.lie) await lie(cluster)
  await runNemesis({
    cluster,
    seed: options.seed,
    replicas: options.replicas,
    length_ms: options.minutes * 60_000,
    acknowledged: () => workload.acks_ms().length,
    onTaken: (one) => {
      taken.push(one)
      const measured = gapsOf(one, workload.acks_ms())
      gaps.push(measured)
      tell(stepLine(measured, start_ms))
    },
  }).catch(notRecovered)
  await recovered(cluster, options).catch(notRecovered)
  await workload.stop()
  tell(`\n${gapTable(gaps)}\n`)
  const verdict = checkHistory(workload.operations, { finalReads: true })
  tell(summary(verdict, workload))
  const shown = verdict.findings.slice(0, FINDINGS_SHOWN)
  for (const { key, explanation } of shown) wrong.push(`${key}: ${explanation}`)
  if (verdict.findingsTotal > shown.length) {
    wrong.push(
      `${verdict.findingsTotal - shown.length} more findings; check the history to see them`,
    )
  }
  const contents = await compare(cluster, options.replicas)
  if (contents.equal) tell(contents.said)
  else wrong.push(contents.said)
  return { wrong, untold: verdict.undecided }
}

/** One in five frames, for two seconds; a restart would end it. */
async function lie(cluster: TestCluster): Promise<void> {
  const { client } = cluster.replicaUrls(await cluster.leader())
  const answer = await fetch(`${client}/faults/lie?for=${LIE_MS}ms&share=20`, { method: 'POST' })
  if (answer.status !== 200) throw new Error(`lie: ${answer.status} ${await answer.text()}`)
  await delay(LIE_MS)
}

/** Faults are over: all are ready, and all vote. What the last step started may not listen yet. */
async function recovered(cluster: TestCluster, { replicas }: SuiteOptions): Promise<void> {
  try {
    for (const name of namesOf(cluster, 'replica')) {
      await cluster.waitFor(
        `${name} has no faults`,
        async () => {
          const { client } = cluster.replicaUrls(name)
          return (await fetch(`${client}/faults`, { method: 'DELETE' })).ok
        },
        END_MS_MAX,
      )
    }
    await cluster.ready(END_MS_MAX)
    await allVoting(cluster, { replicas, timeout_ms: END_MS_MAX })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new NotRecovered(`in the end: ${why}`, { cause })
  }
}

type Contents = { readonly equal: boolean; readonly said: string }

async function compare(cluster: TestCluster, replicas: number): Promise<Contents> {
  try {
    const picture = await contentPicture(cluster, replicas)
    return contentsOf({ ...picture, replicas })
  } catch (error) {
    return { equal: false, said: `the content hashes cannot be compared: ${String(error)}` }
  }
}

function summary({ holds, figures }: Verdict, { operations }: Workload): string {
  const failures = new Map<string, number>()
  for (const { outcome } of operations) {
    if (outcome.type !== 'fail' && outcome.type !== 'unknown') continue
    const name = `${outcome.type} ${outcome.code ?? ''}`
    failures.set(name, (failures.get(name) ?? 0) + 1)
  }
  const shown = [...failures].map(([name, count]) => `${count} ${name}`).join(', ')
  const { acknowledged, confirmed, lost, keys } = figures
  const verdict = { yes: 'linearizable', no: 'NOT linearizable', undecided: 'undecided' }[holds]
  return [
    `${operations.length} operations on ${keys} keys; not successful: ${shown || 'none'}`,
    `${acknowledged} writes acknowledged, ${confirmed} confirmed, ${lost} lost: ${verdict}`,
  ].join('\n')
}

/** A line at a time: a long history is no text that a process could hold. */
function writeHistory(file: string, workload: Workload): void {
  const descriptor = openSync(file, 'w')
  for (const line of historyLines(workload)) writeSync(descriptor, `${line}\n`)
  closeSync(descriptor)
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) print(USAGE)
  else process.exitCode = await run(options)
} catch (error) {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}\n`)
  else process.stderr.write(`${(error as Error).stack}\n`)
  process.exitCode = 2
}
