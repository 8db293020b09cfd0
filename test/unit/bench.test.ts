/**
 * The benchmark's own parts: a tool that measures wrongly is worse than none.
 */

import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { answerLength, answerStatus } from '../bench/answer-parser.ts'
import type { Drive, Generator } from '../bench/generator.ts'
import type { Measurement } from '../bench/measure.ts'
import { readOptions } from '../bench/options.ts'
import { metric } from '../bench/ordinal-target.ts'
import { ownGenerator } from '../bench/own-generator.ts'
import { etcdRequests, kvRequests, VALUE_BYTES } from '../bench/requests.ts'
import { median } from '../bench/statistics.ts'
import { summarize } from '../bench/summary.ts'

function generator(test: Test): Generator {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-bench-test-'))
  test.teardown(() => rm(folder, { recursive: true, force: true }))
  return ownGenerator(folder, {})
}

async function serve(test: Test, listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  test.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

function drive(port: number, more: Partial<Drive>): Drive {
  const requests = kvRequests('put', 500)
  return { port, connections: 8, seconds: 1, seed: 7, eachOnce: false, requests, ...more }
}

const never = new AbortController().signal
const NO_ERRORS = { connect: 0, read: 0, write: 0, status: 0, timeout: 0 }

t.test('an answer ends where Content-Length says, whole or in parts', async (t) => {
  const text = 'HTTP/1.1 201 Created\r\nDate: x\r\ncontent-length: 5\r\n\r\nhello'
  const bytes = Buffer.from(text)
  t.equal(answerLength(bytes), bytes.length)
  t.equal(answerLength(Buffer.from(text.replace('content-length', 'Content-Length'))), text.length)
  t.equal(answerLength(bytes.subarray(0, 40)), undefined, 'the head is not complete')
  t.equal(answerLength(bytes.subarray(0, -3)), bytes.length, 'the body is not complete')
  t.equal(answerStatus(bytes), 201)
  t.equal(answerStatus(Buffer.from('nonsense, and more of it')), 0)
})

t.test('an answer in chunks ends with the last chunk', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  t.equal(answerLength(Buffer.from(`${head}5\r\nhello\r\n`)), undefined)
  const whole = Buffer.from(`${head}5\r\nhello\r\n0\r\n\r\n`)
  t.equal(answerLength(whole), whole.length)
})

t.test('requests carry the length they announce', async (t) => {
  const put = kvRequests('put', 3)
  const etcd = etcdRequests('put', 3)
  for (const { head, keys, tails } of [put, etcd]) {
    const request = `${head}${keys[2]}${tails[5]}`
    const [, announced] = /Content-Length: (\d+)/.exec(request) ?? []
    t.equal(request.length - (request.indexOf('\r\n\r\n') + 4), Number(announced))
  }
  const range = etcdRequests('get', 1)
  const body = `${range.head}${range.keys[0]}${range.tails[0]}`.split('\r\n\r\n')[1] ?? ''
  t.equal(Buffer.from(JSON.parse(body).key, 'base64').toString(), put.keys[0])
})

t.test('the own generator counts what the server counts, and sees the bytes arrive', async (t) => {
  const sizes = new Set<number>()
  const keys = new Set<string>()
  let count = 0
  const port = await serve(t, (request, response) => {
    count += 1
    keys.add(request.url ?? '')
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
    })
    request.on('end', () => {
      sizes.add(size)
      response.end('done')
    })
  })
  const own = generator(t)
  const filled = await own.drive(drive(port, { eachOnce: true }), never)
  t.equal(filled.requests, 500)
  t.equal(count, 500)
  t.equal(keys.size, 500, 'each key once')
  t.strictSame([...sizes], [VALUE_BYTES])
  t.strictSame(filled.errors, NO_ERRORS)

  count = 0
  const timed = await own.drive(drive(port, {}), never)
  t.ok(timed.requests > 0)
  t.ok(count >= timed.requests && count <= timed.requests + 8, `${count} and ${timed.requests}`)
  t.ok(timed.p50_us > 0 && timed.p50_us <= timed.p99_us && timed.p99_us <= timed.max_us)
  t.strictSame(timed.errors, NO_ERRORS)
})

t.test('an answer that is no 2xx is an error, and so is a closed connection', async (t) => {
  const own = generator(t)
  const refusing = await serve(t, (request, response) => {
    request.resume()
    response.statusCode = 503
    response.end('no')
  })
  const refused = await own.drive(drive(refusing, { eachOnce: true }), never)
  t.equal(refused.errors.status, 500)

  const closing = await serve(t, (request) => void request.socket.destroy())
  const closed = await own.drive(drive(closing, {}), never)
  t.equal(closed.requests, 0)
  t.equal(closed.errors.read, 8)
})

t.test('a metric is found by its whole name', async (t) => {
  const page = '# TYPE a_total counter\na_total_more 7\na_total 41.5\n'
  t.equal(metric(page, 'a_total'), 41.5)
  t.equal(metric(page, 'a_'), 0)
})

function measured(more: Partial<Measurement>): Measurement {
  return {
    target: 'ordinal',
    operation: 'put',
    connections: 64,
    round: 1,
    way: 'shared',
    requests: 1000,
    seconds: 1,
    perSecond: 1000,
    p50_ms: 1,
    p99_ms: 2,
    max_ms: 3,
    errors: NO_ERRORS,
    valid: true,
    cpu_us: { 'db-0': 10, generator: 3 },
    generatorShare: 0.1,
    elsewhereShare: 0,
    batch: null,
    ...more,
  }
}

t.test('ratios are taken within each round', async (t) => {
  // The second round ran on a machine that was twice as fast for both.
  const { ratios, targets, valid } = summarize([
    measured({ round: 1, perSecond: 1000 }),
    measured({ round: 1, perSecond: 500, target: 'etcd' }),
    measured({ round: 2, perSecond: 2000 }),
    measured({ round: 2, perSecond: 1000, target: 'etcd', valid: false }),
  ])
  t.equal(ratios.length, 1)
  t.strictSame(ratios[0]?.perSecond, { median: 2, least: 2, most: 2 })
  t.strictSame(targets[0]?.perSecond, { median: 1500, least: 1000, most: 2000 })
  t.equal(valid, false, 'one drive with errors makes the run invalid')
  t.equal(median([]), undefined)
})

t.test('a command line that makes no sense is refused', async (t) => {
  t.match(readOptions(['--connections', '1,64', '--only', 'get', '--peers', 'none']), {
    connections: [1, 64],
    operations: ['get'],
    peers: [],
  })
  t.equal(readOptions(['--help']), undefined)
  const wrong: [string[], RegExp][] = [
    [['--rounds', '0'], /--rounds: expected a whole number from 1/],
    [['--only', 'post'], /"post" is none of put, get/],
    [['--connections', ''], /--connections: expected/],
    [['--what'], /--what/],
  ]
  for (const [argv, message] of wrong) t.throws(() => readOptions(argv), { message })
})
