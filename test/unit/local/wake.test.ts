/** A pause ends, whoever ends before. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import type { Child } from '../../../src/local/child.ts'
import type { LocalEvent } from '../../../src/local/events.ts'
import { wakeAfter } from '../../../src/local/wake.ts'
import { Watch } from '../../../src/local/watch.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { until } from '../../cluster/until.ts'

/** A process that says something again and again. */
async function talker(t: Test) {
  const process = spawn('sh', ['-c', 'while echo x; do sleep 0.02; done'])
  t.teardown(() => process.kill('SIGKILL'))
  const state = { pid: process.pid as number, said: 0 }
  process.stdout.on('data', () => {
    state.said++
  })
  await once(process.stdout, 'data')
  return state
}

t.test('a paused process goes on though its supervisor was killed', async (t) => {
  const paused = await talker(t)
  process.kill(paused.pid, 'SIGSTOP')
  const script = `
    import { wakeAfter } from ${JSON.stringify(import.meta.resolve('../../../src/local/wake.ts'))}
    wakeAfter(${paused.pid}, 300)
    process.kill(process.pid, 'SIGKILL')`
  const supervisor = spawn(process.execPath, ['--input-type=module', '-e', script])
  const [, signal] = await once(supervisor, 'exit')
  t.equal(signal, 'SIGKILL')
  const { said } = paused
  await until('it goes on', () => paused.said > said + 2)
})

t.test('an alarm that was cancelled wakes nobody', async (t) => {
  const paused = await talker(t)
  process.kill(paused.pid, 'SIGSTOP')
  wakeAfter(paused.pid, 50).cancel()
  const other = await talker(t)
  process.kill(other.pid, 'SIGSTOP')
  wakeAfter(other.pid, 200)
  const { said } = other
  const before = paused.said
  await until('a later one woke', () => other.said > said + 2)
  t.ok(paused.said <= before + 1, 'at most what was under way')
})

t.test('who is not ready after a while is quoted, once', async (t) => {
  const events: LocalEvent[] = []
  let asked = 0
  const child = {
    plan: { name: 'db-2', kind: 'replica', ports: { metrics: 1 } },
    get pid() {
      asked++
      return 7
    },
    state: 'running',
    get uptime_ms() {
      return asked < 9 ? 100 : 12_000
    },
    lastWords: async () => 'waiting for another process to let go of the disk',
  } as unknown as Child
  const report = (event: LocalEvent) => void events.push(event)
  const watch = new Watch({ clock: systemClock, report, children: [child] })
  t.teardown(() => watch.close())
  await until('it was told', () => events.length > 0)
  const looked = asked
  await until('it was looked at again', () => asked > looked + 2)
  t.match(events, [{ type: 'slow', name: 'db-2', after_ms: 12_000, said: /let go of the disk$/ }])
  t.equal(events.length, 1)
})
