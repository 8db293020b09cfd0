/**
 * Any key that is UTF-8 of 1 to 1024 bytes goes through the balancer, with fetch and with curl, by
 * path and by name, and comes back the same: in the answer, in the listing, and by each other way.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { anyCodePoint } from '../contracts/code-points.ts'
import { startCluster } from './harness.ts'
import { full, timeout_ms } from './rounds.ts'

const KEY_BYTES_MAX = 1024
const KEYS = full ? 300 : 30
const SEED = Number(process.env['ORDINAL_SEED'] ?? Date.now() % 2 ** 31)
const run = promisify(execFile)

t.setTimeout(timeout_ms)

/** What paths, queries and their parsers trip over. */
const AWKWARD = [
  '.',
  '..',
  '/',
  '//',
  'a//b',
  '/a/',
  './a',
  'a/..',
  'a/../b',
  '%',
  '%2F',
  '%2e%2e',
  '?',
  'a?b=c',
  '#',
  'a#b',
  '+',
  'a b',
  '&name=x',
  '\u0000',
  '\r\n',
  '\u007f',
  '🗝️',
  '\u{10ffff}',
  'é',
  'e\u0301',
  '\\',
  '"',
  'x'.repeat(KEY_BYTES_MAX),
  '\u0001'.repeat(KEY_BYTES_MAX),
  '🗝'.repeat(KEY_BYTES_MAX / 4),
]

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...AWKWARD.filter((key) => key.length < 8)) },
  { weight: 3, arbitrary: fc.string({ unit: anyCodePoint, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 300 }) },
)
const anyKey = fc
  .array(piece, { minLength: 1, maxLength: 6 })
  .map((pieces) => pieces.join(''))
  .filter((key) => key !== '' && Buffer.byteLength(key) <= KEY_BYTES_MAX)

const NOTHING = /[^\s\S]/

/** Every byte but those `kept` escaped. */
function escapePath(key: string, kept = /[A-Za-z0-9/._~-]/): string {
  return [...Buffer.from(key)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return kept.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
}

async function curl(url: string, ...options: string[]): Promise<string> {
  const args = ['--silent', '--show-error', '--fail', '--globoff', ...options, url]
  const { stdout } = await run('curl', args)
  return stdout
}

async function fetchText(url: string, options?: RequestInit): Promise<string> {
  const answer = await fetch(url, options)
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${options?.method ?? 'GET'} ${url}: ${answer.status} ${text}`)
  return text
}

for (const balancer of full ? (['proxy', 'auto'] as const) : (['proxy'] as const)) {
  t.test(`any key through the ${balancer} balancer, fetch and curl`, async (t) => {
    t.setTimeout(timeout_ms)
    const cluster = await startCluster({ replicas: 1, balancer })
    t.teardown(() => cluster.stop())
    await cluster.ready()
    const { url } = cluster
    let written = 0

    /** Writes by one way, reads by all others, then deletes. */
    const check = async (key: string) => {
      const byName = `${url}/v1/key?name=${encodeURIComponent(key)}`
      const byPath = `${url}/v1/kv/${escapePath(key)}`
      const kept = new URL(byPath).href === byPath
      const asIs = (target: string, ...options: string[]) =>
        curl(target, '--path-as-is', ...options)
      const value = `value ${written}`
      const put = ['--request', 'PUT', '--data-binary', value]
      const writes = [
        () => fetchText(byName, { method: 'PUT', body: value }),
        () => asIs(byPath, ...put),
        () => asIs(byName, ...put),
        () => fetchText(kept ? byPath : byName, { method: 'PUT', body: value }),
        () => asIs(`${url}/v1/kv/${escapePath(key, NOTHING)}`, ...put),
      ]
      const write = writes[written % writes.length] as () => Promise<string>
      written += 1
      const answered = JSON.parse(await write()) as { key: string }
      const same = (what: string, found: unknown, wanted: unknown) => {
        if (found !== wanted) throw new Error(`${what}: ${JSON.stringify(found)}`)
      }
      same('the key in the answer', answered.key, key)
      same('fetch by name', await fetchText(byName), value)
      if (kept) same('fetch by path', await fetchText(byPath), value)
      same('curl by path', await asIs(byPath), value)
      same('curl by name', await asIs(byName), value)
      const prefix = encodeURIComponent(key)
      const page = JSON.parse(await fetchText(`${url}/v1/kv?prefix=${prefix}`)) as {
        keys: { key: string }[]
      }
      // The prefix itself is the first of all keys that begin with it.
      same('the key in the listing', page.keys[0]?.key, key)
      const remove = { method: 'DELETE' }
      await (written % 2 === 0 ? fetchText(byName, remove) : asIs(byPath, '--request', 'DELETE'))
      same('after its deletion', (await fetch(byName)).status, 404)
    }

    t.comment(`ORDINAL_SEED=${SEED}`)
    for (const key of AWKWARD) await check(key)
    await fc.assert(fc.asyncProperty(anyKey, check), { seed: SEED, numRuns: KEYS })
    t.equal(written >= KEYS + AWKWARD.length, true, `${written} keys went through`)
    const left = (await fetchText(`${url}/v1/kv`)) as string
    t.strictSame((JSON.parse(left) as { keys: unknown[] }).keys, [], 'and nothing else is there')
  })
}

t.test('what is no key is refused', async (t) => {
  const cluster = await startCluster({ replicas: 1, api: 1, balancer: 'proxy' })
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const { url } = cluster
  const refused = async (target: string, method = 'PUT') => {
    const answer = await fetch(
      `${url}${target}`,
      method === 'PUT' ? { method, body: 'x' } : { method },
    )
    const { code } = JSON.parse(await answer.text()) as { code: string }
    return `${answer.status} ${code}`
  }
  t.equal(await refused('/v1/key?name='), '400 invalid-key', 'the empty key')
  t.equal(await refused('/v1/kv/'), '400 invalid-key', 'the empty key by path')
  t.equal(await refused('/v1/key?name=%ff'), '400 invalid-key', 'no UTF-8')
  t.equal(await refused('/v1/kv/%ff'), '400 invalid-key', 'no UTF-8 by path')
  t.equal(await refused(`/v1/kv/${'x'.repeat(KEY_BYTES_MAX + 1)}`), '400 invalid-key', 'too long')
  const most = 'x'.repeat(KEY_BYTES_MAX)
  t.equal((await fetch(`${url}/v1/kv/${most}`, { method: 'PUT', body: 'x' })).status, 201)
  t.equal(await refused('/v1/kv', 'DELETE'), '400 invalid-key', 'a DELETE without a key')
  t.equal((await fetch(`${url}/v1/kv/${most}`)).status, 200, 'deletes nothing')
})
