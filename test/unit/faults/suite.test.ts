/** The parts of the fault suite (test/faults/) that need no cluster. */

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { faultType, readFault } from '../../../src/database/faults/fault-kinds.ts'
import { UsageError } from '../../command-line.ts'
import { longestGap, median } from '../../faults/gaps.ts'
import { commandOf, parseOptions } from '../../faults/options.ts'
import { type Action, planOf, type Step, touchesDisk } from '../../faults/plan.ts'
import { contentsOf } from '../../faults/report.ts'

const STEPS = 2000

function stepsOf(seed: number, count: number): Step[] {
  const plan = planOf(seed)
  return Array.from({ length: count }, () => plan.next().value)
}

function thrownBy(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}

t.test('the seed fixes the plan', async (t) => {
  t.strictSame(stepsOf(7, 200), stepsOf(7, 200))
  // The runner's own comparison would first write down all differences.
  t.notOk(isDeepStrictEqual(stepsOf(7, 200), stepsOf(8, 200)))
})

t.test('a plan has every kind of action, and only what replicas take', async (t) => {
  const kinds = new Set<string>()
  const faults = new Set<string>()
  const actions: Action[] = []
  for (const step of stepsOf(1, STEPS)) {
    actions.push(...step.actions)
    const disks = step.actions.filter(touchesDisk)
    if (disks.length > 1) t.fail(`step ${step.number} touches ${disks.length} disks`)
  }
  for (const action of actions) {
    kinds.add(`${action.type} ${action.who.tier}`)
    if (action.type !== 'fault') continue
    faults.add(action.fault)
    const { fault } = readFault(faultType(action.fault), `/?${action.query}`)
    if (!('for_ms' in fault) || fault.for_ms !== action.for_ms) t.fail(action.query)
  }
  t.strictSame([...kinds].sort(), [
    'down replica',
    'fault replica',
    'flip replica',
    'freeze api',
    'freeze replica',
    'kill api',
    'kill replica',
    'restart api',
    'restart replica',
    'wipe replica',
  ])
  t.strictSame([...faults].sort(), [
    'clock-jump',
    'full-disk',
    'isolate',
    'pause',
    'slow-disk',
    'slow-network',
  ])
  const single = actions.filter(touchesDisk).map(({ who }) => who.pick)
  t.strictSame([...new Set(single)].sort(), ['follower', 'leader'], 'one disk at a time')
})

t.test('the longest gap is the one a person would find by looking at all', async (t) => {
  const acks = [10, 20, 100, 110, 400]
  t.equal(longestGap(acks, { from_ms: 10, to_ms: 120 }), 290, 'one that lasts beyond the window')
  t.equal(longestGap(acks, { from_ms: 15, to_ms: 100 }), 80)
  t.equal(longestGap(acks, { from_ms: 60, to_ms: 100 }), 40, 'as far as it lies within')
  t.equal(longestGap(acks, { from_ms: 390, to_ms: 1000 }), 600, 'nothing comes any more')
  t.equal(longestGap([], { from_ms: 5, to_ms: 25 }), 20)
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 30 }),
      fc.nat(1000),
      fc.nat(1000),
      (times, from_ms, length_ms) => {
        const sorted = times.toSorted((a, b) => a - b)
        const to_ms = from_ms + length_ms
        const end = sorted.find((ack) => ack >= to_ms) ?? to_ms
        const inside = [from_ms, ...sorted.filter((ack) => ack >= from_ms && ack < to_ms), end]
        const gaps = inside.slice(1).map((ack, at) => ack - (inside[at] as number))
        return longestGap(sorted, { from_ms, to_ms }) === Math.max(...gaps)
      },
    ),
  )
  t.equal(median([5, 1, 9]), 5)
  t.equal(median([4444, 5546]), 4995, 'half way between two')
  t.equal(median([]), 0)
})

t.test('the command line is read strictly', async (t) => {
  t.match(parseOptions(['--minutes', '30', '--seed', '9']), { minutes: 30, seed: 9, replicas: 3 })
  t.equal(parseOptions(['--help']), undefined)
  for (const wrong of [
    ['--minutes', 'many'],
    ['--minutes', ''],
    ['--seed', '-1'],
    ['--replicas', '9'],
    ['--replicas', '4'],
    ['--replicas', '3.5'],
    ['--replicas', ''],
    ['--seed', '1.5'],
    ['--seed', '4294967296'],
    ['--api', '2.5'],
    ['--clients', '0x10'],
    ['--rate', ''],
    ['--speed', '1'],
  ]) {
    t.ok(thrownBy(() => parseOptions(wrong)) instanceof UsageError, wrong.join(' '))
  }
})

t.test('the command to run it again does the same', async (t) => {
  const numbers = ['--minutes', '0.5', '--seed', '9', '--replicas', '5', '--api', '1']
  for (const given of [
    ['--seed', '7'],
    [...numbers, '--clients', '3', '--rate', '50', '--lie', '--keep'],
  ]) {
    const options = parseOptions(given)
    if (options === undefined) throw new Error('help was not asked for')
    const [, words = ''] = commandOf({ ...options, out: 'first run' }).split(' -- ')
    t.strictSame(parseOptions(words.split(' ')), options, words)
  }
})

t.test('equal contents are said as much as different ones', async (t) => {
  const picture = { index: 812, replicas: 3 }
  t.strictSame(contentsOf({ ...picture, hashes: ['ab'] }), {
    equal: true,
    said: 'all 3 replicas have the content hash ab at index 812',
  })
  t.match(contentsOf({ ...picture, hashes: ['ab', 'cd'] }), {
    equal: false,
    said: /differ at index 812: ab, cd/,
  })
})
