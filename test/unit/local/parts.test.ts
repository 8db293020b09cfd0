import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDataFolder } from '../../../src/local/data-folder.ts'
import { freePorts, kernelBalances, requirePort } from '../../../src/local/free-ports.ts'
import { KEY_HELP, readKey } from '../../../src/local/keys.ts'
import { boundLog, lastLine } from '../../../src/local/log-file.ts'
import { planChildren } from '../../../src/local/plan.ts'
import { RESTART_POLICY, restartPause } from '../../../src/local/restart-pause.ts'
import { readApiConfig, readReplicaConfig } from '../../../src/shared/config.ts'

t.test('the restart pause doubles, stops growing, and starts again after a good run', async (t) => {
  const pauses: number[] = []
  let last = 0
  for (let death = 0; death < 9; death++) {
    last = restartPause(RESTART_POLICY, last, 1000)
    pauses.push(last)
  }
  t.strictSame(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
  t.equal(restartPause(RESTART_POLICY, last, 59_999), 30_000)
  t.equal(restartPause(RESTART_POLICY, last, 60_000), 500)
})

t.test('free ports differ, and lie below the ephemeral range', async (t) => {
  const ports = await freePorts(20)
  t.equal(new Set(ports).size, 20)
  t.ok(ports.every((port) => port >= 20_000 && port < 32_000))
  await t.resolves(requirePort(ports[0] as number, '--port'))
  t.equal(await kernelBalances(), process.platform === 'linux')
})

t.test('a port is given once, here and to all other processes together', async (t) => {
  const source = new URL('../../../src/local/free-ports.ts', import.meta.url).href
  const script = `
    import { freePorts } from ${JSON.stringify(source)}
    const ports = (await Promise.all([freePorts(70), freePorts(70)])).flat()
    process.stdout.write(JSON.stringify(ports))
    process.on('SIGTERM', () => process.exit()) // The claim lasts as long as the process.
    setInterval(() => {}, 1000)`
  const given = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const other = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => other.kill())
      let text = ''
      for await (const chunk of other.stdout) {
        text += chunk
        if (text.endsWith(']')) return JSON.parse(text) as number[]
      }
      throw new Error('another process gave no ports')
    }),
  )
  const ports = [...given.flat(), ...(await freePorts(150)), ...(await freePorts(150))]
  t.equal(new Set(ports).size, 4 * 140 + 300)
})

t.test('a folder is used by one process at a time', async (t) => {
  const path = t.testdir({ 'db-0': {}, 'db-10': {}, other: {} })
  const folder = await openDataFolder(path, { ephemeral: false })
  t.strictSame([...folder.found].sort(), ['db-0', 'db-10'])
  t.equal(statSync(folder.secretFile).mode & 0o777, 0o600)
  const pidFile = join(path, 'local.pid')
  writeFileSync(pidFile, `${process.ppid}\n`)
  await t.rejects(openDataFolder(path, { ephemeral: false }), {
    code: 'invalid-config',
    message: new RegExp(`in use by process ${process.ppid}`),
  })
  writeFileSync(pidFile, `${2 ** 30}\n`)
  await t.resolves(openDataFolder(path, { ephemeral: false }), 'its process has died')
  await folder.close()
  t.notOk(existsSync(pidFile))
  t.ok(existsSync(join(path, 'db-0')))
})

t.test('a folder that cannot be written is one line', async (t) => {
  const path = t.testdir({ file: 'x' })
  chmodSync(path, 0o700)
  await t.rejects(openDataFolder(join(path, 'file', 'data'), { ephemeral: false }), {
    code: 'invalid-config',
    message: /^the folder .*file.data cannot be written \(ENOTDIR\); choose another with --data$/,
  })
})

t.test('a folder without a name is refused: it would be the present one', async (t) => {
  await t.rejects(openDataFolder('', { ephemeral: false }), {
    code: 'invalid-config',
    message: /^--data names no folder/,
  })
})

t.test('folders above it are made; where none can be, it does not try for ever', async (t) => {
  const path = join(t.testdir({}), 'a', 'b', 'c')
  const folder = await openDataFolder(path, { ephemeral: false })
  t.ok(statSync(folder.logs).isDirectory())
  await folder.close()
  if (process.platform !== 'linux') return
  await t.rejects(openDataFolder('/proc/ordinal/data', { ephemeral: false }), {
    code: 'invalid-config',
    message: /^the folder \/proc\/ordinal\/data cannot be written \(ENOENT\); choose another/,
  })
})

t.test('a log is kept short, its end is quoted', async (t) => {
  const path = join(t.testdir({ 'a.log': 'one\ntwo\n' }), 'a.log')
  t.equal(await lastLine(path), 'two')
  await boundLog(path, 8)
  t.equal(readFileSync(path, 'utf8'), 'one\ntwo\n', 'not too large')
  await boundLog(path, 7)
  t.equal(readFileSync(path, 'utf8'), '')
  t.equal(readFileSync(`${path}.1`, 'utf8'), 'one\ntwo\n')
  t.equal(await lastLine(path), '')
  writeFileSync(path, `${'x'.repeat(9000)}\n{"msg":"cannot start","err":{"message":"disk full"}}\n`)
  t.equal(await lastLine(path), 'cannot start: disk full')
  writeFileSync(path, '{"msg":"cut o')
  t.equal(await lastLine(path), '{"msg":"cut o')
})

t.test('every key that the help names does something', async (t) => {
  t.strictSame(readKey('k', undefined), { type: 'act', action: 'kill', name: 'leader' })
  t.strictSame(readKey('1', undefined), { type: 'choose', ordinal: 1 })
  t.strictSame(readKey('k', 1), { type: 'act', action: 'kill', name: 'db-1' })
  t.strictSame(readKey('\u0003', undefined), { type: 'quit' })
  t.strictSame(readKey('x', 1), { type: 'none' })
  const named = [...KEY_HELP.matchAll(/(?:^|\s{2,})([a-z])\s{2,3}\S/gm)].map((match) => match[1])
  t.strictSame([...named].sort(), ['c', 'h', 'k', 'l', 'p', 'q', 'r', 's'])
  for (const key of [...named, 'u']) t.not(readKey(key as string, undefined).type, 'none')
})

t.test('the plan is a configuration that the children accept', async (t) => {
  const folder = await openDataFolder(t.testdir({}), { ephemeral: false })
  const plans = await planChildren({
    replicas: 3,
    api: 1,
    folder,
    dnsServer: '127.0.0.1:5300',
    sharedPort: 8080,
    env: { ORDINAL_ELECTION_TIMEOUT: '2s', ORDINAL_NAME: 'overruled-1' },
    childEnv: undefined,
  })
  const replica = readReplicaConfig(plans[2]?.env ?? {})
  t.match(replica, {
    name: 'db-2',
    ordinal: 2,
    cluster: 'db',
    replicas: 3,
    electionTimeout_ms: 2000,
    service: 'db-headless',
    clusterDomain: 'cluster.local',
    dnsServers: ['127.0.0.1:5300'],
    host: '127.0.0.1',
    data: join(folder.path, 'db-2'),
    peerSecretFile: folder.secretFile,
    advertise: `127.0.0.1:${plans[2]?.ports.peer}`,
    faults: true,
  })
  const api = readApiConfig(plans[3]?.env ?? {})
  t.match(api, { name: 'api-0', cluster: 'db', sharedPort: 8080, shutdownDelay_ms: 0 })
  await folder.close()
})
