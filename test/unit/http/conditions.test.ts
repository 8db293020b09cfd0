import fc from 'fast-check'
import t from 'tap'
import {
  evaluateForRead,
  formatTag,
  parseConditions,
  resolveConditions,
} from '../../../src/shared/http/conditions.ts'
import { CONDITION_REVISIONS_MAX } from '../../../src/shared/limits.ts'
import { seedOf } from './seed.ts'

const uuid = '0c3b1a52-6d2e-4f4e-9c65-0f2f6f0e7a11'
const match = (header: string) => parseConditions({ 'if-match': header })?.match
const noneMatch = (header: string) => parseConditions({ 'if-none-match': header })?.noneMatch

t.test('conditions: lists, spaces, empty members and * are read', async (t) => {
  t.equal(parseConditions({}), undefined)
  t.equal(match('*'), 'any')
  t.equal(match(' * '), 'any')
  t.same(match(`"${uuid}-7"`), [{ history: uuid, revision: 7 }])
  t.same(
    match('"h-1","h-2" ,  "h-3"'),
    [1, 2, 3].map((revision) => ({ history: 'h', revision })),
  )
  t.same(
    match(', "h-1",, "h-2",'),
    [1, 2].map((revision) => ({ history: 'h', revision })),
  )
})

t.test('conditions: foreign tags are legal and match nothing', async (t) => {
  for (const foreign of [
    '"abc"',
    '""',
    '"h-"',
    '"h-01"',
    '"h-1x"',
    '"-"',
    '"a,b"',
    '"h-99999999999999999"',
  ]) {
    t.same(match(foreign), [], foreign)
  }
  t.same(match('"a,b", "h-1"'), [{ history: 'h', revision: 1 }], 'a comma inside a tag')
})

t.test('conditions: weak tags never match If-Match, and do match If-None-Match', async (t) => {
  t.same(match('W/"h-1", "h-2"'), [{ history: 'h', revision: 2 }])
  t.same(
    noneMatch('W/"h-1", "h-2"'),
    [1, 2].map((revision) => ({ history: 'h', revision })),
  )
})

t.test('conditions: what is no list of tags is refused', async (t) => {
  for (const header of ['h-1', '"h-1', 'w/"h-1"', '*, "h-1"', '"h-1" "h-2"', '', ',', "'h-1'"]) {
    t.throws(() => match(header), { code: 'bad-request' }, JSON.stringify(header))
  }
  const many = (count: number) => Array.from({ length: count }, (_, at) => `"h-${at}"`).join(',')
  t.equal(match(many(CONDITION_REVISIONS_MAX))?.length, CONDITION_REVISIONS_MAX)
  t.throws(() => match(many(CONDITION_REVISIONS_MAX + 1)), { code: 'bad-request' })
})

t.test('conditions: only tags of the history at hand are compared', async (t) => {
  const condition = parseConditions({ 'if-match': '"h-1", "g-2"', 'if-none-match': '*' })
  t.same(resolveConditions(condition, 'h'), { match: [1], noneMatch: 'any' })
  t.same(resolveConditions(condition, 'x'), { match: [], noneMatch: 'any' }, 'matches nothing')
  t.equal(resolveConditions(undefined, 'h'), undefined)
})

t.test('conditions: of a read, If-Match comes before If-None-Match', async (t) => {
  const read = (headers: Parameters<typeof parseConditions>[0]) =>
    evaluateForRead(parseConditions(headers), { history: 'h', revision: 5 })
  t.equal(read({}), 'proceed')
  t.equal(read({ 'if-match': '"h-4"', 'if-none-match': '"h-5"' }), 'precondition-failed')
  t.equal(read({ 'if-match': '"h-5"', 'if-none-match': '"h-5"' }), 'not-modified')
  t.equal(read({ 'if-none-match': '"g-5"' }), 'proceed', 'another history')
  t.equal(read({ 'if-match': 'W/"h-5"' }), 'precondition-failed')
})

t.test('conditions: each tag given out is read back', async (t) => {
  let checked = 0
  fc.assert(
    fc.property(fc.uuid(), fc.maxSafeNat(), (history, revision) => {
      const [tag] = match(formatTag(history, revision)) as { history: string; revision: number }[]
      checked++
      return tag?.history === history && tag.revision === revision
    }),
    { seed: seedOf(t) },
  )
  t.ok(checked > 0)
})
