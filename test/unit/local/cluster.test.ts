import { spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startLocal } from '../../../src/local/prepare.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { until } from '../../cluster/until.ts'
import { allReady, fakeOptions, startFakes } from './fake-cluster.ts'

async function ask(url: string): Promise<{ name: string; pid: number; env: string[] }> {
  const answer = await fetch(url, { headers: { connection: 'close' } })
  return (await answer.json()) as { name: string; pid: number; env: string[] }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

t.test('children start, become ready, and end with the cluster', async (t) => {
  const fakes = await startFakes(t)
  await allReady(fakes)
  const { cluster, events } = fakes
  const view = cluster.view()
  t.strictSame(
    view.processes.map(({ name }) => name),
    ['db-0', 'db-1', 'api-0', 'api-1'],
  )
  t.equal(view.leader, 'db-0')
  const pids = view.processes.map(({ pid }) => pid as number)
  t.equal(new Set(pids).size, 4)
  t.ok(pids.every(alive))
  const ports = view.processes.flatMap(({ ports: p }) => [p.client, p.metrics, p.peer ?? []]).flat()
  t.equal(new Set(ports).size, 10, 'no port is given twice')
  await cluster.stop()
  t.notOk(pids.some(alive))
  t.notOk(existsSync(view.dataFolder), 'the temporary folder is gone')
  const ends = events.filter((e) => e.type === 'exited').map((e) => ('name' in e ? e.name : ''))
  t.strictSame(ends.slice(0, 2).sort(), ['api-0', 'api-1'], 'API servers end first')
  t.ok(events.every((e) => e.type !== 'exited' || e.how === 'exited with code 0'))
})

for (const balancer of ['kernel', 'proxy'] as const) {
  const skip = balancer === 'kernel' && process.platform !== 'linux' ? 'Linux only' : false
  t.test(`connections reach every API server (${balancer})`, { skip }, async (t) => {
    const fakes = await startFakes(t, { balancer })
    await allReady(fakes)
    t.equal(fakes.cluster.view().balancer, balancer)
    const seen = new Set<string>()
    await until('both were reached', async () => {
      seen.add((await ask(`${fakes.cluster.url}/whoami`)).name)
      return seen.size === 2
    })
    t.strictSame([...seen].sort(), ['api-0', 'api-1'])
  })
}

t.test('the proxy leaves out API servers that are not ready', async (t) => {
  const { cluster } = await startFakes(t, { balancer: 'proxy', env: { FAKE_UNREADY: 'api-0' } })
  await until('api-1 is ready', () => cluster.ready('api-1'))
  for (let round = 0; round < 20; round++) {
    t.equal((await ask(`${cluster.url}/whoami`)).name, 'api-1')
  }
  t.notOk(cluster.ready('api-0'))
})

t.test('a killed child is started again at its ports, with growing pauses', async (t) => {
  const fakes = await startFakes(t)
  await allReady(fakes)
  const { cluster, events } = fakes
  const child = cluster.child('db-1')
  const { url } = cluster.view().processes[1] as { url: string }
  const pids = new Set([child.pid])
  for (let round = 1; round <= 4; round++) {
    child.kill()
    await until('it is back', () => child.restarts === round && cluster.ready('db-1'))
    pids.add(child.pid)
    t.equal((await ask(`${url}/whoami`)).pid, child.pid)
  }
  t.equal(pids.size, 5)
  t.equal(child.lastExit, 'was killed by SIGKILL')
  const pauses = events.flatMap((e) => (e.type === 'exited' ? [e.again_ms] : []))
  t.strictSame(pauses, [50, 100, 200, 200])
})

t.test('a child that ends by itself is quoted', async (t) => {
  const fakes = await startFakes(t)
  await allReady(fakes)
  const { url } = fakes.cluster.view().processes[0] as { url: string }
  await t.rejects(fetch(`${url}/exit`))
  const exit = await until('it ended', () => fakes.events.find((e) => e.type === 'exited'))
  t.match(exit, { name: 'db-0', how: 'exited with code 3', said: 'asked to end' })
})

t.test('pause stops a child for a while, resume ends that early', async (t) => {
  const fakes = await startFakes(t)
  await allReady(fakes)
  const { cluster, events } = fakes
  const child = cluster.child('db-0')
  const { pid } = child
  child.pause(100)
  t.equal(child.state, 'paused')
  t.notOk(cluster.ready('db-0'))
  await until('it goes on by itself', () => child.state === 'running' && cluster.ready('db-0'))
  child.pause(60_000)
  child.resume()
  t.equal(child.state, 'running')
  await until('it answers', () => cluster.ready('db-0'))
  t.equal(child.pid, pid, 'the same process')
  t.equal(events.filter((e) => e.type === 'resumed').length, 2)
})

t.test('a paused child can be stopped and killed', async (t) => {
  const fakes = await startFakes(t)
  await allReady(fakes)
  const child = fakes.cluster.child('db-0')
  child.pause(60_000)
  await child.stop(5000)
  t.equal(child.lastExit, 'exited with code 0', 'it could end in order')
  child.start()
  await until('it is back', () => fakes.cluster.ready('db-0'))
  child.pause(60_000)
  child.kill()
  await until('it was started again', () => child.state === 'running')
  t.equal(child.lastExit, 'was killed by SIGKILL')
})

t.test('restart comes back at once, stop stays down, start ends that', async (t) => {
  const fakes = await startFakes(t, { restart: { first_ms: 60_000, max_ms: 60_000, reset_ms: 1 } })
  await allReady(fakes)
  const { cluster } = fakes
  const child = cluster.child('db-1')
  const first = child.pid
  await child.restart(5000)
  t.equal(child.state, 'running')
  t.not(child.pid, first)
  await cluster.stopChild('db-1')
  t.equal(child.state, 'stopped')
  t.equal(child.pid, undefined)
  cluster.start('db-1')
  t.equal(child.state, 'running')
  child.kill()
  await until('it waits', () => child.state === 'waiting')
  child.start()
  t.equal(child.state, 'running', 'a start does not wait for the pause')
})

t.test('DNS names the replicas, but not one that was stopped', async (t) => {
  let server = ''
  const childEnv = () => ({})
  const fakes = await startFakes(t, {
    childEnv,
    command: (plan) => {
      server = plan.env['ORDINAL_DNS_SERVERS'] ?? ''
      return fakeOptions().command?.(plan) ?? ['false']
    },
  })
  await allReady(fakes)
  const { cluster } = fakes
  const resolver = new Resolver()
  resolver.setServers([server])
  const names = async () =>
    (await resolver.resolveSrv('_peer._tcp.db-headless.default.svc.cluster.local.'))
      .map(({ name, port }) => `${name}:${port}`)
      .sort()
  const expected = cluster
    .view()
    .processes.slice(0, 2)
    .map(({ name, ports }) => `${name}.db-headless.default.svc.cluster.local:${ports.peer}`)
  t.strictSame(await names(), expected)
  cluster.child('db-0').kill()
  t.strictSame(await names(), expected, 'a dead one keeps its name')
  await cluster.stopChild('db-1')
  t.strictSame(await names(), expected.slice(0, 1))
  cluster.start('db-1')
  t.strictSame(await names(), expected)
})

t.test('a child that ignores SIGTERM is killed after its grace', async (t) => {
  const fakes = await startFakes(t, { env: { FAKE_STUBBORN: 'db-0' } })
  await allReady(fakes)
  await fakes.cluster.stop(100)
  t.equal(fakes.cluster.child('db-0').lastExit, 'was killed by SIGKILL')
  t.equal(fakes.cluster.child('db-1').lastExit, 'exited with code 0')
})

t.test('a command that cannot be started is told and tried again', async (t) => {
  const { cluster, events } = await startFakes(t, {
    command: (plan) => (plan.name === 'db-0' ? ['/no/such/program'] : ['sleep', '60']),
  })
  await until('tried again', () => cluster.child('db-0').restarts >= 2)
  const exit = events.find((e) => e.type === 'exited')
  t.match(exit, { name: 'db-0', how: /could not be started.*ENOENT/ })
})

t.test('data, logs and the secret are kept', async (t) => {
  const data = t.testdir({})
  const first = await startFakes(t, { ephemeral: false, data })
  await allReady(first)
  t.strictSame(first.cluster.found, [])
  await t.rejects(
    startLocal(fakeOptions({ ephemeral: false, data: join(data, 'local.pid', 'x') })),
    {
      code: 'invalid-config',
      message: /cannot be written/,
    },
  )
  await first.cluster.stop()
  const secret = readFileSync(join(data, 'peer-secret'), 'utf8')
  t.match(secret, /^[0-9a-f]{64}\n$/)
  t.match(readFileSync(join(data, 'logs', 'db-0.log'), 'utf8'), /stopped in order/)
  const second = await startFakes(t, { ephemeral: false, data })
  t.equal(readFileSync(join(data, 'peer-secret'), 'utf8'), secret)
  await second.cluster.stop()
})

t.test('a port in use is refused in one line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const failure = await startLocal(fakeOptions({ port })).then(
    () => undefined,
    (error: unknown) => error,
  )
  t.ok(failure instanceof ClusterError)
  t.match(failure, { code: 'port-in-use', message: `port ${port} is in use; choose another` })
})

t.test('children end when their supervisor is killed', async (t) => {
  const script = fileURLToPath(new URL('fake-supervisor.ts', import.meta.url))
  const supervisor = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => supervisor.kill('SIGKILL'))
  const [line] = (await once(createInterface(supervisor.stdout), 'line')) as [string]
  const pids = JSON.parse(line) as number[]
  t.equal(pids.length, 4)
  t.ok(pids.every(alive))
  supervisor.kill('SIGKILL')
  await until('all have ended', () => !pids.some(alive))
})

t.test('children inherit what they are given, and no more', async (t) => {
  const fakes = await startFakes(t, {
    env: { SOME_TUNING: '1' },
    childEnv: (name) => (name === 'db-0' ? { ONLY_DB_0: '1' } : {}),
  })
  await allReady(fakes)
  const urls = fakes.cluster.view().processes.map(({ url }) => url)
  const [db0, db1] = await Promise.all(urls.slice(0, 2).map((url) => ask(`${url}/whoami`)))
  t.ok(db0?.env.includes('SOME_TUNING') && db0.env.includes('ONLY_DB_0'))
  t.ok(db1?.env.includes('SOME_TUNING') && !db1.env.includes('ONLY_DB_0'))
  t.notOk(db0?.env.includes('HOME'))
})
