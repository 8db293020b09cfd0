/** A lock held by another process is waited for. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Level } from 'level'
import t, { type Test } from 'tap'
import {
  levelOptions,
  lockHeld,
  openWhenFree,
  probeOptions,
  waitUntilFree,
} from '../../../src/database/storage/level-options.ts'
import { temporaryFolder } from './made-database.ts'

const LEVEL = import.meta.resolve('level')

/** Another process that has the database open. */
async function holder(t: Test, folder: string): Promise<ChildProcess> {
  const program = `
    import { Level } from ${JSON.stringify(LEVEL)}
    await new Level(${JSON.stringify(folder)}).open()
    console.log('open')
    setInterval(() => undefined, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

t.test('the open goes through as soon as the other process is gone', async (t) => {
  const folder = await temporaryFolder(t)
  const child = await holder(t, folder)
  const held = () => lockHeld(new Level(folder, { ...probeOptions }))
  t.equal(await held(), true)
  let waited = 0
  const db = new Level<Buffer, Buffer>(folder, { ...levelOptions(0) })
  const onWait = () => {
    waited += 1
    child.kill('SIGKILL')
  }
  await openWhenFree(() => db.open(), { wait_ms: 20_000, retry_ms: 10, onWait })
  t.equal(waited, 1)
  await db.close()
  await waitUntilFree(held, { wait_ms: 0 })
})

t.test('the wait ends with a clear error', async (t) => {
  const folder = await temporaryFolder(t)
  await holder(t, folder)
  const db = new Level<Buffer, Buffer>(folder, { ...levelOptions(0) })
  const opening = openWhenFree(() => db.open(), { wait_ms: 30, retry_ms: 10 })
  await t.rejects(opening, { code: 'storage-failed', message: /another process/ })
})

t.test('any other error is passed on at once', async (t) => {
  const error = new Error('the disk is on fire')
  const opening = openWhenFree(() => Promise.reject(error), { wait_ms: 20_000 })
  await t.rejects(opening, error)
})
