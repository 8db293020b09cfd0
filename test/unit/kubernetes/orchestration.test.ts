/** How a replica is followed: its lead becomes the label, what happens to it becomes Events. */

import t, { type Test } from 'tap'
import { openOrchestration } from '../../../src/commands/orchestration.ts'
import type { CoreStatus, Membership } from '../../../src/database/consensus/types.ts'
import type { Replica } from '../../../src/database/replica/replica.ts'
import { readReplicaConfig } from '../../../src/shared/config.ts'
import { until } from '../../cluster/until.ts'
import { type FakeApiServer, NAMESPACE } from './fake-api-server.ts'
import { apiServer, keptLog } from './opened.ts'

const membership: Membership = {
  clusterId: 'cluster-1',
  history: 'history-1',
  voters: ['0/a', '1/a', '0/before'],
  learners: ['2/a'],
  removed: [],
  opened: true,
}

/** What is looked at of a replica, to be changed. */
function standIn() {
  const status = { role: 'follower', committedInTerm: false, membership } as {
    -readonly [K in keyof CoreStatus]?: CoreStatus[K]
  }
  const replica = {
    looks: 0,
    loop: {
      status: () => {
        replica.looks += 1
        return status
      },
      halted: false,
    },
    waiting: undefined as string | undefined,
  }
  return { status, replica, asReplica: replica as unknown as Replica }
}

function orchestrate(t: Test, api: FakeApiServer) {
  const config = readReplicaConfig({
    ORDINAL_NAME: 'db-0',
    ORDINAL_NAMESPACE: NAMESPACE,
    ORDINAL_KUBERNETES: 'on',
    ORDINAL_MARKER: 'db-marker',
    ORDINAL_ACCOUNT_FOLDER: api.account.path,
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String(api.port),
  })
  const orchestration = openOrchestration(config, keptLog())
  t.teardown(() => orchestration.close())
  return orchestration
}

t.test('a leader is labelled once it has committed in its term, and until it halts', async (t) => {
  const api = await apiServer(t, { secure: true })
  const orchestration = orchestrate(t, api)
  const { status, replica, asReplica } = standIn()
  orchestration.follow(asReplica, [])
  await until('the start is over', () => api.count(/PATCH .*db-0/) === 1)
  status.role = 'leader'
  const looks = replica.looks
  await until('it is seen to lead', () => replica.looks > looks + 2)
  await orchestration.orchestrator?.readTopology(5000)
  t.equal(api.count(/PATCH .*db-0/), 1, 'not yet')
  status.committedInTerm = true
  await until('it is labelled', () => api.labelOf('db-0') === 'leader')
  await until('all members were looked at', () => api.count(/GET .*pods\/db-2/) > 0)
  t.same([1, 0], [api.count(/GET .*pods\/db-1/), api.count(/GET .*pods\/db-0/)])
  replica.loop.halted = true
  await until('it is not any more', () => api.labelOf('db-0') === undefined)
})

t.test('what happens to a replica is told on its Pod', async (t) => {
  const api = await apiServer(t, { secure: true })
  const orchestration = orchestrate(t, api)
  orchestration.follow(standIn().asReplica, ['data was set aside: a block is damaged'])
  orchestration.onEvent({ type: 'elected', term: 4, reason: 'stand-in' })
  orchestration.onEvent({ type: 'stepped-down', term: 5, why: 'a higher term' })
  orchestration.onEvent({ type: 'joining', clusterId: 'cluster-1' })
  orchestration.onEvent({ type: 'formed', membership })
  orchestration.onEvent({ type: 'refused', why: 'another cluster' })
  orchestration.onEvent({ type: 'diverged', index: 3, why: 'a chain is broken' })
  orchestration.onEvent({ type: 'role', role: 'leader', term: 4 })
  orchestration.onEvent({ type: 'leader', leader: '0/a', term: 4 })
  await until('all are told', () => api.events().length === 7)
  const told = api.events().map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
  t.same(told, [
    'Warning DataSetAside: data was set aside: a block is damaged',
    'Normal BecameLeader: leads in term 4: it stands in for a lower ordinal',
    'Normal SteppedDown: leads no more, term 5: a higher term',
    'Normal Joining: joins the cluster cluster-1 as a new incarnation',
    'Normal ClusterFormed: cluster cluster-1',
    'Warning Refused: another cluster',
    'Warning DataDamaged: a chain is broken',
  ])
})

t.test('where Kubernetes is not asked there is nobody', async (t) => {
  const orchestration = openOrchestration(readReplicaConfig({ ORDINAL_NAME: 'db-0' }), keptLog())
  t.equal(orchestration.orchestrator, undefined)
  t.same(orchestration.notes(), [])
  orchestration.follow(standIn().asReplica, ['x'])
  orchestration.onEvent({ type: 'refused', why: 'x' })
  await orchestration.close()
})
