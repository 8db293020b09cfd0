import t from 'tap'
import { checkHistory } from '../../../src/verifier/check-history.ts'
import type { Operation } from '../../../src/verifier/history.ts'
import { judge } from '../../../src/verifier/judgement.ts'
import { markup } from '../../../src/verifier/markup.ts'
import { reportPage } from '../../../src/verifier/page.ts'
import { randomOf } from '../../../src/verifier/random.ts'
import { type Report, reportText } from '../../../src/verifier/report.ts'
import { Latencies, Statistics } from '../../../src/verifier/statistics.ts'
import { makeHistory } from './model.ts'
import { lostPut, operation, put, read } from './operations.ts'

const NASTY = `<script>alert("1")</script>&'`

function reportOf(operations: readonly Operation[]): Report {
  const statistics = new Statistics()
  for (const one of operations) {
    statistics.add(one, one.outcome.type === 'unknown' ? 'no-answer' : undefined)
  }
  const verdict = checkHistory(operations)
  return {
    judgement: judge(verdict, undefined),
    verdict,
    historyFile: undefined,
    run: {
      urls: [`http://${NASTY}`],
      clients: 4,
      rate: 100,
      keys: 1,
      prefix: 'p/',
      seed: 1,
      load_us: 3_000_000,
      statistics,
      gap: { from_us: 1_000_000, until_us: 2_000_000 },
      leaderChanges: [
        { at_us: 1_500_000, term: 2, leader: NASTY, formerTerm: 1, formerLeader: 'db-0' },
      ],
      leaderChangesTotal: 1,
      leader: NASTY,
    },
  }
}

t.test('a terminal is shown no commands out of keys and values', async (t) => {
  const key = 'k\u001b[2J\nVerdict: fine\u202e'
  const operations = [
    put(0, 'a\u0007', [0, 10], 1, { key }),
    operation(1, [20, 30], { type: 'read' }, { type: 'absent' }, key),
  ]
  const text = reportText(reportOf(operations))
  t.notMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
  t.equal(text.match(/^Verdict: /gm)?.length, 1)
  t.ok(text.includes('key k\\u001b[2J\\u000aVerdict: fine\\u202e'))
})

t.test('the page needs nothing besides itself, and escapes what it shows', async (t) => {
  const operations = [
    put(0, NASTY, [0, 10], 1, { key: NASTY }),
    put(0, 'b', [20, 30], 2, { key: NASTY }),
    lostPut(3, 'c', [25], { key: NASTY }),
    operation(
      1,
      [40_000, 50_000],
      { type: 'read' },
      { type: 'found', value: NASTY, revision: 1 },
      NASTY,
    ),
  ]
  const page = reportPage(reportOf(operations), operations)
  t.notMatch(page, '<script')
  t.match(page, '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;')
  t.notMatch(page, /(src|href)=|url\(|@import|https?:\/\/(?!&lt;)/)
  t.match(page, /<title>Ordinal verify: not linearizable/)
  t.match(page, 'class="bar culprit"')
  t.notMatch(page, /NaN|undefined|Infinity|\[object/)
})

t.test('each tag of the page that is opened is closed', async (t) => {
  const operations = makeHistory(randomOf(4), { operations: 300, unknown: 0.1 })
  const victim = operations.find(({ outcome }) => outcome.type === 'found') as Operation
  const outcome = { type: 'found', value: 'nowhere', revision: 9999 } as const
  for (const history of [
    operations,
    operations.map((one) => (one === victim ? { ...one, outcome } : one)),
  ]) {
    const page = reportPage(reportOf(history), history)
    const open: string[] = []
    const tags = page
      .replace(/<style>[\s\S]*?<\/style>/, '')
      .matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/g)
    for (const [, end, name = '', alone] of tags) {
      if (alone === '/' || ['meta'].includes(name)) continue
      if (end === '/') t.equal(open.pop(), name)
      else open.push(name)
    }
    t.strictSame(open, [])
    t.notMatch(page, /NaN|undefined|Infinity|\[object/)
  }
})

t.test('the text has the table, the gap, the changes of leader and the verdict', async (t) => {
  const operations = [put(0, 'a', [0, 10], 1), read(1, 'a', [20, 1520], 1), lostPut(2, 'b', [5, 9])]
  const text = reportText(reportOf(operations))
  t.match(text, /^operation +ok +412\/304 +fail +unknown +p50 +p90 +p99 +max$/m)
  t.match(text, /^read +1 +0 +0 +0 +1\.5 ms/m)
  t.match(text, /^3 operations in 3\.0 s \(1\/s\), 1 failure: 1 no-answer$/m)
  t.match(text, /^Longest gap without a successful write: 1\.0 s, from \+1\.000 s to \+2\.000 s$/m)
  t.match(text, /^ {2}\+1\.500 s {2}db-0 \(term 1\) → .* \(term 2\)$/m)
  t.match(text, /^Verdict: linearizable, 0 of 1 acknowledged write lost$/m)
})

t.test('gaps are from one acknowledged write to the next, ends included', async (t) => {
  const statistics = new Statistics()
  statistics.add(put(0, 'a', [10, 100], 1), undefined)
  t.strictSame(statistics.longestGap(150), { from_us: 0, until_us: 100 })
  statistics.add(put(1, 'b', [10, 90], 2), undefined)
  statistics.add(read(0, 'a', [110, 300], 1), undefined)
  statistics.add(put(0, 'c', [200, 350], 3), undefined)
  t.strictSame(statistics.longestGap(400), { from_us: 100, until_us: 350 })
  t.strictSame(statistics.longestGap(900), { from_us: 350, until_us: 900 })
  t.equal(statistics.gapAt(380), 30)
})

t.test('percentiles are right to two percent', async (t) => {
  const latencies = new Latencies()
  t.equal(latencies.percentile_us(0.5), 0)
  for (let at = 1; at <= 1000; at++) latencies.add(at * 10)
  for (const share of [0.5, 0.9, 0.99]) {
    const exact = share * 10_000
    t.ok(Math.abs(latencies.percentile_us(share) - exact) < 0.02 * exact)
  }
  t.equal(latencies.percentile_us(1), 10_000)
})

t.test('markup in markup stays, anything else is escaped', async (t) => {
  const inner = markup`<b>${'a<b'}</b>`
  t.equal(
    markup`${inner}${[inner, 'x&y']}${undefined}${5}\u0000`.text,
    '<b>a&lt;b</b><b>a&lt;b</b>x&amp;y5\u0000',
  )
  t.equal(markup`${'a\u0000b'}`.text, 'a\ufffdb')
})
