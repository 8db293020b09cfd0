/**
 * All that the chart can make is asked of the API server, which checks it strictly and makes
 * nothing: no refusal, and no warning.
 */

import { readFileSync } from 'node:fs'
import t from 'tap'
import { manifests, render, valueFiles } from '../chart/render.ts'
import { path } from './cluster/kube.ts'
import { foreignDefinitions, NEEDS_DEFINITIONS, ResourceTable } from './cluster/resources.ts'
import { openStage } from './cluster/stage.ts'

const stage = await openStage(t, 'dry-run')
const { kube, namespace } = stage
await foreignDefinitions(t, kube)
const resources = new ResourceTable(kube)

// A cluster of one family refuses the other one, whatever else is right.
const { spec } = await kube.get(path('v1', 'default', 'services', 'kubernetes'))
const oneFamily =
  spec.ipFamilies.length > 1
    ? []
    : ['service.ipFamilyPolicy=SingleStack', `service.ipFamilies={${spec.ipFamilies[0]}}`]

const renderings = await Promise.all(
  [...valueFiles()].map(async ([name, file]) => {
    const set = readFileSync(file, 'utf8').includes('IPv6') ? oneFamily : []
    const objects = manifests(await render({ files: [file], namespace, set }))
    return { name, objects, unknown: await resources.unknown(objects) }
  }),
)

for (const { name, objects, unknown } of renderings) {
  stage.scenario(
    `${name}: the API server takes all of it`,
    async (t) => {
      t.ok(objects.length > 5, 'there is much of it')
      for (const object of objects) {
        const answer = await resources.apply(object, namespace, 'dryRun=All&force=true')
        const what = `${object.kind} ${object.metadata.name}`
        t.match(answer.status, /^20[01]$/, `${what}: ${answer.text.slice(0, 300)}`)
        t.equal(answer.headers['warning'], undefined, `${what}: no warning`)
      }
      return `${objects.length} objects`
    },
    unknown.length > 0 && `${NEEDS_DEFINITIONS}: ${unknown.join(', ')}`,
  )
}
