import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { PeerSecret } from '../../../src/database/peers/secret.ts'
import type { Clock } from '../../../src/shared/clock.ts'
import { SECRET_BYTES_MAX, SECRET_POLL_MS } from '../../../src/shared/limits.ts'
import { secretFile } from './replicas.ts'

/** A clock that stands still until it is moved. */
function stillClock(): Clock & { move(ms: number): void } {
  let now = 0
  return {
    now_ms: () => now,
    wall_ms: () => now,
    after: () => ({ cancel: () => undefined }),
    move: (ms) => {
      now += ms
    },
  }
}

function notices(): { lines: string[]; log: { info: Notice; warn: Notice } } {
  const lines: string[] = []
  const notice: Notice = (_details, message) => lines.push(message)
  return { lines, log: { info: notice, warn: notice } }
}
type Notice = (details: object, message: string) => void

t.test('the present and the previous secret are accepted, and nothing else', async (t) => {
  const secret = new PeerSecret({ file: secretFile(t, 'present\r\nprevious\nolder\n') })
  t.same(secret.candidates(), ['present', 'previous'])
  for (const good of ['Bearer present', 'Bearer previous', 'bearer present']) {
    t.ok(secret.accepts(good), good)
  }
  const bad = ['Bearer older', 'Bearer ', 'Bearer presen', 'Bearer presentt', 'Basic present', '']
  for (const header of [...bad, undefined]) t.notOk(secret.accepts(header), String(header))
})

t.test('without a file everybody is let in, and that is said once', async (t) => {
  const { lines, log } = notices()
  const secret = new PeerSecret({ file: undefined, log })
  t.same(secret.candidates(), [])
  t.ok(secret.accepts(undefined))
  t.ok(secret.accepts('Bearer anything'))
  t.equal(lines.length, 1)
})

t.test('a file that has no secret is a clear error at the start', async (t) => {
  const texts = ['', '\n\nthird\n', 'two words\n', 'ümlaut\n', 'x'.repeat(SECRET_BYTES_MAX + 1)]
  for (const text of texts) {
    const file = secretFile(t, text)
    t.throws(() => new PeerSecret({ file }), { code: 'invalid-config' }, JSON.stringify(text))
  }
  t.throws(() => new PeerSecret({ file: '/nowhere/secret' }), { code: 'invalid-config' })
})

t.test('a changed file is reread at use, at most once a second', async (t) => {
  const clock = stillClock()
  const { lines, log } = notices()
  const file = secretFile(t, 'one\n')
  const secret = new PeerSecret({ file, clock, log })
  writeFileSync(file, 'two\none\n')
  utimesSync(file, 1, 1)
  t.same(secret.candidates(), ['one'], 'within the second it is not looked at')
  clock.move(SECRET_POLL_MS)
  t.ok(secret.accepts('Bearer two'))
  t.ok(secret.accepts('Bearer one'))
  clock.move(SECRET_POLL_MS)
  t.same(secret.candidates(), ['two', 'one'])
  t.same(lines, ['peer secret reread'], 'an unchanged file is not read')
})

t.test('a file that vanishes, or empties, leaves the last secret in force', async (t) => {
  const clock = stillClock()
  const { lines, log } = notices()
  const file = secretFile(t, 'one\n')
  const secret = new PeerSecret({ file, clock, log })
  rmSync(file)
  clock.move(SECRET_POLL_MS)
  t.ok(secret.accepts('Bearer one'))
  t.notOk(secret.accepts(undefined), 'it does not open up')
  writeFileSync(file, '\n')
  clock.move(SECRET_POLL_MS)
  t.ok(secret.accepts('Bearer one'))
  t.notOk(secret.accepts('Bearer '))
  t.equal(lines.length, 2)
  writeFileSync(file, 'next\n')
  clock.move(SECRET_POLL_MS)
  t.notOk(secret.accepts('Bearer one'))
  t.ok(secret.accepts('Bearer next'))
})
