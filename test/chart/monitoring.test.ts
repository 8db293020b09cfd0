/** Alerts and dashboards ask only for figures that exist, in expressions that Prometheus reads. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { manifests, render, type Tree, valueFile } from './render.ts'
import { call, needs, ROOT } from './tools.ts'

const skip = needs('helm')
/** Figures of the library, not ours. */
const LIBRARY = new Set([
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
])
const FIGURE = /\b((?:ordinal|process|nodejs)_[a-z0-9_]+)\{/g

/** Names that the program registers, as they stand in its source. */
function registered(): ReadonlySet<string> {
  const source = join(ROOT, 'src')
  const files = (readdirSync(source, { recursive: true }) as string[]).filter((name) =>
    /metrics\.ts$/.test(name),
  )
  const text = files.map((name) => readFileSync(join(source, name), 'utf8')).join('\n')
  return new Set([...text.matchAll(/'(ordinal_[a-z0-9_]+)'/g)].map(([, name]) => name as string))
}

async function everything(): Promise<{ rule: Tree; dashboard: Tree }> {
  const all = manifests(await render({ files: [valueFile('everything-on')] }))
  const rule = all.find(({ kind }) => kind === 'PrometheusRule')?.spec
  const dashboards = all.find(({ metadata }) => metadata.name === 'db-dashboards')?.data ?? {}
  return { rule, dashboard: JSON.parse(dashboards['db.json'] ?? 'null') }
}

t.test('alerts and dashboards ask for figures that exist', { skip }, async (t) => {
  const { rule, dashboard } = await everything()
  const known = registered()
  t.ok(known.has('ordinal_term') && known.has('ordinal_api_requests_total'), 'figures were found')
  const expressions: string[] = [
    ...rule.groups.flatMap((group: Tree) => group.rules.map((one: Tree) => one.expr)),
    ...dashboard.panels.flatMap((panel: Tree) => panel.targets.map((one: Tree) => one.expr)),
  ]
  t.ok(expressions.length > 20, 'expressions were found')
  for (const expression of expressions) {
    for (const [, figure = ''] of expression.matchAll(FIGURE)) {
      const base = figure.replace(/_(bucket|sum|count)$/, '')
      t.ok(known.has(base) || LIBRARY.has(base), `${figure} exists`)
    }
    t.match(expression, /namespace="demo",service="db-(headless|api)"/, 'of this release alone')
  }
})

t.test('Prometheus reads the alerts', { skip: skip || needs('promtool') }, async (t) => {
  const { rule, dashboard } = await everything()
  const panels = dashboard.panels.flatMap((panel: Tree) => panel.targets)
  const asRules = panels.map(({ expr }: Tree, at: number) => ({ record: `panel:${at}`, expr }))
  const file = join(t.testdir(), 'rules.yaml')
  const groups = [...rule.groups, { name: 'panels', rules: asRules }]
  writeFileSync(file, stringify({ groups }))
  t.match(await call('promtool', ['check', 'rules', file]), /SUCCESS/)
})
