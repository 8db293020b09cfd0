/** Faults that end or stop a whole process, in a process of their own. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { suddenFaults } from '../../../src/database/faults/sudden-faults.ts'

const MODULE = new URL('../../../src/database/faults/sudden-faults.ts', import.meta.url).href

/** Runs one of them in another process; resolves to how it ended and what it said. */
async function strike(folder: string, call: string, before = '') {
  const source = `
    ${before}
    const { suddenFaults } = await import(${JSON.stringify(MODULE)})
    process.on('exit', () => console.log('a handler ran'))
    suddenFaults(${JSON.stringify(folder)}).${call}
    console.log('it returned')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    env: {},
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (part) => {
    said += part
  })
  const [code, signal] = await once(child, 'close')
  return { ...(code === null ? {} : { code }), signal, said }
}

t.test('kill ends the process without a word', async (t) => {
  t.strictSame(await strike(t.testdir(), 'kill()'), { signal: 'SIGKILL', said: '' })
})

t.test(
  'kill ends the first process of a container, too, which no signal of its own can',
  async (t) => {
    const drop = 'process.kill = () => true'
    t.strictSame(await strike(t.testdir(), 'kill()', drop), { code: 137, signal: null, said: '' })
  },
)

t.test('a lost disk leaves an empty folder and no process', async (t) => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'db'))
  writeFileSync(join(folder, 'db', 'CURRENT'), 'x')
  writeFileSync(join(folder, 'cluster'), 'x')
  t.strictSame(await strike(folder, 'loseDisk()'), { signal: 'SIGKILL', said: '' })
  t.strictSame(readdirSync(folder), [], 'the folder itself stays: it may be a mount point')
})

t.test('a disk that cannot be emptied is lost all the same', async (t) => {
  t.match(await strike(join(t.testdir(), 'none'), 'loseDisk()'), { signal: 'SIGKILL' })
})

t.test('a pause blocks everything, for as long as was said', async (t) => {
  const start_ms = performance.now()
  let ticks = 0
  const timer = setInterval(() => {
    ticks += 1
  }, 1)
  suddenFaults('').pause(120)
  clearInterval(timer)
  t.ok(performance.now() - start_ms >= 119)
  t.equal(ticks, 0)
})
