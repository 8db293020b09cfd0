/** The mutants fit the product's present source: each text stands there once, and still parses. */

import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { UsageError } from '../command-line.ts'
import { belowTheDisk, simulated } from '../simulation/mutants/catalog.ts'
import { type Known, renewed } from '../simulation/mutants/known.ts'
import { editsOf, type Mutant, mutated } from '../simulation/mutants/mutant.ts'
import { readOptions } from '../simulation/mutants/options.ts'
import { isCatch, type Report } from '../simulation/mutants/runner.ts'
import { Search } from '../simulation/mutants/search.ts'
import { failuresIn } from '../simulation/mutants/suite-run.ts'
import { pageWith, tables } from '../simulation/mutants/table.ts'

const ROOT = join(import.meta.dirname, '../..')
const all: readonly Mutant[] = [...simulated, ...belowTheDisk]
const well = { failure: undefined }
const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1)
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')

/** What is wrong with a mutant; '' if nothing is. */
function fault(mutant: Mutant, source: (file: string) => string = read): string {
  try {
    const edits = editsOf(mutant)
    for (const file of new Set(edits.map((edit) => edit.file))) {
      const text = mutated(source(file), { ...mutant, edits }, file)
      if (text === source(file)) return `${mutant.name} changes nothing in ${file}`
      stripTypeScriptTypes(text, { mode: 'strip' })
    }
    return ''
  } catch (error) {
    return `${mutant.name}: ${(error as Error).message}`
  }
}

function thrownBy(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}

t.test('every mutant fits the source, and the mutated source parses', async (t) => {
  for (const mutant of all) t.equal(fault(mutant), '', mutant.name)
})

t.test('a mutant that has rotted is named', async (t) => {
  const edit = { file: 'a.ts', find: 'one', replace: '1' }
  const mutant = { name: 'odd', danger: 'None.', edits: [edit] }
  const rotted = (source: string) => fault(mutant, () => source)
  t.equal(rotted('const a = one'), '')
  t.equal(rotted('const a = 2'), 'odd: mutant odd has rotted: a.ts holds 0 × "one"')
  t.equal(rotted('const a = one + one'), 'odd: mutant odd has rotted: a.ts holds 2 × "one"')
  t.match(
    fault({ ...mutant, edits: [{ ...edit, replace: '(' }] }, () => 'one'),
    /^odd: /,
  )
  t.match(
    fault({ ...mutant, edits: [{ ...edit, replace: 'one' }] }, () => 'one'),
    /nothing/,
  )
})

t.test('mutants have names of their own and say what they break', async (t) => {
  t.equal(new Set(all.map(({ name }) => name)).size, all.length)
  for (const { name, danger, edits } of all) {
    t.match(name, /^[a-z0-9]+(-[a-z0-9]+)+$/)
    t.match(danger, /^[A-Z].{20,100}[.]$/s, name)
    t.ok(edits.length > 0, name)
  }
  t.ok(all.length >= 36, `${all.length} mutants`)
})

t.test(
  'a check catches a mutant; an exception, a hang and what follows from them do not',
  async (t) => {
    const report = (check: string, exceptions = 0): Report => {
      return { seed: 1, failure: { check, message: 'why' }, exceptions }
    }
    t.notOk(isCatch({ seed: 1, failure: undefined, exceptions: 0 }))
    t.ok(isCatch(report('log-matching')))
    t.ok(isCatch(report('log-matching', 3)))
    for (const check of ['exception', 'hang', 'process-ended']) t.notOk(isCatch(report(check, 1)))
    t.ok(isCatch(report('not-well')))
    t.notOk(isCatch(report('not-well', 1)), 'a cluster that keeps falling over is not live')
  },
)

t.test('of several processes, the one with the lowest seed finds a mutant', async (t) => {
  const search = new Search('one', { seeds: [1, 2, 3, 4, 5], controls: [''] })
  const ends = new Map<number, () => void>()
  const run = (seed: number): Promise<Report> =>
    new Promise((resolve) => {
      const check = seed === 1 ? 'exception' : 'log-matching'
      ends.set(seed, () => resolve({ seed, failure: { check, message: '' }, exceptions: 0 }))
    })
  const spoilt = { seed: 2, failure: { check: 'not-well', message: '' }, exceptions: 0 }
  const control = {
    run: async (_: string, seed: number) => ({ ...spoilt, seed, ...(seed === 2 ? {} : well) }),
  }
  const steps = upTo(4).map(() => search.step({ run }, control))
  ends.get(4)?.()
  await steps[3]
  t.notOk(search.hasMore)
  t.notOk(search.ended, 'lower seeds are still running')
  for (const seed of upTo(3)) ends.get(seed)?.()
  await Promise.all(steps)
  t.ok(search.ended)
  t.match(search, { done: 4, caught: { seed: 3 }, fell: [{ seed: 1 }], spoilt: [{ seed: 2 }] })
})

t.test('in a suite, what was asserted counts, and nothing that was thrown', async (t) => {
  const tap = `TAP version 14
# Subtest: outer
    # Subtest: inner
        ok 1 - fine
        not ok 2 - should be equal
          ---
          at:
            lineNumber: 1
          ...
        1..2
    not ok 1 - inner # time=1ms
    # Subtest: other
        not ok 1 - boom
          ---
          tapCaught: returnedPromiseRejection
          ...
    not ok 2 - other # time=1ms
not ok 1 - outer # time=2ms
`
  t.strictSame(failuresIn(tap), [
    { test: 'inner', message: 'should be equal', assertion: true },
    { test: 'other', message: 'boom', assertion: false },
  ])
})

t.test(
  'only what was run is renewed: others stay, and what never ran escapes nothing',
  async (t) => {
    const [caught, escaped, other, never] = simulated.map(({ name }) => name)
    if (!caught || !escaped || !other || !never) throw new Error('four mutants are needed')
    const row = (name: string, seed: number): Known => {
      return { name, caughtBy: 'log-matching', seed, message: 'why' }
    }
    const known = new Map([row(escaped, 1), row(other, 2)].map((one) => [one.name, one]))
    const ran = new Set([caught, escaped])
    const rows = renewed(known, { ran, found: new Map([[caught, row(caught, 3)]]) })
    t.equal(rows.get(caught)?.seed, 3)
    t.equal(rows.get(escaped)?.caughtBy, null)
    t.equal(rows.get(other), known.get(other))
    t.notOk(rows.has(never))
    const whole = tables(rows)
    const lineOf = (name: string) => whole.split('\n').find((line) => line.includes(`\`${name}\``))
    t.match(lineOf(caught), /log-matching [|] 3 [|] why/)
    t.match(lineOf(escaped), /[*]{2}escapes[*]{2}/)
    t.match(lineOf(other), /log-matching [|] 2 /)
    t.match(lineOf(never), /[|] not run [|]/)
    t.equal(whole.split('\n').filter((line) => line.startsWith('| `')).length, all.length)
    const shown = tables(rows, ran).split('\n')
    t.strictSame(
      shown.filter((line) => line.startsWith('| `')),
      [lineOf(caught), lineOf(escaped)],
    )
    t.notMatch(shown.join('\n'), /storage suite/, 'a table without rows is not shown')
    const page = pageWith(read('docs/proof.md'), rows)
    t.ok(page.includes(whole))
    t.equal(pageWith(page, rows), page, 'written twice it is the same')
    t.throws(() => pageWith('nothing', rows), { message: /has no/ })
  },
)

t.test('names of mutants are read strictly', async (t) => {
  const [first] = simulated
  t.match(readOptions(['--only', first?.name ?? '']), { only: new Set([first?.name]) })
  t.match(readOptions([]), { only: new Set(all.map(({ name }) => name)) })
  for (const wrong of [
    ['--only', ''],
    ['--only', `${first?.name},`],
    ['--only', 'nobody'],
    ['--seeds', '0'],
    ['--jobs', ''],
  ]) {
    t.ok(thrownBy(() => readOptions(wrong)) instanceof UsageError, wrong.join(' '))
  }
})
