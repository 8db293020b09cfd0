/**
 * What `skaffold dev` does, without it: the image's target `dev` with the values of skaffold.yaml's
 * profile, and a source file copied into the running Pods.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { CHART, imageValues } from './cluster/helm.ts'
import { openStage, READY_S_MAX, restarts } from './cluster/stage.ts'
import { copyInto, readFileIn } from './cluster/sync.ts'
import { until } from './cluster/until.ts'

/** The image's target `dev`, as `name:tag`. */
const IMAGE = process.env['ORDINAL_DEV_IMAGE'] ?? ''
/** What is saved is seen after so long. */
const LIVE_S_MAX = 5
const SOURCE = '/app/src/shared/http/read-routes.ts'
const BEFORE = 'document: reader.whoami()'
const AFTER = 'document: { ...reader.whoami(), saved: true }'
const SET = '/deploy/helm/releases/0/setValues/'

const skip = IMAGE === '' && 'SKIPPED, ORDINAL_DEV_IMAGE is not set'
if (skip) process.stderr.write(`\n*** ${skip} ***\n\n`)

const stage = await openStage(t, 'dev')
const { kube, helm, namespace } = stage
const store = stage.store()

/** The values that `skaffold dev` sets, as for `--set`. */
function devValues(): string[] {
  const { deploy, profiles } = parse(readFileSync(join(CHART, '..', 'skaffold.yaml'), 'utf8'))
  const { patches } = profiles.find(({ name }: { name: string }) => name === 'dev')
  const patched = (patches as { path: string; value: unknown }[])
    .filter(({ path }) => path.startsWith(SET))
    .map(({ path, value }) => [path.slice(SET.length), value])
  const values = [...Object.entries(deploy.helm.releases[0].setValues), ...patched]
  return values.map(([name, value]) => `${name}=${value}`)
}

stage.scenario(
  `a source file that is copied into the Pods is live within ${LIVE_S_MAX} s`,
  async (t) => {
    const set = [...devValues(), ...imageValues(IMAGE)]
    await helm.install('db', { wait_s: READY_S_MAX, set })
    await store.whole()
    t.equal((await store.ask('PUT', '/v1/kv/kept', 'value')).status, 201)
    const [api] = await store.pods('api')
    const took_s: number[] = []
    for (const [pod, container] of [
      [api?.metadata.name as string, 'api'],
      ['db-0', 'replica'],
      ['db-1', 'replica'],
    ] as const) {
      const to = { namespace, pod, container }
      const target = `${store.core('pods', `${pod}:8080`, 'proxy')}/v1/whoami`
      const source = await readFileIn(to, SOURCE)
      t.ok(source.includes(BEFORE) && !(await kube.text(target)).includes('saved'))
      await copyInto(to, SOURCE, source.replace(BEFORE, AFTER), t.testdir())
      const since_ms = performance.now()
      await until(
        `${pod} answers as the new file says`,
        async () => JSON.parse(await kube.text(target)).saved === true,
        LIVE_S_MAX * 1000,
      )
      took_s.push((performance.now() - since_ms) / 1000)
    }
    await store.whole()
    t.equal((await store.ask('GET', '/v1/kv/kept')).text, 'value')
    const pods = [...(await store.pods('database')), ...(await store.pods('api'))]
    t.same(pods.map(restarts), [0, 0, 0, 0, 0], 'the containers went on')
    return `live after ${took_s.map((took) => took.toFixed(1)).join(', ')} s`
  },
  skip,
)
