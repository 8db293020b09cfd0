/**
 * Ends the pause of a process from outside of its supervisor. A stopped process cannot see that its
 * supervisor is gone (follow-supervisor.ts): after a `kill -9` of that one it would hold its disk
 * and its ports for ever.
 */

import { spawn } from 'node:child_process'

export type Alarm = { cancel(): void }

/** Sends SIGCONT to `pid` after `delay_ms`, even if this process has ended by then. */
export function wakeAfter(pid: number, delay_ms: number): Alarm {
  const seconds = (delay_ms / 1000).toFixed(3)
  // A session of its own, so that no signal to the supervisor's group ends it.
  const sleeper = spawn('sh', ['-c', `sleep ${seconds} && kill -CONT ${pid}`], {
    detached: true,
    stdio: 'ignore',
  })
  let ended = false
  const end = () => {
    ended = true
  }
  sleeper.on('exit', end)
  // Without a shell there is the supervisor's own timer.
  sleeper.on('error', end)
  sleeper.unref()
  return {
    cancel: () => {
      if (ended || sleeper.pid === undefined) return
      ended = true
      // The shell and its sleep.
      process.kill(-sleeper.pid, 'SIGTERM')
    },
  }
}
