/** What a replica reads and writes, and what it says when it cannot. */

import t from 'tap'
import { Latest } from '../../../src/kubernetes/latest.ts'
import { Standing } from '../../../src/kubernetes/standing.ts'
import { systemClock } from '../../../src/shared/clock.ts'
import { KUBERNETES_CALL_MS_MAX } from '../../../src/shared/limits.ts'
import { until } from '../../cluster/until.ts'
import { MARKER_PATH, SCALE_PATH } from './fake-api-server.ts'
import { apiServer, keptLog, open } from './opened.ts'

const MARKER = { clusterId: 'cluster-1', history: 'history-1' }

t.test('the scale is read at once, again and again, and on demand', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  await until('it was read', () => kubernetes.topology)
  t.same(kubernetes.topology, { first: 0, replicas: 3, ending: false })
  api.scale({ replicas: 5, ordinals: { start: 2 } })
  t.same(await kubernetes.readTopology(2000), { first: 2, replicas: 5, ending: false })
  t.same(kubernetes.topology, { first: 2, replicas: 5, ending: false }, 'it is remembered')
  api.scale({})
  await until('it was polled', () => kubernetes.topology?.replicas === 1)
  api.scale({ replicas: 0 }, { deletionTimestamp: '2026-01-01T00:00:00Z' })
  t.match(await kubernetes.readTopology(2000), { replicas: 0, ending: true })
})

t.test('a StatefulSet that is gone is ending', async (t) => {
  const { api, kubernetes, lines } = open(t, await apiServer(t))
  api.scale({ replicas: 3, ordinals: { start: 4 } })
  await until('it was read', () => kubernetes.topology)
  api.delete(SCALE_PATH)
  t.same(await kubernetes.readTopology(2000), { first: 4, replicas: 0, ending: true })
  t.same(lines, [], 'and no trouble')
})

t.test(
  'however many ask, one question is under way, and each answer is to a later one',
  async (t) => {
    const answers: ((value: number) => void)[] = []
    const latest = new Latest(
      () => new Promise<number>((resolve) => answers.push(resolve)),
      systemClock,
    )
    const first = latest.fresh()
    const later = [latest.fresh(), latest.within(5000), latest.fresh()]
    t.equal(answers.length, 1)
    answers[0]?.(1)
    t.equal(await first, 1)
    await until('the next is asked', () => answers.length === 2)
    later.push(latest.fresh())
    answers[1]?.(2)
    t.same(await Promise.all(later.slice(0, 3)), [2, 2, 2])
    await until('and one for who came meanwhile', () => answers.length === 3)
    answers[2]?.(3)
    t.equal(await later[3], 3)
    const { api, kubernetes } = open(t, await apiServer(t))
    await until('it was polled once', () => kubernetes.topology)
    const before = api.count(/statefulsets/)
    await Promise.all(Array.from({ length: 50 }, () => kubernetes.readTopology(60_000)))
    t.ok(api.count(/statefulsets/) - before <= 4, `${api.count(/statefulsets/) - before} calls`)
  },
)

t.test('what cannot be read in time is not known, and the last reading stays', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  await until('it was read', () => kubernetes.topology)
  api.troubles.push({ on: /statefulsets/, does: 'hang' })
  t.equal(await kubernetes.readTopology(500), undefined)
  api.troubles.splice(0, 1, { on: /statefulsets/, does: 500 })
  t.equal(await kubernetes.readTopology(60_000), undefined)
  t.match(kubernetes.topology, { replicas: 3 })
})

t.test('the marker is absent, written, present', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  t.equal(kubernetes.markerName, 'db-marker')
  t.same(await kubernetes.readMarker(60_000), { type: 'absent' })
  t.equal(await kubernetes.writeMarker(MARKER), true)
  t.same(await kubernetes.readMarker(60_000), { type: 'present', marker: MARKER })
  t.same(api.get(MARKER_PATH)?.['data'], MARKER)
  api.put(MARKER_PATH, { data: {} })
  t.same(await kubernetes.readMarker(60_000), { type: 'absent' }, 'a person took the data away')
  api.put(MARKER_PATH, { data: { clusterId: 'cluster-1' } })
  t.match(await kubernetes.readMarker(60_000), { type: 'unreadable', why: /only one of/ })
})

t.test('a marker that is not there, or not allowed, is unreadable', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  api.delete(MARKER_PATH)
  t.match(await kubernetes.readMarker(60_000), {
    type: 'unreadable',
    why: 'the ConfigMap db-marker is not there; the release makes it, without data',
  })
  t.equal(await kubernetes.writeMarker(MARKER), false, 'nor is it made here')
  api.troubles.push({ on: /configmaps/, does: 403 })
  t.match(await kubernetes.readMarker(60_000), { type: 'unreadable', why: /^403/ })
  t.equal(await kubernetes.writeMarker(MARKER), false)
  api.troubles.splice(0, 1, { on: /configmaps/, does: 'hang' })
  t.match(await kubernetes.readMarker(500), { type: 'unreadable', why: 'no answer within 500 ms' })
})

t.test('an API server that is gone is said once, and once that it is back', async (t) => {
  const { api, kubernetes, lines } = open(t, await apiServer(t))
  await until('it was read', () => kubernetes.topology)
  t.same(kubernetes.notes(), [])
  await api.vanish()
  for (let round = 0; round < 5; round += 1) {
    t.equal(await kubernetes.readTopology(60_000), undefined)
    t.equal((await kubernetes.readMarker(60_000)).type, 'unreadable')
    t.equal(await kubernetes.writeMarker(MARKER), false)
  }
  t.match(lines, [{ level: 'warn', message: /cannot be reached; going on without it/ }])
  t.equal(lines.length, 1)
  t.match(kubernetes.notes(), [/^the Kubernetes API cannot be reached: /])
  await api.appear()
  await until('it is well again', () => kubernetes.notes().length === 0)
  t.match(lines[1], { level: 'info', message: /reached again/ })
  t.equal(lines.length, 2)
  await api.vanish()
  await until('it is said again', () => lines.length > 2)
  t.match(lines[2], { level: 'warn' })
})

t.test('one good answer among bad ones is no recovery', async (t) => {
  const log = keptLog()
  const standing = new Standing(log)
  const bad = { type: 'unreachable', why: 'gone' } as const
  const good = { type: 'absent', why: 'not there' } as const
  for (const answer of [bad, good, good, bad, good, bad]) standing.note('look', answer)
  t.equal(log.lines.length, 1)
  t.same(standing.notes(), ['the Kubernetes API cannot be reached: gone'])
  for (const answer of [good, good, good]) standing.note('look', answer)
  t.same(standing.notes(), [])
  t.equal(log.lines.length, 2)
})

t.test('what RBAC refuses is said once, and noted each', async (t) => {
  const api = await apiServer(t)
  api.rules = []
  const { kubernetes, lines } = open(t, api)
  await kubernetes.readMarker(60_000)
  await kubernetes.writeMarker(MARKER)
  await kubernetes.readTopology(60_000)
  await until('the label was tried', () => kubernetes.notes().some((note) => /label/.test(note)))
  t.equal(lines.length, 1)
  t.match(lines[0], { level: 'warn', message: /refuses something; going on without it/ })
  t.match([...kubernetes.notes()].sort(), [
    /refuses to label Pods: 403: .* is forbidden/,
    /refuses to read the ConfigMap db-marker: 403/,
    /refuses to read the StatefulSet db: 403/,
    /refuses to write the ConfigMap db-marker: 403/,
  ])
  api.rules = [{ apiGroups: ['', 'apps'], verbs: ['get', 'patch'], resources: everything }]
  await kubernetes.readMarker(60_000)
  await kubernetes.writeMarker(MARKER)
  await until('all is allowed', () => kubernetes.notes().length === 0)
  t.equal(lines.length, 2)
})

const everything = ['pods', 'configmaps', 'statefulsets']

t.test('a stop waits for nobody', async (t) => {
  const { api, kubernetes } = open(t, await apiServer(t))
  kubernetes.lead({ leading: true, others: ['db-1'] })
  await until('db-0 is labelled', () => api.labelOf('db-0') === 'leader')
  await kubernetes.close()
  t.equal(api.labelOf('db-0'), undefined, 'the label is off')
  api.troubles.push({ on: /./, does: 'hang' })
  const asked = api.requests.length
  const other = open(t, api, 'db-0', systemClock)
  await until('it hangs', () => api.requests.length > asked + 1)
  const from_ms = performance.now()
  await other.kubernetes.close()
  t.ok(performance.now() - from_ms < KUBERNETES_CALL_MS_MAX / 2)
})
