/**
 * Names that YAML takes for something else: `true`, `on`, `null`, `1e3`. Wherever one is rendered
 * it must stay text, or no API server takes the object.
 */

import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { type Manifest, type Rendering, render, valueFile } from './render.ts'
import { feed, needs } from './tools.ts'

const skip = needs('helm')
// Dozens of renderings.
t.setTimeout(300_000)

const WORDS = ['true', 'false', 'null', 'on', 'off', 'yes', 'no', 'y', 'n']
/** A release may begin with a digit, a Service may not. */
const NUMBERS = ['123', '1e3', '0x1f', '0b1', '0o7', '2001-01-01']
const files = [valueFile('everything-on')]
/** Values that are rendered as they are. */
const NAMED = [
  'auth.existingSecret',
  'auth.existingSecretKey',
  'cluster.existingSecret',
  'cluster.existingSecretKey',
  'serviceAccount.name',
  'priorityClassName',
  'api.priorityClassName',
  'api.ingress.className',
  'api.loadBalancer.loadBalancerClass',
  'global.imagePullSecrets[0]',
  'global.imagePullSecrets[1].name',
  'clusterDomain',
  'config.A',
]

/** The objects as YAML 1.1 has it, which is what Helm and kubectl read. */
function objects(text: string): Manifest[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0]
    const value = document.toJS() as Manifest | null
    return value === null ? [] : [value]
  })
}

/** Where something stands that is no map, and what it is: `spec.replicas number`. */
function kinds(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object') {
    return [`${path} ${value === null ? 'null' : typeof value}`]
  }
  return Object.entries(value).flatMap(([key, child]) => kinds(child, `${path}.${key}`))
}

/** Of all objects, with one name put for another in keys. */
async function kindsOf(rendering: Rendering, name = 'db'): Promise<string[]> {
  const all = objects(await render({ files, ...rendering }))
  return all
    .flatMap((object) => kinds(object, object.kind))
    .map((line) => line.replace(new RegExp(`\\.${name}(?=\\.json|-client)`), '.db'))
    .sort()
}

t.test('what YAML takes for something else is seen', async (t) => {
  t.strictSame(kinds(objects('a: on\nb: [1e3, "on"]')[0]), [
    '.a boolean',
    '.b.0 number',
    '.b.1 string',
  ])
})

t.test('the name of a release stays text', { skip }, async (t) => {
  const set = ['fullnameOverride=db']
  const wanted = await kindsOf({ set })
  for (const release of [...WORDS, ...NUMBERS]) {
    t.strictSame(await kindsOf({ set, release }), wanted, release)
  }
})

t.test('the name of everything stays text', { skip }, async (t) => {
  const wanted = await kindsOf({})
  for (const word of WORDS) {
    const more = ['--set-string', `fullnameOverride=${word}`]
    t.strictSame(await kindsOf({ more }, word), wanted, word)
  }
})

t.test('names in values stay text', { skip }, async (t) => {
  const named = (word: string) => ({
    more: NAMED.flatMap((name) => ['--set-string', `${name}=${word}`]),
  })
  const wanted = await kindsOf(named('other'))
  for (const word of [...WORDS, ...NUMBERS]) t.strictSame(await kindsOf(named(word)), wanted, word)
  const variable = await kindsOf({ more: ['--set-string', 'config.NO=x'] })
  t.ok(variable.includes('ConfigMap.data.NO string'), 'a variable named NO')
})

t.test('such objects are as their API says', { skip: skip || needs('kubeconform') }, async (t) => {
  for (const word of ['true', 'null']) {
    const more = ['--set-string', `fullnameOverride=${word}`]
    const text = await render({ files, release: word, more })
    const said = feed('kubeconform', ['-strict', '-summary'], text)
    t.match(said, /Invalid: 0, Errors: 0, Skipped: 0/, word)
  }
})
