/**
 * A disk is copied back from an older time. Consensus rests on disks that do not forget, so the
 * replica must not go on from it: its leader knows what it had acknowledged.
 */

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startCluster, type TestCluster } from '../harness.ts'
import { allVoting, clusterDocument, contentHashes } from '../pictures.ts'
import { timeout_ms } from '../rounds.ts'

const KEYS = 20

t.setTimeout(timeout_ms)

async function put(cluster: TestCluster, prefix: string): Promise<void> {
  for (let index = 0; index < KEYS; index += 1) {
    const url = `${cluster.url}/v1/kv/${prefix}-${index}`
    const answer = await fetch(url, { method: 'PUT', body: `${prefix} ${index}` })
    if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
}

t.test('an old copy of a follower’s disk is set aside and replaced', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  await cluster.ready()
  const folder = join(cluster.dataFolder, 'db-1')
  const copy = join(cluster.dataFolder, 'db-1-old')
  await put(cluster, 'before')
  await cluster.down('db-1')
  cpSync(folder, copy, { recursive: true })
  cluster.start('db-1')
  await cluster.ready()
  await put(cluster, 'after')
  // All three have stored it: what the old copy lacks, db-1 has acknowledged.
  await cluster.waitFor(
    'hashes agree',
    async () => new Set(await contentHashes(cluster)).size === 1,
  )
  const before = (await clusterDocument(cluster)).replicas[1]?.incarnation
  await cluster.down('db-1')
  rmSync(folder, { recursive: true })
  cpSync(copy, folder, { recursive: true })
  cluster.start('db-1')
  await cluster.waitFor('db-1 is replaced', async () => {
    const row = (await clusterDocument(cluster)).replicas.find(({ name }) => name === 'db-1')
    return row?.role === 'follower' && row.incarnation !== before
  })
  await allVoting(cluster)
  t.equal(new Set(await contentHashes(cluster)).size, 1, 'content hashes agree')
  for (const url of [cluster.url, cluster.replicaUrls('db-1').client]) {
    const answer = await fetch(`${url}/v1/kv/after-${KEYS - 1}`)
    t.equal(await answer.text(), `after ${KEYS - 1}`)
  }
})
