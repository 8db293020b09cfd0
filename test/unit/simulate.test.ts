/** The command line of `npm run simulate`, and how its figures are said. */

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { UsageError } from '../command-line.ts'
import { countOf, virtualTime } from '../simulation/figures.ts'
import {
  readOptions,
  refuseBeyond,
  replayCommand,
  type SimulateOptions,
} from '../simulation/options.ts'
import { Coverage } from '../simulation/situations.ts'

const LAST = 2 ** 32 - 1
const MAIN = fileURLToPath(new URL('../simulation/main.ts', import.meta.url))

function read(...args: string[]): SimulateOptions {
  const options = readOptions(args)
  if (options === 'help') throw new Error('help was not asked for')
  return options
}

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

t.test('what cannot be obeyed is refused, and why is said', async (t) => {
  const cases: readonly [readonly string[], RegExp][] = [
    [['--runs', '0'], /--runs: expected a whole number from 1 to/],
    [['--runs', ''], /--runs: expected a whole number from 1 to 4294967296, not ""/],
    [['--runs', '1.5'], /expected a whole number/],
    [['--runs', '0x10'], /expected a whole number/],
    [['--jobs', '0'], /--jobs: expected a whole number from 1 to/],
    [['--jobs', '-1'], /./],
    [
      ['--seed', '4294967296'],
      /--seed: expected a whole number from 0 to 4294967295, not "4294967296"/,
    ],
    [['--seed', String(LAST), '--runs', '2'], /seed 4294967295 and 2 runs go beyond/],
    [['--runs', '1', '--keep', ''], /--keep: expected a whole number .*, not ""/],
    [['--runs', '1', '--keep', '1,,2'], /--keep: expected a whole number .*, not ""/],
    [['--runs', '1', '--keep', '0,none'], /--keep: expected a whole number .*, not "none"/],
    [['--runs', '2', '--keep', '0'], /go with --runs 1/],
    [['--speed', '1'], /speed/],
  ]
  for (const [args, why] of cases) {
    const words = args.join(' ')
    const error = thrownBy(() => readOptions(args))
    t.ok(error instanceof UsageError, words)
    t.match(error, { message: why }, words)
  }
})

t.test('the last seed can be run, and a random one leaves room for all runs', async (t) => {
  t.match(read('--seed', String(LAST), '--runs', '1'), { seed: LAST, runs: 1, keep: undefined })
  t.match(read('--seed', String(LAST - 1), '--runs', '2'), { seed: LAST - 1 })
  t.match(read('--runs', String(LAST + 1)), { seed: 0 })
  t.ok(read().seed + 999 <= LAST)
})

t.test('the command that replays a run is understood', async (t) => {
  for (const keep of [[], [0], [3, 5, 11]]) {
    const command = replayCommand({ seed: 2, keep })
    t.match(command, /^npm run simulate -- /)
    const words = command.split(' ').slice(4)
    t.match(read(...words), { runs: 1, seed: 2, transcript: true }, command)
    t.strictSame(read(...words).keep, keep)
  }
})

t.test('a fault that the schedule does not have cannot be kept', async (t) => {
  t.throws(() => refuseBeyond([0, 9999], 4), { message: /places 0 to 3, not 9999/ })
  t.throws(() => refuseBeyond([0], 0), { message: /holds no fault/ })
  t.doesNotThrow(() => refuseBeyond([3], 4))
  t.doesNotThrow(() => refuseBeyond([], 0))
  const { status, stderr } = spawnSync(
    process.execPath,
    [MAIN, '--runs', '1', '--seed', '2', '--keep', '9999'],
    { encoding: 'utf8' },
  )
  t.equal(status, 2)
  t.match(stderr, /not 9999/)
})

t.test('one run tells its hash and what occurred in it', async (t) => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [MAIN, '--runs', '1', '--seed', '3', '--keep', 'none'],
    { encoding: 'utf8' },
  )
  t.equal(status, 0)
  t.match(stdout, /^seed 3\n1 run, /)
  t.match(stdout, /; [1-9]\d*[.]\d virtual minutes, \d+ operations/)
  t.match(stdout, /^hash of the transcript: [0-9a-f]{16}$/m)
  t.match(stdout, /^situation +times {2}what$/m)
  t.match(stdout, /nothing was found to be wrong/)
})

t.test('of one run what occurred is shown, of many how often', async (t) => {
  const coverage = new Coverage()
  coverage.add({ 'hand-back': 3, 'disk-lost': 0 })
  t.equal(coverage.lines().length, 2)
  t.match(coverage.lines()[1], /^hand-back +3 {2}the lead went back/)
  coverage.add({})
  const line = coverage.lines().find((one) => one.startsWith('hand-back'))
  t.match(line, /50[.]0 % +3 /)
  const nothing = new Coverage()
  nothing.add({})
  t.strictSame(nothing.lines(), ['none of the situations occurred'])
})

t.test('figures are said as a person would', async (t) => {
  t.equal(countOf(1, 'run'), '1 run')
  t.equal(countOf(0, 'run'), '0 runs')
  t.equal(countOf(2, 'seed'), '2 seeds')
  t.equal(virtualTime(5_400_000), '1.5 virtual hours')
  t.equal(virtualTime(90_000), '1.5 virtual minutes')
  t.equal(virtualTime(1046), '1.0 virtual seconds')
})
