/** Events on the own Pod. */

import t from 'tap'
import { EVENTS_BURST_MAX, EVENTS_WAITING_MAX } from '../../../src/shared/limits.ts'
import { until } from '../../cluster/until.ts'
import { apiServer, open } from './opened.ts'

const event = (kind: string, text = kind) =>
  ({ type: 'Normal', reason: 'BecameLeader', kind, text }) as const

t.test('an Event is about the Pod, so that kubectl describe finds it', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  kubernetes.tell({ ...event('stand-in', 'leads in term 4'), type: 'Warning' })
  await until('it is told', () => api.events().length === 1)
  t.match(api.events()[0], {
    kind: 'Event',
    metadata: { name: /^db-0\.[0-9a-f]{16}$/, namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'db-0', namespace: 'default', uid: 'uid-of-db-0' },
    type: 'Warning',
    reason: 'BecameLeader',
    message: 'leads in term 4',
    count: 1,
    firstTimestamp: /^\d{4}-.*Z$/,
    source: { component: 'ordinal' },
  })
})

t.test('the same again is counted, with its latest text', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  for (let term = 1; term <= 3; term += 1) {
    kubernetes.tell(event('stand-in', `leads in term ${term}`))
    await until('it is told', () => api.events()[0]?.['message'] === `leads in term ${term}`)
  }
  kubernetes.tell(event('hand-back'))
  await until('another kind is another Event', () => api.events().length === 2)
  t.match(api.events()[0], { count: 3, message: 'leads in term 3' })
  t.equal(api.count(/POST .*events/), 2)
})

t.test('what was said while nobody listened is counted together', async (t) => {
  const { api, kubernetes, lines } = open(t, await apiServer(t))
  await api.vanish()
  for (let term = 1; term <= 30; term += 1) kubernetes.tell(event('stand-in', `term ${term}`))
  await until('it was tried', () => lines.length > 0)
  kubernetes.tell(event('stand-in', 'term 31'))
  await api.appear()
  await until('it is told', () => api.events()[0]?.['count'] === 31)
  t.match(api.events(), [{ message: 'term 31' }])
})

t.test('what happens while a telling fails is added to it', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  api.troubles.push({ on: /POST .*events/, does: 'hang', times: 1 })
  kubernetes.tell(event('stand-in', 'term 1'))
  await until('it hangs', () => api.count(/POST .*events/) === 1)
  kubernetes.tell(event('stand-in', 'term 2'))
  await until('both are told', () => api.events().length === 1)
  t.match(api.events(), [{ count: 2, message: 'term 2' }])
  api.troubles.splice(0, 1, { on: /PATCH .*events/, does: 'hang', times: 1 })
  kubernetes.tell(event('stand-in', 'term 3'))
  await until('it hangs', () => api.count(/PATCH .*events/) === 1)
  kubernetes.tell(event('stand-in', 'term 4'))
  await until('all are told', () => api.events()[0]?.['message'] === 'term 4')
  t.match(api.events(), [{ count: 4 }])
})

t.test('an Event that the API server forgot is told anew', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  kubernetes.tell(event('stand-in'))
  await until('it is told', () => api.events().length === 1)
  for (const path of api.paths(/\/events\//)) api.delete(path)
  kubernetes.tell(event('stand-in'))
  await until('there is another', () => api.events().length === 1)
  t.match(api.events()[0], { count: 1 })
})

t.test('few are told in a short time, and few wait', async (t) => {
  // On a clock that stands still no pause ever ends.
  const api = await apiServer(t)
  const still = { now_ms: () => 0, wall_ms: () => 0, after: () => ({ cancel: () => undefined }) }
  const { kubernetes } = open(t, api, 'db-0', still)
  const all = EVENTS_BURST_MAX + EVENTS_WAITING_MAX + 5
  for (let at = 0; at < all; at += 1) {
    kubernetes.tell(event(`kind ${at}`))
    if (at < EVENTS_BURST_MAX) await until('it is told', () => api.events().length === at + 1)
  }
  await kubernetes.readMarker(1000)
  t.equal(api.events().length, EVENTS_BURST_MAX)

  const other = open(t, await apiServer(t))
  for (let at = 0; at < all; at += 1) other.kubernetes.tell(event(`kind ${at}`))
  const last = `kind ${all - 1}`
  await until('the last one is told', () =>
    other.api.events().some(({ message }) => message === last),
  )
  t.ok(other.api.events().length <= EVENTS_WAITING_MAX + 1, 'the oldest were dropped')
})

t.test(
  'without the right to read the Pod, Events go without its uid; refused they are kept',
  async (t) => {
    const api = await apiServer(t)
    api.troubles.push({ on: /GET .*pods/, does: 403 }, { on: /POST .*events/, does: 403, times: 2 })
    const { kubernetes } = open(t, api)
    kubernetes.tell(event('stand-in'))
    await until('it is told', () => api.events().length === 1)
    const about = { apiVersion: 'v1', kind: 'Pod', name: 'db-0', namespace: 'default' }
    t.same(api.events()[0]?.['involvedObject'], about)
    api.troubles.push({ on: /PATCH .*events/, does: 422 })
    kubernetes.tell(event('stand-in'))
    kubernetes.tell(event('hand-back'))
    await until('the next one is told', () => api.events().length === 2)
    t.match(api.events()[0], { count: 1 }, 'what the API server never takes is given up')
  },
)

t.test('a long text is cut', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  kubernetes.tell(event('long', 'x'.repeat(5000)))
  await until('it is told', () => api.events().length === 1)
  t.equal(api.events()[0]?.['message'], 'x'.repeat(1024))
})
