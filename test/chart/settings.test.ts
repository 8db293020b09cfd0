/**
 * `config` against the product: each environment variable is either the chart's own or may be set,
 * in the form that the product asks for. A name that means nothing is refused, not passed over.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ApiEnvironment, ReplicaEnvironment } from '../../src/shared/config-variables.ts'
import { DURATION_PATTERN } from '../../src/shared/duration.ts'
import { render } from './render.ts'
import { CHART, needs } from './tools.ts'

const skip = needs('helm')

type Schema = { readonly $ref?: string; readonly pattern?: string; readonly enum?: string[] }

const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8'))
const inChart: Readonly<Record<string, Schema>> = schema.properties.config.properties
const inProduct = new Map<string, Schema & object>([
  ...Object.entries(ReplicaEnvironment.properties),
  ...Object.entries(ApiEnvironment.properties),
])
const free = Object.keys(inChart).filter(
  (name) => inChart[name]?.$ref !== '#/definitions/chartsOwn',
)

t.test('the schema knows each variable of the product, and no other', async (t) => {
  t.strictSame(Object.keys(inChart).sort(), [...inProduct.keys()].sort())
})

t.test('what may be set has the form that the product asks for', async (t) => {
  t.equal(schema.definitions.duration.pattern, DURATION_PATTERN.replace(/\$$/, '?$'))
  for (const name of free) {
    const { pattern, enum: words } = inProduct.get(name) as Schema
    if (pattern === DURATION_PATTERN) t.equal(inChart[name]?.$ref, '#/definitions/duration', name)
    else if (words !== undefined) t.strictSame(inChart[name]?.enum, ['', ...words], name)
  }
})

t.test(
  'a name that means nothing is refused, and those that mean something named',
  { skip },
  async (t) => {
    const said = await render({ set: ['config.ORDINAL_ELECTON_TIMEOUT=3s'] }).then(
      () => 'nothing',
      ({ stderr }: { stderr: string }) => stderr,
    )
    const [, names = ''] =
      /ELECTON_TIMEOUT: there is no such setting; there are (.*)/.exec(said) ?? []
    t.strictSame(names.split(', ').sort(), [...free].sort())
    t.match(await render({ set: ['config.MALLOC_ARENA_MAX=2'] }), 'MALLOC_ARENA_MAX: "2"')
  },
)
