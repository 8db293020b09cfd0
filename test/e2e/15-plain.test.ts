/** The plain manifests, applied as their head says: the secret of the peers, then the file. */

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { manifests } from '../chart/render.ts'
import { CHART, IMAGE } from './cluster/helm.ts'
import { ResourceTable } from './cluster/resources.ts'
import { openStage } from './cluster/stage.ts'

const file = readFileSync(join(CHART, '..', 'deploy', 'ordinal.yaml'), 'utf8')
/** The file names the image by its default name. */
const NAMED = /image: "?ordinal:[\d.]+"?/g

const stage = await openStage(t, 'plain')
const { kube, namespace } = stage
const store = stage.store()

stage.scenario('the plain manifests are a cluster', async (t) => {
  const secret = { secret: Buffer.from(randomBytes(24).toString('hex')).toString('base64') }
  await kube.create(store.core('secrets'), { metadata: { name: 'db-peer' }, data: secret })
  t.equal(file.match(NAMED)?.length, 2, 'both tiers')
  const objects = manifests(file.replaceAll(NAMED, `image: "${IMAGE}"`))
  const resources = new ResourceTable(kube)
  for (const object of objects) {
    const answer = await resources.apply(object, namespace)
    t.equal(
      answer.status,
      201,
      `${object.kind} ${object.metadata.name}: ${answer.text.slice(0, 300)}`,
    )
  }
  await store.whole()
  await store.put('kept', 'value')
  t.equal(await store.read('kept'), 'value')
  t.same(await store.endpoints('db-leader'), ['db-0'])
  return `${objects.length} objects`
})
