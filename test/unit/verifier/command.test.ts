import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startServer, startTiny } from './tiny-server.ts'
import { lastLine, verify } from './verify-command.ts'

/** Of a run that ends by a condition, not by time. */
const LONG_MS = 60_000

t.test('a store that is right: 0, and its keys are deleted again', async (t) => {
  const { url, store } = await startTiny(t)
  const { code, out, err } = await verify({ url: [`${url}/`] })
  t.equal(code, 0)
  t.match(out, /^Verdict: linearizable, 0 of [\d,]+ acknowledged writes lost$/m)
  t.match(out, /^Longest gap without a successful write: \d+/m)
  t.match(out, /^Again with the same choices: --seed 7$/m)
  t.match(err, /^Verifying http/)
  t.equal(store.keys, 0)
})

t.test('a store that throws writes away: 1, with a counterexample', async (t) => {
  const { url, store } = await startTiny(t, { lies: 'writes' })
  const html = join(t.testdir(), 'page.html')
  const until = { signal: store.liedEnough }
  const { code, out } = await verify({ url: [url], html, duration: LONG_MS }, until)
  t.equal(code, 1)
  t.match(out, /^Verdict: not linearizable: [\d,]+ proofs?/m)
  t.match(out, /^1\. not-linearizable, key verify/m)
  t.match(out, / ✗ {2}\+/)
  t.ok(store.keys > 0, 'what was proved wrong is left to be looked at')
  t.match(readFileSync(html, 'utf8'), /<h2>What is wrong<\/h2>/)
})

t.test('a store that answers old values: 1', async (t) => {
  const { url, store } = await startTiny(t, { lies: 'reads' })
  const until = { signal: store.liedEnough }
  const { code, out } = await verify({ url: [url], duration: LONG_MS }, until)
  t.equal(code, 1)
  t.match(out, /which had replaced that, was acknowledged/)
})

t.test('the report for programs', async (t) => {
  const { url } = await startTiny(t)
  const { code, out } = await verify({ url: [url], json: true, rate: 300 })
  const report = JSON.parse(out)
  t.equal(code, 0)
  t.match(report.verdict, { holds: 'yes', exitCode: 0, findingsTotal: 0, findings: [] })
  t.match(report.run, { seed: 7, rate: 300, clients: 4, failures: 0, leader: 'db-0' })
  t.ok(report.run.operations <= 100, 'the rate was kept')
  t.ok(report.checked.confirmed === report.checked.acknowledged)
  t.ok(report.run.byOperation.put.latency_ms.p50 > 0)
})

t.test('nobody at the URL: 2, one line', async (t) => {
  const { code, out, err } = await verify({ url: ['http://127.0.0.1:1'] })
  t.equal(code, 2)
  t.equal(out, '')
  t.equal(
    lastLine(err),
    'ordinal: could not tell: http://127.0.0.1:1 does not answer: connect ECONNREFUSED 127.0.0.1:1',
  )
})

t.test('something else at the URL: 2, one line', async (t) => {
  const url = await startServer(t, (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>hello</h1>')
  })
  const { code, err } = await verify({ url: [url] })
  t.equal(code, 2)
  t.match(
    lastLine(err),
    /answers, but is no Ordinal \(GET \/v1\/cluster: status 200, text\/html\)$/,
  )
})

t.test('a URL that is none: 2, one line', async (t) => {
  const { code, err } = await verify({ url: ['localhost:8080'] })
  t.equal(code, 2)
  t.match(lastLine(err), /"localhost:8080" is no URL like http:\/\/localhost:8080$/)
})

t.test('two clusters: 2, one line', async (t) => {
  const { url } = await startTiny(t)
  const other = await startServer(t, (_, response) => {
    const document = { clusterId: 'c2', name: 'db', history: 'h', term: 1 }
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(document))
  })
  const { code, err } = await verify({ url: [url, other] })
  t.equal(code, 2)
  t.match(lastLine(err), / belong to different clusters$/)
})

for (const refuses of ['writes', 'all'] as const) {
  t.test(`a cluster that refuses ${refuses}: 2, and why`, async (t) => {
    const { url } = await startTiny(t, { refuses })
    const { code, out } = await verify({ url: [url] })
    t.equal(code, 2)
    t.match(
      lastLine(out),
      /^Verdict: could not tell: no write succeeded in [\d.]+ s; mostly quorum-lost: a majority of/,
    )
  })
}

t.test('a server that hangs: 2', async (t) => {
  const { url } = await startTiny(t)
  let asked = 0
  const hanging = await startServer(t, (request, response) => {
    if (request.url !== '/v1/cluster' || asked++ > 0) return
    void fetch(`${url}/v1/cluster`).then(async (answer) => {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(await answer.text())
    })
  })
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 50)
  const result = verify({ url: [hanging], timeout: 10, duration: 60_000 }, { signal: stop.signal })
  const { code, out } = await result
  t.equal(code, 2)
  t.match(out, /no write succeeded in [\d.]+ s; mostly no-answer: no answer in time/)
  t.match(lastLine(out), /the run was ended before its time/)
})

t.test('a cluster whose keys cannot be read in the end: 2', async (t) => {
  const { url } = await startTiny(t, { endsAfter_ms: 400 })
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 600)
  const { code, out } = await verify({ url: [url], duration: 60_000 }, { signal: stop.signal })
  t.equal(code, 2)
  t.match(out, /^Verdict: could not tell: \d+ keys could not be read in the end/m)
})

t.test('data that was replaced meanwhile: 2', async (t) => {
  const { url } = await startTiny(t, { replacedAfter_ms: 200 })
  const { code, out } = await verify({ url: [url], duration: 60_000 })
  t.equal(code, 2)
  t.match(out, /^Verdict: could not tell: the data of the cluster was replaced/m)
  t.match(out, /its history id was h1, then h2/)
})

t.test('ended early it reports what it has', async (t) => {
  const { url } = await startTiny(t)
  const stop = new AbortController()
  setTimeout(() => stop.abort(), 150)
  const { code, out } = await verify({ url: [url], duration: 60_000 }, { signal: stop.signal })
  t.equal(code, 0)
  t.match(lastLine(out), /the run was ended before its time/)
})

t.test('on a terminal one line is written over', async (t) => {
  const { url } = await startTiny(t)
  const { err } = await verify({ url: [url], duration: 800, rate: 100 }, { terminal: true })
  const [, line = ''] = err.split('\r\u001b[K')
  t.match(
    line,
    /^\d+\/1 s · \d+ operations\/s · .* · 0 failures · no write for \d+ ms · db-0 leads/,
  )
  t.ok(err.endsWith('\r\u001b[K'), 'nothing of it stays')
})

t.test('the report for programs where there is none says why', async (t) => {
  const folder = t.testdir({ 'some.log': 'hello' })
  const commands = [{ url: ['http://127.0.0.1:1'] }, { check: join(folder, 'some.log') }]
  for (const command of commands) {
    const { code, out, err } = await verify({ ...command, json: true })
    const { error, verdict } = JSON.parse(out)
    t.equal(code, 2)
    t.match(verdict, { holds: 'undecided', exitCode: 2 })
    t.equal(lastLine(err), `ordinal: could not tell: ${error}`)
  }
})

t.test(
  'the report for programs says of a run without writes what its exit code says',
  async (t) => {
    const { url } = await startTiny(t, { refuses: 'writes' })
    const { code, out } = await verify({ url: [url], json: true })
    const { verdict, run } = JSON.parse(out)
    t.equal(code, 2)
    t.match(verdict, { holds: 'undecided', exitCode: 2 })
    t.equal(run.byOperation.put.ok, 0)
    t.strictSame(run.byOperation.put.latency_ms, { p50: null, p90: null, p99: null, max: null })
  },
)
