import fc from 'fast-check'
import t from 'tap'
import { KEY_BYTES_MAX } from '../../../src/shared/limits.ts'
import { anyCodePoint } from '../../contracts/code-points.ts'
import { seedOf } from '../http/seed.ts'
import { start } from './start.ts'

/** Any key: whole Unicode, with what paths treat in special ways made likely. */
const special = fc.constantFrom(
  '/',
  '//',
  '.',
  '..',
  './',
  '%',
  '%2F',
  '?',
  '#',
  '&',
  '+',
  ' ',
  '=',
  '\\',
  ';',
  ':',
  '@',
  '\0',
  '\r\n',
  'é',
  '𝒳',
  '~',
  '*',
  '%00',
  '..%2f',
)
const key = fc
  .array(fc.oneof(special, fc.string({ unit: anyCodePoint, maxLength: 8 })), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => parts.join('').toWellFormed())
  .filter((text) => Buffer.byteLength(text) >= 1 && Buffer.byteLength(text) <= KEY_BYTES_MAX)

/** A URL parser takes `.` and `..` segments away, escaped or not: such keys need `?name=`. */
const survivesPaths = (text: string) =>
  !text.split('/').some((segment) => segment === '.' || segment === '..')

t.test('keys: any one goes in and comes out the same, by path and by name', async (t) => {
  const { api, cluster } = await start(t)
  await fc.assert(
    fc.asyncProperty(key, async (text) => {
      cluster.records.clear()
      const escaped = encodeURIComponent(text)
      const path = `/v1/kv/${escaped}`
      const name = `/v1/key?name=${escaped}`
      const put = await api.app.inject({ method: 'PUT', url: name, payload: text })
      const got = await api.app.inject({ method: 'GET', url: name })
      const listed = (await api.app.inject({ method: 'GET', url: '/v1/kv' })).json()
      const same = put.json().key === text && got.body === text && listed.keys[0].key === text
      if (put.statusCode !== 201 || !same || listed.keys.length !== 1) throw new Error('by name')
      if (!survivesPaths(text)) return
      const byPath = await api.app.inject({ method: 'PUT', url: path, payload: 'path' })
      const second = await api.app.inject({ method: 'GET', url: path })
      if (byPath.statusCode !== 200 || second.body !== 'path') throw new Error('by path')
    }),
    { seed: seedOf(t), numRuns: 150 },
  )
  t.ok(cluster.executed > 0)
})

t.test('keys: any one goes through fetch and a socket and back', async (t) => {
  const { api, cluster } = await start(t)
  const origin = await api.app.listen({ port: 0, host: '127.0.0.1' })
  await fc.assert(
    fc.asyncProperty(key, async (text) => {
      cluster.records.clear()
      const byName = `${origin}/v1/key?${new URLSearchParams({ name: text })}`
      const put = await fetch(byName, { method: 'PUT', body: text })
      const got = await (await fetch(byName)).text()
      if (put.status !== 201 || got !== text) throw new Error('by name')
      await put.arrayBuffer()
      if (!survivesPaths(text)) return
      const byPath = await fetch(`${origin}/v1/kv/${encodeURIComponent(text)}`)
      if ((await byPath.text()) !== text) throw new Error('by path')
    }),
    { seed: seedOf(t), numRuns: 60 },
  )
  t.ok(cluster.executed > 0)
})

t.test('keys: length and encoding are checked, and the longest fits a path', async (t) => {
  const { api } = await start(t)
  const ask = (url: string) => api.app.inject({ method: 'PUT', url })
  const longest = encodeURIComponent('é'.repeat(KEY_BYTES_MAX / 2))
  t.equal(longest.length, 3 * KEY_BYTES_MAX)
  t.equal((await ask(`/v1/kv/${longest}`)).statusCode, 201)
  t.equal((await ask(`/v1/key?name=${longest}`)).statusCode, 200)
  for (const url of [
    `/v1/kv/${longest}x`,
    `/v1/key?name=${longest}x`,
    '/v1/kv/%ff',
    '/v1/kv/%C3',
    '/v1/kv/%zz',
    '/v1/kv/a%2',
    '/v1/kv/%ED%A0%80',
    '/v1/key?name=%ff',
    '/v1/key?name=%',
    '/v1/%6bv/a',
    '/v1/kv/',
  ]) {
    const answer = await ask(url)
    t.match(answer.json(), { status: 400, code: 'invalid-key', outcome: 'not-applied' }, url)
  }
})
