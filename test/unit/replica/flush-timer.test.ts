import t from 'tap'
import { FlushTimer } from '../../../src/database/replica/flush-timer.ts'
import type { Clock } from '../../../src/shared/clock.ts'
import { APPLIED_BYTES_MAX } from '../../../src/shared/limits.ts'

/** A clock whose timers run when told to. */
function heldClock() {
  const timers: (() => void)[] = []
  const clock: Clock = {
    now_ms: () => 0,
    wall_ms: () => 0,
    after: (_delay_ms, run) => {
      timers.push(run)
      return { cancel: () => void timers.splice(timers.indexOf(run), 1) }
    },
  }
  return { clock, timers }
}

t.test('changes are due when the timer has run, until they are taken', async (t) => {
  const { clock, timers } = heldClock()
  let flushes = 0
  const flush = new FlushTimer(clock, () => {
    flushes += 1
  })
  flush.start()
  flush.start()
  t.equal(timers.length, 1, 'one timer from the first change on')
  t.notOk(flush.isDue(1))
  timers.shift()?.()
  t.equal(flushes, 1)
  t.ok(flush.isDue(1))
  flush.stop()
  t.notOk(flush.isDue(1))
})

t.test('or at once when there are many bytes of them', async (t) => {
  const { clock, timers } = heldClock()
  const flush = new FlushTimer(clock, () => t.fail('the timer was stopped'))
  flush.start()
  t.notOk(flush.isDue(APPLIED_BYTES_MAX - 1))
  t.ok(flush.isDue(APPLIED_BYTES_MAX))
  flush.stop()
  t.equal(timers.length, 0)
})
