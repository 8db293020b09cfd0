import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { until } from './until.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const OLD_NODE = findOldNode()

type Run = {
  readonly child: ChildProcess
  readonly out: () => string
  readonly errors: () => string
  /** Resolves to the exit code. */
  readonly ended: Promise<number | null>
}

/** A Node on the PATH that is too old, if there is one. */
function findOldNode(): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'node'))
  return places.filter(existsSync).find((place) => {
    const [major = 0, minor = 0] = execFileSync(place, ['-p', 'process.versions.node'], {
      encoding: 'utf8',
    })
      .split('.')
      .map(Number)
    return major < 24 || (major === 24 && minor < 12)
  })
}

function ordinal(
  t: Test,
  args: readonly string[],
  { node = process.execPath, env = {} }: { node?: string; env?: Record<string, string> } = {},
): Run {
  // The test runner preloads code into every process that a test starts; this takes it out.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', node, MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  let errors = ''
  child.stdout?.on('data', (part) => {
    out += part
  })
  child.stderr?.on('data', (part) => {
    errors += part
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { child, out: () => out, errors: () => errors, ended }
}

t.test('the way a new user goes: start, write, read, Ctrl-C', async (t) => {
  const run = ordinal(t, ['local', '--ephemeral', '--port', '0'])
  await until('it says that it is ready', () => /^Ready after/m.test(run.out()), 30_000)
  const put = /curl (-X PUT --data-binary \S+ (\S+))/.exec(run.out())
  const url = `http://${put?.[2]}`
  const written = await fetch(url, { method: 'PUT', body: 'hello' })
  t.equal(written.status, 201)
  t.equal(await (await fetch(url)).text(), 'hello')
  t.match(run.out(), /db-0 +leads \(term \d+\)/)
  t.notMatch(run.out(), '\u001b', 'no colours where there is no terminal')
  const [, folder = ''] = /data in (\S+)/.exec(run.out()) ?? []
  t.ok(existsSync(folder))
  run.child.kill('SIGINT')
  t.equal(await run.ended, 0)
  t.equal(run.errors(), '')
  t.equal(run.out().match(/exited with code 0, stays down/g)?.length, 5, 'all ended in order')
  t.notOk(existsSync(folder))
})

t.test('a port in use is one clear line', async (t) => {
  const other = createServer().listen(0, '127.0.0.1')
  t.teardown(() => other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const run = ordinal(t, ['local', '--ephemeral', '--port', String(port)])
  t.equal(await run.ended, 1)
  t.equal(run.errors(), `ordinal: port ${port} is in use; choose another with --port\n`)
  const control = ['local', '--ephemeral', '--port', '0', '--control-port', String(port)]
  const second = ordinal(t, control)
  t.equal(await second.ended, 1)
  t.equal(second.errors(), `ordinal: port ${port} is in use; choose another with --control-port\n`)
})

t.test('two ports that cannot be had together are one clear line', async (t) => {
  const same = ordinal(t, ['local', '--ephemeral', '--port', '18080', '--control-port', '18080'])
  t.equal(await same.ended, 1)
  t.equal(same.errors(), 'ordinal: --port and --control-port are both 18080\n')
  const last = ordinal(t, ['local', '--ephemeral', '--port', '65535'])
  t.equal(await last.ended, 1)
  t.match(last.errors(), /^ordinal: no port lies above 65535.*\n$/)
})

t.test('when nobody reads its output any more, it stops in order', async (t) => {
  const run = ordinal(t, ['local', '--ephemeral', '--port', '0', '--replicas', '1', '--api', '1'])
  await until('it says where its data is', () => /data in \S+/.test(run.out()))
  const [, folder = ''] = /data in (\S+)/.exec(run.out()) ?? []
  t.ok(existsSync(folder))
  run.child.stdout?.destroy()
  t.equal(await run.ended, 0)
  t.equal(run.errors(), '')
  t.notOk(existsSync(folder))
})

t.test('a URL that is none is one clear line', async (t) => {
  const run = ordinal(t, ['bootstrap', '--force', '--url', 'garbage'])
  t.equal(await run.ended, 1)
  t.equal(run.errors(), 'ordinal: --url is "garbage", expected http://<host>:<port>\n')
})

t.test('a folder that cannot be written is one clear line', async (t) => {
  const run = ordinal(t, ['local', '--port', '0', '--data', '/dev/null/data'])
  t.equal(await run.ended, 1)
  t.match(run.errors(), /^ordinal: the folder \/dev\/null\/data cannot be written \(ENOTDIR\).*\n$/)
})

t.test('a wrong variable is one clear line', async (t) => {
  const run = ordinal(t, ['replica'], { env: { ORDINAL_NAME: 'nobody' } })
  t.equal(await run.ended, 1)
  t.match(run.errors(), /^ordinal: ORDINAL_NAME is "nobody", expected .*\n$/)
})

t.test('a wrong call exits with 2 and says what is right', async (t) => {
  const run = ordinal(t, ['local', '--replicas', 'many'])
  t.equal(await run.ended, 2)
  t.match(run.errors(), /Expected a whole number from 1 to 9/)
  const unused = ordinal(t, ['local', '--ephemeral', '--data', 'x'])
  t.equal(await unused.ended, 2)
  t.match(unused.errors(), /--ephemeral' cannot be used with option '--data/)
  const help = ordinal(t, ['--help'])
  t.equal(await help.ended, 0)
  t.match(help.out(), / {2}local[\s\S]* {2}replica[\s\S]* {2}api[\s\S]* {2}bootstrap/)
})

const skip = OLD_NODE === undefined ? 'every Node on the PATH is new enough' : false
t.test('a Node too old says so in one line', { skip }, async (t) => {
  const run = ordinal(t, ['local'], { node: OLD_NODE ?? '' })
  t.equal(await run.ended, 1)
  t.match(run.errors(), /^ordinal: needs Node 24\.12 or newer, this is v\d+\.\d+\.\d+ .*\n$/)
  t.equal(run.out(), '')
})
