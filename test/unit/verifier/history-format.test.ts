import t from 'tap'
import type { Operation } from '../../../src/verifier/history.ts'
import {
  formatEnd,
  formatHeader,
  formatOperation,
  HistoryParser,
} from '../../../src/verifier/history-format.ts'
import { randomOf } from '../../../src/verifier/random.ts'
import { makeHistory } from './model.ts'
import { seedOfRun } from './seed.ts'

function parse(lines: readonly string[]) {
  const parser = new HistoryParser()
  for (const line of lines) parser.add(line)
  return parser.finish()
}

function format(operations: readonly Operation[]): string[] {
  const header = formatHeader({ finalReads: true, about: { seed: 1 } })
  return [header, ...operations.map(formatOperation), formatEnd(operations.length)]
}

const seed = seedOfRun()

t.test(`what is saved is what is read again (ORDINAL_SEED=${seed})`, async (t) => {
  const options = { operations: 1000, unknown: 0.1, staleReads: 0.3, conditions: 0.5, terse: 0.3 }
  const operations = makeHistory(randomOf(seed), options)
  const { header, operations: back } = parse(format(operations))
  t.strictSame(back, operations)
  t.strictSame(header, { finalReads: true, about: { seed: 1 } })
})

t.test('a line is flat and has no fields without a value', async (t) => {
  const operation: Operation = {
    id: 4,
    process: 2,
    key: 'k',
    call_us: 10,
    return_us: 20,
    action: { type: 'put', value: '2.0', condition: { type: 'revision', revision: 7 } },
    outcome: { type: 'written', revision: 8, created: false },
  }
  t.strictSame(JSON.parse(formatOperation(operation)), {
    id: 4,
    process: 2,
    key: 'k',
    call_us: 10,
    return_us: 20,
    do: 'put',
    value: '2.0',
    ifRevision: 7,
    outcome: 'written',
    revision: 8,
    created: false,
  })
})

const HEADER = formatHeader({})
const READ = {
  id: 0,
  process: 0,
  key: 'k',
  call_us: 1,
  return_us: 2,
  do: 'read',
  outcome: 'absent',
}
const line = (change: Record<string, unknown>) => JSON.stringify({ ...READ, ...change })

t.test('a process may go on after an operation that was never answered', async (t) => {
  const lost = line({ do: 'delete', outcome: 'unknown', return_us: undefined })
  const { operations } = parse([HEADER, lost, line({ id: 1, call_us: 1 }), formatEnd(2)])
  t.equal(operations.length, 2)
})

const WRONG: Readonly<Record<string, readonly [readonly string[], RegExp]>> = {
  'an empty file': [[], /it is empty/],
  'something else': [['hello'], /line 1 is no JSON$/],
  'JSON of something else': [['{"log":{}}'], /line 1 does not begin a history/],
  'a list': [['[1]'], /line 1 is no JSON object/],
  'a newer version': [
    ['{"format":"ordinal-history","version":2}'],
    /line 1 has version 2; 1 can be read/,
  ],
  'a file that was cut off': [[HEADER, line({})], /line 2 is the last one, and no end/],
  'a line that was cut off': [[HEADER, line({}).slice(0, 20)], /line 2 is no JSON/],
  'lines that are missing': [[HEADER, line({}), formatEnd(2)], /line 3 says 2 operations, .* 1$/],
  'lines after the end': [[HEADER, formatEnd(0), line({})], /line 3 follows the end/],
  'one id twice': [[HEADER, line({}), line({})], /line 3 has the id 0 of an earlier/],
  'one value twice': [
    [
      HEADER,
      line({ do: 'put', value: 'a', outcome: 'unknown' }),
      line({ id: 1, do: 'put', value: 'a', outcome: 'unknown' }),
    ],
    /line 3 stores "a", as an earlier put does/,
  ],
  'a return before the call': [[HEADER, line({ return_us: 0 })], /line 2 returns before its call/],
  'an answer without a time': [[HEADER, line({ return_us: undefined })], /line 2 has no return_us/],
  'an unknown kind': [[HEADER, line({ do: 'jump' })], /line 2 has "jump" in "do"/],
  'an unknown outcome': [[HEADER, line({ outcome: 'maybe' })], /line 2 has "maybe" in "outcome"/],
  'a key that is none': [[HEADER, line({ key: 5 })], /line 2 has no text in "key"/],
  'a revision that is none': [
    [HEADER, line({ outcome: 'found', saw: 'a', revision: 1.5 })],
    /line 2 has no whole number in "revision"/,
  ],
  'a revision as text': [
    [HEADER, line({ outcome: 'found', saw: 'a', revision: '1' })],
    /line 2 has no whole number in "revision"/,
  ],
  'a field of an unknown name': [
    [HEADER, line({ if_absent: true })],
    /line 2 has a field "if_absent", which has no meaning there/,
  ],
  'a field that belongs to others': [
    [HEADER, line({ created: true })],
    /line 2 has a field "created", which has no meaning there/,
  ],
  'a field without a value': [[HEADER, line({ seen: null })], /line 2 has no whole number in "s/],
  'a condition that is no truth': [
    [HEADER, line({ do: 'delete', ifAbsent: 'yes' })],
    /line 2 has neither true nor false in "ifAbsent"/,
  ],
  'a created that is no truth': [
    [HEADER, line({ do: 'put', value: 'a', outcome: 'written', revision: 1, created: 1 })],
    /line 2 has neither true nor false in "created"/,
  ],
  'two conditions': [
    [HEADER, line({ do: 'delete', ifAbsent: true, ifRevision: 1 })],
    /line 2 has both "ifRevision" and "ifAbsent"/,
  ],
  'a code that is no text': [
    [HEADER, line({ outcome: 'fail', code: 5 })],
    /line 2 has no text in "code"/,
  ],
  'a process that does two things at a time': [
    [HEADER, line({ id: 1, call_us: 4, return_us: 9 }), line({ return_us: 5 }), formatEnd(2)],
    /line 2 is called before the operation of line 3 of the same process 0 has returned/,
  ],
  'final reads that are no truth': [
    ['{"format":"ordinal-history","version":1,"finalReads":"no"}'],
    /line 1 has neither true nor false in "finalReads"/,
  ],
  'an unknown name in the first line': [
    ['{"format":"ordinal-history","version":1,"finalRead":true}'],
    /line 1 has a field "finalRead", which/,
  ],
  'an unknown name in the last line': [
    [HEADER, '{"end":true,"operations":0,"sum":0}'],
    /line 2 has a field "sum", which/,
  ],
  'a time without end': [
    [HEADER, line({}).replace('"return_us":2', '"return_us":1e999')],
    /line 2 has no time in "return_us"/,
  ],
  'a time before the beginning': [
    [HEADER, line({ call_us: -1 })],
    /line 2 has no time in "call_us"/,
  ],
}

for (const [name, [lines, wrong]] of Object.entries(WRONG)) {
  t.test(`${name} is refused, and its line named`, async (t) => {
    t.throws(() => parse(lines), { name: 'HistoryFormatError', message: wrong })
  })
}
