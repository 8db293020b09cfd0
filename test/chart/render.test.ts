/** What must hold of whole renderings: the same twice, after a bump, and by both Helms. */

import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Manifest, manifests, podOf, render, title, valueFile, valueFiles } from './render.ts'
import { CHART, call, feed, has, needs } from './tools.ts'

const skip = needs('helm')

t.test('values for GitOps give the same bytes each time', { skip }, async (t) => {
  const files = [valueFile('gitops')]
  const text = await render({ files })
  t.equal(await render({ files }), text)
  t.notMatch(text, /^kind: Secret$/m, 'no Secret is made, which would be another each time')
  t.not(await render(), await render(), 'without them the peers’ secret is another')
})

/** What must not change when only the chart's version does, or Pods roll or the upgrade fails. */
function lasting(manifest: Manifest): unknown {
  const { kind, spec } = manifest
  return {
    name: title(manifest),
    selector: spec?.selector,
    pod: kind === 'Pod' ? undefined : spec?.template,
    claims: spec?.volumeClaimTemplates,
  }
}

t.test('a bump of the chart changes no selector, no Pod and no claim', { skip }, async (t) => {
  const chart = t.testdir()
  cpSync(CHART, chart, { recursive: true })
  const file = join(chart, 'Chart.yaml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    text
      .replace(/^version: .*$/m, 'version: 9.9.9')
      .replace(/^appVersion: .*$/m, 'appVersion: 9.9.9'),
  )
  const options = { files: [valueFile('everything-on')] }
  const [before, after] = await Promise.all([render(options), render({ ...options, chart })])
  t.match(after, /helm.sh\/chart: ordinal-9\.9\.9/)
  const lasts = (rendered: string) => manifests(rendered).map(lasting)
  t.strictSame(lasts(after), lasts(before))
})

t.test('every selector of a workload is in the labels of its Pods', { skip }, async (t) => {
  for (const [name, file] of valueFiles()) {
    for (const manifest of manifests(await render({ files: [file] }))) {
      const wanted = manifest.spec?.selector?.matchLabels
      const labels = podOf(manifest)?.metadata.labels
      if (wanted === undefined || labels === undefined) continue
      t.match(labels, wanted, `${name}: ${title(manifest)}`)
    }
  }
})

t.test('all templates are rendered by the values that have everything on', { skip }, async (t) => {
  const text = await render({
    files: [valueFile('everything-on')],
    set: ['cluster.existingSecret='],
  })
  const rendered = new Set(
    [...text.matchAll(/^# Source: ordinal\/(.+)$/gm)].map(([, path]) => path),
  )
  const templates = (readdirSync(join(CHART, 'templates'), { recursive: true }) as string[])
    .filter((path) => path.endsWith('.yaml'))
    .map((path) => `templates/${path}`)
  t.strictSame(
    templates.filter((path) => !rendered.has(path)),
    [],
  )
})

t.test(
  'names of objects are those of the release, and no namespace is set',
  { skip },
  async (t) => {
    const long = 'a123456789b123456789c123456789d123456789e1234567-x'
    for (const release of ['db', 'demo', long]) {
      for (const manifest of manifests(
        await render({ files: [valueFile('everything-on')], release }),
      )) {
        const { name } = manifest.metadata
        t.notOk('namespace' in manifest.metadata, `${title(manifest)} has no namespace`)
        t.ok(name.length <= 63, `${title(manifest)} has a name of at most 63`)
        t.ok(name.startsWith(release.slice(0, 38)), `${title(manifest)} is named for the release`)
        if (manifest.kind === 'StatefulSet') t.ok(name.length <= 52, 'kubernetes #64023')
      }
    }
  },
)

t.test('both Helms lint and render the same', { skip }, async (t) => {
  const helms = ['helm', 'helm3'].filter(has)
  for (const [name, file] of valueFiles()) {
    for (const helm of helms) {
      await t.resolves(call(helm, ['lint', '--strict', CHART, '--values', file]), `${helm} ${name}`)
    }
    if (!helms.includes('helm3')) continue
    const set = ['cluster.existingSecret=peer', 'auth.existingSecret=auth']
    const sorted = async (helm: string) =>
      manifests(await render({ helm, files: [file], set })).sort((a, b) =>
        title(a).localeCompare(title(b)),
      )
    t.strictSame(await sorted('helm3'), await sorted('helm'), `${name}: the same documents`)
  }
  if (!helms.includes('helm3')) t.comment('HELM 3 NOT ON THE PATH: NOT COMPARED')
})

/** The oldest that the chart supports, and the newest there is. */
const KUBERNETES = ['1.31.14', '1.37.2']

t.test('every object is as its API says', { skip: skip || needs('kubeconform') }, async (t) => {
  for (const [name, file] of valueFiles()) {
    const text = await render({ files: [file] })
    for (const version of KUBERNETES) {
      const args = ['-strict', '-summary', '-kubernetes-version', version]
      t.match(
        feed('kubeconform', args, text),
        /Invalid: 0, Errors: 0, Skipped: 0/,
        `${name} ${version}`,
      )
    }
  }
})

t.test('a Kubernetes that is too old is refused', { skip }, async (t) => {
  await t.rejects(render({ more: ['--kube-version', '1.30.0'] }), /incompatible with Kubernetes/)
  await t.resolves(render({ more: ['--kube-version', '1.31.0'] }))
})

t.test(
  'the README has the table of values as helm-docs makes it',
  {
    skip: needs('helm-docs'),
  },
  async (t) => {
    const args = ['--chart-search-root', CHART, '--dry-run', '--log-level', 'error']
    const fresh = await call('helm-docs', args)
    t.equal(readFileSync(join(CHART, 'README.md'), 'utf8').trim(), fresh.trim(), 'run helm-docs')
    t.notMatch(fresh, /\| +\|$/m, 'each value has a description')
  },
)
