import t from 'tap'
import { checkServices, type ServicePlace } from '../../../src/doctor/endpoints.ts'
import type { HttpAnswer, HttpGet } from '../../../src/doctor/http-get.ts'
import { checkUrl } from '../../../src/doctor/url.ts'
import { ClusterError, type ErrorCode } from '../../../src/shared/errors.ts'
import { answer, peers, statusOf, target, wellGet } from './peer-stage.ts'
import { led, picture, row, short } from './pictures.ts'

t.test('replicas in order: DNS, each peer, its volume and clock, and the cluster', async (t) => {
  const urls: string[] = []
  const get: HttpGet = (url, options) => {
    urls.push(url)
    return wellGet(url, options)
  }
  const found = await peers({ get, targets: [target(0), target(1, 'fd00::1'), target(2)] })
  t.equal(found.length, 1 + 3 * 3 + 5)
  t.ok(found.every((line) => line.startsWith('ok')))
  t.match(found, ['ok dns -: _peer._tcp.x. names db-0, db-1, db-2', /10\.0\.0\.0:7070, leader/])
  t.ok(urls.includes('http://[fd00::1]:9090/status'))
})

t.test('what DNS lacks is said', async (t) => {
  const none = await peers({ targets: new ClusterError('no-replica', 'ENOTFOUND') })
  t.same(none, ['failed dns -: ENOTFOUND'])
  t.match(await peers({ targets: [] }), [/^failed dns -: it names no replica/])
  const two = await peers({ targets: [target(0), { ...target(1), host: undefined }] })
  t.match(two, [/^ok dns/, /^ok peer db-0/])
  t.ok(two.some((line) => /^failed peer db-1: .* has no address/.test(line)))
  t.ok(two.includes('failed dns db-2: it has no SRV record'))
})

t.test('a peer that refuses is told with its code’s words; the others are looked at', async (t) => {
  const codes = ['unauthorized', 'tls-refused', 'internal'] as const
  for (const code of codes) {
    const found = await peers({ refuse: (ordinal) => (ordinal === 1 ? code : undefined) })
    t.ok(found.includes('failed peer db-1: refused by 1'), code)
    t.ok(found.some((line) => line.startsWith('ok peer db-2')))
  }
  const broken = await peers({ broken: true })
  t.equal(broken.filter((line) => /^failed peer .*the link broke: gone/.test(line)).length, 3)
  t.notOk(
    broken.some((line) => / quorum /.test(line)),
    'nobody gave a picture',
  )
})

t.test('of several pictures the leader’s counts, of the highest term', async (t) => {
  const old = statusOf(1, { role: 'leader', term: 3 })
  const found = await peers({ statuses: [statusOf(0), old, statusOf(2, { clusterId: 'other' })] })
  t.ok(found.includes('ok leader db-0: leads in term 4 (lowest ordinal)'))
  t.ok(found.includes('failed quorum -: there are 2 cluster ids'))
})

t.test('a metrics port that cannot be reached is no failure', async (t) => {
  const found = await peers({
    get: async () => {
      throw new ClusterError('no-replica', 'timed out')
    },
  })
  t.equal(
    found.filter((line) => /^skipped clock db-\d: metrics port 9090: timed/.test(line)).length,
    3,
  )
  t.notOk(found.some((line) => line.startsWith('failed')))
  const empty = await peers({ get: async () => answer(200, {}) })
  t.ok(empty.includes('skipped volume db-0: it has written nothing yet'))
})

type ServicesStage = {
  find: (service: string) => ServicePlace | undefined
  get: HttpGet
  inCluster?: boolean
}

async function services({ find, get, inCluster = true }: ServicesStage) {
  const place = async (service: string) => find(service)
  const options = { cluster: 'db', secure: true, token: 'good', inCluster }
  return short(await checkServices({ ...options, find: place, get }))
}

const place = (service: string) => ({
  name: `${service}.default.svc.x`,
  host: '10.9.0.1',
  port: 80,
})

t.test('each Service is asked who answers, by its own name', async (t) => {
  const asked: unknown[] = []
  const get: HttpGet = async (url, options) => {
    asked.push([url, options])
    return answer(200, { name: 'db-0', role: 'leader' })
  }
  t.match(await services({ find: place, get }), [
    'ok service db-api: 10.9.0.1:80, db-0 answers',
    /^ok service db-api-lb/,
    /^ok service db-leader/,
    /^ok service db-read/,
  ])
  t.same(asked[0], [
    'https://10.9.0.1:80/v1/whoami',
    { token: 'good', servername: 'db-api.default.svc.x' },
  ])
})

t.test('a Service that is missing, empty, foreign or behind is told apart', async (t) => {
  const never: HttpGet = async () => answer(200, {})
  const missing = { find: () => undefined, get: never }
  t.match(await services(missing), [
    'warning service db-api: DNS knows no such Service',
    /^skipped/,
    /^skip/,
    /^skip/,
  ])
  const denied = { find: (service: string) => ({ ...place(service), host: undefined }), get: never }
  for (const line of await services(denied)) t.match(line, /^warning .*DNS is behind.*no address/)
  t.match(await services({ ...missing, inCluster: false }), [/^skipped service db-api/])
  const failing = (code: ErrorCode) => async () => {
    throw new ClusterError(code, code)
  }
  t.match(await services({ find: place, get: failing('no-replica') }), [/^failed .*no-replica/])
  t.match(await services({ find: place, get: failing('tls-refused') }), [/^failed .*tls-refused/])
  const get401: HttpGet = async () => answer(401, {})
  t.match(await services({ find: place, get: get401 }), [/^failed .*wants a token/])
  t.match(await services({ find: place, get: async () => answer(404, {}) }), [/answers 404/])
  const follower: HttpGet = async () => answer(200, { name: 'db-1', role: 'follower' })
  t.match(await services({ find: place, get: follower }), [
    /^ok service db-api:/,
    /^ok service db-api-lb/,
    /^warning service db-leader: .*which is no leader/,
    /^ok service db-read/,
  ])
})

t.test('through one URL: who answers, its clock, and the cluster', async (t) => {
  const url = 'http://localhost:8080'
  const through = async (cluster: HttpAnswer, whoami = answer(200, { name: 'api-0' })) => {
    const get: HttpGet = async (asked) => (asked.endsWith('/v1/whoami') ? whoami : cluster)
    return short(await checkUrl({ url, get, token: undefined }))
  }
  const good = await through(answer(200, led([row(0, 'leader'), row(1), row(2)])))
  t.equal(good.length, 7)
  t.ok(
    good.every((line) => line.startsWith('ok')),
    good.join('\n'),
  )
  const refused = answer(503, { code: 'quorum-lost', detail: 'a majority is missing' })
  t.ok((await through(refused)).includes('failed quorum -: quorum-lost: a majority is missing'))
  t.match(await through(refused, answer(401, {})), [/^failed url .*it wants a token/])
  t.match(await through(refused, answer(200, 'hello')), [/^failed url .*it answers 200/])
  const nobody = picture([row(0, 'learner')], undefined)
  t.ok((await through(answer(200, nobody))).some((line) => line.startsWith('failed leader')))
  const dead: HttpGet = async () => {
    throw new ClusterError('no-replica', 'refused')
  }
  t.same(short(await checkUrl({ url, get: dead, token: undefined })), [
    `failed url ${url}: refused`,
  ])
})
