import t from 'tap'
import { ClusterError, ERROR_TABLE, type ErrorCode } from '../../../src/shared/errors.ts'
import {
  problemHeaders,
  problemOf,
  toClusterError,
  withOutcome,
} from '../../../src/shared/http/problem.ts'

t.test('problems: each code has its document from the one table', async (t) => {
  for (const code of Object.keys(ERROR_TABLE) as ErrorCode[]) {
    const { status, title, retry } = ERROR_TABLE[code]
    const problem = problemOf(new ClusterError(code, 'why'))
    t.same(problem, {
      type: `urn:ordinal:problem:${code}`,
      title,
      status,
      detail: 'why',
      code,
      retry,
    })
    const headers = problemHeaders(new ClusterError(code, 'why'))
    t.equal(headers.includes('Retry-After'), status === 503, `Retry-After of ${code}`)
  }
})

t.test('problems: details and outcome are members, and overwrite nothing', async (t) => {
  const error = new ClusterError('precondition-failed', 'why', {
    outcome: 'not-applied',
    details: { etag: '"h-1"', status: 200, code: 'x' },
  })
  t.match(problemOf(error), { status: 412, code: 'precondition-failed', etag: '"h-1"' })
  t.equal(problemOf(error).outcome, 'not-applied')
  t.same(problemHeaders(error).slice(-2), ['ETag', '"h-1"'])
})

t.test('problems: an outcome that is known stays', async (t) => {
  const unknown = new ClusterError('outcome-unknown', 'why', { outcome: 'unknown' })
  t.equal(withOutcome(unknown, 'not-applied').outcome, 'unknown')
  const cause = new Error('cause')
  const bare = new ClusterError('no-leader', 'why', { cause, details: { missing: ['db-1'] } })
  const told = withOutcome(bare, 'not-applied')
  t.match(told, { code: 'no-leader', outcome: 'not-applied', details: { missing: ['db-1'] } })
  t.equal(told.cause, cause)
})

t.test('problems: what was not expected is internal and keeps its cause', async (t) => {
  const bug = new TypeError('oops')
  const error = toClusterError(bug)
  t.equal(error.code, 'internal')
  t.equal(error.cause, bug)
  t.notMatch(problemOf(error).detail, /oops/, 'and tells clients nothing of it')
})
