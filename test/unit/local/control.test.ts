import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import type { ClusterView } from '../../../src/local/cluster-view.ts'
import { Control } from '../../../src/local/control.ts'
import { until } from '../../cluster/until.ts'
import { allReady, type FakeCluster, startFakes } from './fake-cluster.ts'

async function startControl(t: Test): Promise<FakeCluster & { url: string }> {
  const fakes = await startFakes(t, { api: 1 })
  const control = new Control(fakes.cluster)
  const url = await control.listen(0)
  t.teardown(() => control.close())
  await allReady(fakes)
  return { ...fakes, url }
}

const post = (url: string) => fetch(url, { method: 'POST' })

/** A request with headers that `fetch` does not let one choose. */
function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(url, { headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    call.on('error', reject)
    call.end()
  })
}

t.test('GET /processes shows what runs', async (t) => {
  const { cluster, url } = await startControl(t)
  const answer = await fetch(`${url}/processes`)
  t.equal(answer.status, 200)
  const view = (await answer.json()) as ClusterView
  t.strictSame(view, cluster.view())
  t.match(view.processes[0], {
    name: 'db-0',
    kind: 'replica',
    state: 'running',
    ready: true,
    role: 'leader',
    restarts: 0,
    lastExit: null,
  })
  t.match(view.processes[2], { name: 'api-0', kind: 'api', role: null, dataFolder: null })
})

t.test('each action does what it says', async (t) => {
  const { cluster, url } = await startControl(t)
  const child = cluster.child('db-0')
  t.equal((await post(`${url}/processes/leader/pause?for=1m`)).status, 202)
  t.equal(child.state, 'paused')
  t.equal((await post(`${url}/processes/db-0/resume`)).status, 202)
  t.equal(child.state, 'running')
  t.equal((await post(`${url}/processes/db-0/kill`)).status, 202)
  await until('it was started again', () => child.restarts === 1 && cluster.ready('db-0'))
  t.equal((await post(`${url}/processes/db-0/restart`)).status, 202)
  await until('it was started again', () => child.restarts === 2 && cluster.ready('db-0'))
  t.equal(child.lastExit, 'exited with code 0')
  t.equal((await post(`${url}/processes/db-0/stop`)).status, 202)
  await until('it is down', () => child.state === 'stopped')
  t.equal((await post(`${url}/processes/db-0/start`)).status, 202)
  t.equal(child.state, 'running')
})

t.test('requests for faults are handed on to the replica, answers back', async (t) => {
  const { cluster, url } = await startControl(t)
  const pressed = await post(`${url}/processes/leader/faults/pause?for=2s`)
  t.equal(pressed.status, 200)
  t.strictSame(await pressed.json(), {
    name: 'db-0',
    method: 'POST',
    path: '/faults/pause?for=2s',
  })
  t.match(await (await fetch(`${url}/processes/db-1/faults`)).json(), {
    name: 'db-1',
    method: 'GET',
    path: '/faults',
  })
  const refused = await fetch(`${url}/processes/db-1/faults`, { method: 'DELETE' })
  t.equal(refused.status, 400, 'a refusal stays one')
  t.equal((await post(`${url}/processes/db-7/faults/kill`)).status, 404)
  await cluster.stopChild('db-1')
  const silent = await post(`${url}/processes/db-1/faults/kill`)
  t.equal(silent.status, 503)
  t.match(await silent.json(), { code: 'no-replica' })
})

t.test('what is not there is a problem document', async (t) => {
  const { url } = await startControl(t)
  const expected: [string, string, number, string][] = [
    ['POST', '/processes/db-7/kill', 404, 'not-found'],
    ['POST', '/processes/db-0/explode', 404, 'no-such-route'],
    ['GET', '/', 404, 'no-such-route'],
    ['GET', '/processes/db-0/kill', 405, 'method-not-allowed'],
    ['POST', '/processes', 405, 'method-not-allowed'],
    ['POST', '/processes/db-0/pause?for=soon', 400, 'bad-request'],
    ['POST', '/processes/db-0/pause?for=11m', 400, 'bad-request'],
    ['POST', '/processes/db-0/pause?for=0', 400, 'bad-request'],
  ]
  for (const [method, path, status, code] of expected) {
    const answer = await fetch(url + path, { method })
    t.equal(answer.status, status, `${method} ${path}`)
    t.equal(answer.headers.get('content-type'), 'application/problem+json')
    t.match(await answer.json(), { status, code })
  }
})

/** The status that a request line gets, sent as it is. */
async function statusOfLine(url: string, line: string): Promise<number> {
  const { port, hostname } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  let answer = ''
  for await (const part of socket) answer += part
  return Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1])
}

t.test('a request target of any form gets an answer, and the process goes on', async (t) => {
  const { url } = await startControl(t)
  const expected: [string, number][] = [
    ['GET //', 404],
    ['GET //[', 404],
    ['GET http://', 400],
    ['GET http://[', 400],
    ['OPTIONS *', 400],
    ['POST /processes/%zz/kill', 404],
    ['GET http://localhost/processes', 200],
  ]
  for (const [line, status] of expected) t.equal(await statusOfLine(url, line), status, line)
  t.equal((await fetch(`${url}/processes`)).status, 200)
})

t.test('pages of other sites are refused, the dashboard is not', async (t) => {
  const { url } = await startControl(t)
  const path = `${url}/processes`
  const own = 'http://localhost:8080'
  t.equal(await statusOf(path, { origin: own }), 200)
  t.equal(await statusOf(path, { origin: 'https://example.com' }), 401)
  t.equal(await statusOf(path, { origin: 'null' }), 401)
  t.equal(await statusOf(path, { host: 'example.com' }), 401, 'a rebound name')
  t.equal(await statusOf(path, { host: 'localhost:1' }), 200)
  const answer = await fetch(path, { headers: { origin: own } })
  t.equal(answer.headers.get('access-control-allow-origin'), own)
})
