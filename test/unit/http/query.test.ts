import t from 'tap'
import { formatPageToken, parseAfter } from '../../../src/shared/http/page-token.ts'
import {
  durationOf,
  integerOf,
  QueryReader,
  readTermsOf,
  timeoutOf,
} from '../../../src/shared/http/query.ts'
import { ListQuery, NamedReadQuery, ReadQuery } from '../../../src/shared/http/schemas.ts'

t.test('query: escapes, plus signs and empty pairs', async (t) => {
  const list = new QueryReader(ListQuery)
  t.same({ ...list.read('/v1/kv?prefix=a%2Fb+c%2B&&limit=3') }, { prefix: 'a/b c+', limit: '3' })
  t.same({ ...list.read('/v1/kv') }, {})
  t.same({ ...list.read('/v1/kv?') }, {})
  t.throws(() => list.read('/v1/kv?prefix=%zz'), { code: 'invalid-key' })
  t.throws(() => list.read('/v1/kv?prefix=%ff'), { code: 'invalid-key' })
})

t.test('query: what is unknown, twice there, missing or malformed is refused', async (t) => {
  const read = new QueryReader(ReadQuery)
  for (const query of ['other=1', 'timeout=1s&timeout=2s', 'timeout=1', 'consistency=', 'x']) {
    t.throws(() => read.read(`/v1/kv/a?${query}`), { code: 'bad-request' }, query)
  }
  t.throws(() => new QueryReader(NamedReadQuery).read('/v1/key'), { code: 'bad-request' })
  t.throws(() => new QueryReader(NamedReadQuery).read('/v1/key?timeout=1s'), { message: /name/ })
})

t.test('query: a refusal names the parameter and what it may be', async (t) => {
  const read = (query: string) => () => new QueryReader(NamedReadQuery).read(`/v1/key?${query}`)
  t.throws(read('name=a&foo=1'), { message: 'unknown parameter foo' })
  t.throws(read('timeout=1s'), { message: 'parameter name is missing' })
  t.throws(read('name=a&consistency=none'), {
    message: 'parameter consistency must be linearizable or stale',
  })
  for (const name of ['timeout', 'maxStale']) {
    t.throws(read(`name=a&${name}=abc`), {
      message: `parameter ${name} must be a duration such as 500ms, 5s or 2m`,
    })
  }
  t.throws(read('name=a&minRevision=x'), {
    message: 'parameter minRevision must be a whole number',
  })
})

t.test('query: durations and whole numbers', async (t) => {
  t.equal(durationOf('x', '500ms'), 500)
  t.equal(durationOf('x', '5s'), 5000)
  t.equal(durationOf('x', '1m'), 60_000)
  t.equal(durationOf('x', '1.5s'), 1500)
  t.equal(durationOf('x', '0.5ms'), 1, 'whole, never less')
  t.equal(durationOf('x', '2h'), 7_200_000)
  t.equal(durationOf('x', '1d'), 86_400_000)
  for (const text of ['5', 's', '-5s', '5 s', '5S', '']) {
    t.throws(() => durationOf('x', text), { code: 'bad-request' }, text)
  }
  t.equal(integerOf('x', '9007199254740991'), Number.MAX_SAFE_INTEGER)
  for (const text of ['9007199254740992', '-1', '1e3', '', '0x1']) {
    t.throws(() => integerOf('x', text), { code: 'bad-request' }, text)
  }
})

t.test('query: the deadline comes from the query before the header', async (t) => {
  t.equal(timeoutOf(undefined, undefined), 5000)
  t.equal(timeoutOf('2s', '3s'), 2000)
  t.equal(timeoutOf(undefined, '3s'), 3000)
  t.equal(timeoutOf('60s', undefined), 60_000)
  for (const text of ['61s', '0s', 'soon']) {
    t.throws(() => timeoutOf(text, undefined), { code: 'bad-request' }, text)
  }
})

t.test('query: terms of reads', async (t) => {
  t.same(readTermsOf({}, undefined), {
    consistency: 'linearizable',
    maxStale_ms: 0,
    minRevision: 0,
    timeout_ms: 5000,
  })
  t.same(
    readTermsOf({ consistency: 'stale', maxStale: '5s', minRevision: '7', timeout: '1s' }, '2s'),
    {
      consistency: 'stale',
      maxStale_ms: 5000,
      minRevision: 7,
      timeout_ms: 1000,
    },
  )
  t.throws(() => readTermsOf({ maxStale: '5s' }, undefined), { code: 'bad-request' })
})

t.test('page tokens: carry history and any key; other texts are keys', async (t) => {
  const key = 'a/é \0.%'
  t.same(parseAfter(formatPageToken('h-1', key)), { after: key, history: 'h-1' })
  t.same(parseAfter('page'), { after: 'page', history: undefined })
  t.same(parseAfter(''), { after: undefined, history: undefined })
  t.throws(() => parseAfter('page.h._w'), { code: 'bad-request' }, 'not UTF-8')
})
