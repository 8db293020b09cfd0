/** The label that the Service `db-leader` selects. */

import t from 'tap'
import { until } from '../../cluster/until.ts'
import { podPath } from './fake-api-server.ts'
import { apiServer, open } from './opened.ts'

const LEADER = { 'ordinal.dev/role': 'leader' }
const OTHERS = ['db-1', 'db-2']

t.test(
  'the leader’s Pod is labelled, and the label is taken off when it leads no more',
  async (t) => {
    const { api, kubernetes } = open(t, await apiServer(t))
    kubernetes.lead({ leading: true, others: OTHERS })
    await until('it is on', () => api.labelOf('db-0') === 'leader')
    t.same(api.get(podPath('db-0'))?.metadata['uid'], 'uid-of-db-0', 'nothing else is touched')
    kubernetes.lead({ leading: false, others: [] })
    await until('it is off', () => api.labelOf('db-0') === undefined)
  },
)

t.test('a container that starts in the leader’s Pod takes the label off', async (t) => {
  const api = await apiServer(t)
  api.pod('db-0', { ...LEADER, app: 'x' })
  open(t, api)
  await until('it is off', () => api.labelOf('db-0') === undefined)
  t.same(api.get(podPath('db-0'))?.metadata['labels'], { app: 'x' })
})

t.test('a new leader takes the label off Pods that cannot do it themselves', async (t) => {
  const api = await apiServer(t)
  api.pod('db-1', LEADER)
  const { kubernetes } = open(t, api)
  kubernetes.lead({ leading: true, others: OTHERS })
  await until('only db-0 has it', () => {
    return api.labelOf('db-0') === 'leader' && api.labelOf('db-1') === undefined
  })
  t.equal(api.count(/PATCH .*db-2/), 0, 'a Pod without it is left alone')
  api.delete(podPath('db-2'))
  api.pod('db-1', LEADER)
  await until('looked again', () => api.labelOf('db-1') === undefined)
  t.same(kubernetes.notes(), [], 'a Pod that is not there is no trouble')
})

t.test('a label that somebody took off the leader’s Pod comes back', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  kubernetes.lead({ leading: true, others: [] })
  await until('it is on', () => api.labelOf('db-0') === 'leader')
  api.pod('db-0')
  await until('it is on again', () => api.labelOf('db-0') === 'leader')
  const patches = api.count(/PATCH .*db-0/)
  const looks = api.count(/GET .*pods\/db-0/)
  await until('it looks on', () => api.count(/GET .*pods\/db-0/) > looks + 2)
  t.equal(api.count(/PATCH .*db-0/), patches, 'looking is not patching')
})

t.test('a Pod that changed after it was read is read again first', async (t) => {
  const api = await apiServer(t)
  api.pod('db-1', LEADER)
  const { kubernetes } = open(t, api)
  api.troubles.push({ on: /PATCH .*db-1/, does: 409, times: 1 })
  kubernetes.lead({ leading: true, others: ['db-1'] })
  await until('it is off', () => api.labelOf('db-1') === undefined)
  t.equal(api.count(/GET .*db-1/), 2)
  const patch = api.requests.find(({ method, path }) => `${method} ${path}`.match(/PATCH .*db-1/))
  t.match(patch?.body, { metadata: { resourceVersion: /^\d+$/ } })
  t.same(kubernetes.notes(), [])
})

t.test('it is tried until it works, and what is wanted last is what is done', async (t) => {
  const { api, kubernetes, lines } = open(t, await apiServer(t))
  await until('the start is over', () => api.count(/PATCH .*db-0/) === 1)
  api.troubles.push({ on: /PATCH .*db-0/, does: 500, times: 4 })
  kubernetes.lead({ leading: true, others: [] })
  await until('it is on', () => api.labelOf('db-0') === 'leader')
  t.equal(api.count(/PATCH .*db-0/), 6)
  t.equal(lines.filter(({ level }) => level === 'warn').length, 1)
  api.troubles.push({ on: /PATCH .*db-0/, does: 'hang', times: 1 })
  kubernetes.lead({ leading: false, others: [] })
  kubernetes.lead({ leading: true, others: [] })
  kubernetes.lead({ leading: false, others: [] })
  await until('it is off', () => api.labelOf('db-0') === undefined)
})

t.test('who leads no more takes the label off nobody else', async (t) => {
  const api = await apiServer(t)
  api.pod('db-1', LEADER)
  const { kubernetes } = open(t, api)
  api.troubles.push({ on: /GET .*pods\/db-1/, does: 'hang' })
  kubernetes.lead({ leading: true, others: ['db-1'] })
  await until('db-1 is looked at', () => api.count(/GET .*pods\/db-1/) > 0)
  kubernetes.lead({ leading: false, others: [] })
  api.troubles.length = 0
  await until('db-0 is not labelled', () => api.labelOf('db-0') === undefined)
  t.equal(api.labelOf('db-1'), 'leader')
  t.equal(api.count(/PATCH .*db-1/), 0)
})

t.test('what does not change costs no call', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  await until('the start is over', () => api.count(/PATCH/) === 1)
  for (let at = 0; at < 100; at += 1) kubernetes.lead({ leading: false, others: [`db-${at}`] })
  kubernetes.lead({ leading: true, others: ['db-1'] })
  await until('db-1 was looked at', () => api.count(/GET .*pods\/db-1/) === 1)
  t.equal(api.count(/PATCH/), 2)
})
