/**
 * A process that crashes ends, and at once: whoever catches the signal of a failed instruction has
 * it fail again and again, at full speed, until somebody else kills the process.
 */

import t from 'tap'
import { startCluster } from './harness.ts'

t.test('replicas and API servers end by the signal of a crash', async (t) => {
  const cluster = await startCluster({})
  t.teardown(() => cluster.stop())
  await cluster.ready()
  for (const [name, signal] of [
    ['db-2', 'SIGSEGV'],
    ['api-1', 'SIGABRT'],
  ] as const) {
    process.kill(cluster.pid(name), signal)
    const ended = await cluster.waitFor(`${name} has ended`, () => cluster.process(name).lastExit)
    t.match(ended, new RegExp(signal), name)
  }
})
