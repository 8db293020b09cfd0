/**
 * wrk as the load generator, with one thread: it costs far less CPU a request than a server does.
 * A Lua script concatenates the bytes of each request and prints the figures at the end.
 *
 * wrk corrects latencies for coordinated omission (`stats_correct`): an answer that took longer
 * than twice the mean adds the samples that a steady client would have seen meanwhile. So its p99
 * is a little higher than that of the own generator, for all targets alike.
 */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LOOPBACK } from '../../src/local/free-ports.ts'
import {
  ANSWER_MS_MAX,
  type Drive,
  type DriveResult,
  type Generator,
  OVERRUN_MS_MAX,
} from './generator.ts'
import type { RequestSet } from './requests.ts'

const run = promisify(execFile)
const MARK = 'RESULT '

/** A Lua string literal: each byte that is not plain is written as `\ddd`. */
function lua(latin1: string): string {
  const escaped = latin1.replace(
    /[^ !#-[\]-~]/g,
    (byte) => `\\${String(byte.charCodeAt(0)).padStart(3, '0')}`,
  )
  return `"${escaped}"`
}

/** `os.clock` is the CPU time of the whole process, all threads. */
function script(drive: Drive, keyFile: string): string {
  const { head, tails } = drive.requests
  return `
local head = ${lua(head)}
local tails = { ${tails.map(lua).join(',\n')} }
local keys, random, threads = {}, math.random, {}

function setup(thread) table.insert(threads, thread) end

function init()
  math.randomseed(${drive.seed})
  for line in io.lines(${lua(keyFile)}) do keys[#keys + 1] = line end
  started = os.clock()
end

function request()
  return head .. keys[random(#keys)] .. tails[random(#tails)]
end

function done(summary, latency)
  local errors = summary.errors
  local cpu = os.clock() - threads[1]:get("started")
  print(string.format('${MARK}{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"max_us":%d,"cpu_us":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,' ..
    '"timeout":%d}}', summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), latency.max, cpu * 1e6, errors.connect, errors.read, errors.write,
    errors.status, errors.timeout))
end
`
}

/** @param folder where scripts and keys are written. */
export function wrkGenerator(version: string, folder: string): Generator {
  let count = 0
  const keyFiles = new Map<RequestSet, string>()
  /** Written once for each set: a write now would be flushed within the measurement. */
  const keyFileOf = async (requests: RequestSet): Promise<string> => {
    const known = keyFiles.get(requests)
    if (known !== undefined) return known
    const keyFile = join(folder, `keys-${keyFiles.size}`)
    await writeFile(keyFile, `${requests.keys.join('\n')}\n`)
    keyFiles.set(requests, keyFile)
    return keyFile
  }
  return {
    name: 'wrk',
    about: version,
    async drive(drive, signal): Promise<DriveResult> {
      if (drive.eachOnce) throw new Error('wrk ends by time only')
      count += 1
      const scriptFile = join(folder, `drive-${count}.lua`)
      const keyFile = await keyFileOf(drive.requests)
      await writeFile(scriptFile, script(drive, keyFile), 'latin1')
      const length = ['--threads', '1', '--duration', `${drive.seconds}s`]
      const shape = ['--connections', String(drive.connections)]
      const limit = ['--timeout', `${ANSWER_MS_MAX / 1000}s`]
      const url = `http://${LOOPBACK}:${drive.port}`
      const { stdout } = await run('wrk', [...length, ...shape, ...limit, '-s', scriptFile, url], {
        signal,
        timeout: drive.seconds * 1000 + OVERRUN_MS_MAX,
        killSignal: 'SIGKILL',
      })
      const line = stdout.split('\n').find((text) => text.startsWith(MARK))
      if (line === undefined) throw new Error(`wrk printed no result:\n${stdout}`)
      return JSON.parse(line.slice(MARK.length)) as DriveResult
    },
  }
}
