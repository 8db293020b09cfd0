/** `deploy/` is what the chart gives today, for any namespace and without secrets. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { deployFiles, FOLDER } from './plain.ts'
import { manifests, render, title } from './render.ts'
import { needs } from './tools.ts'

const skip = needs('helm')

t.test('the files are what the chart gives', { skip }, async (t) => {
  const files = await deployFiles()
  t.strictSame(readdirSync(FOLDER).sort(), [...files.keys()].sort())
  for (const [name, text] of files) {
    t.equal(readFileSync(join(FOLDER, name), 'utf8'), text, `deploy/${name}: run npm run manifests`)
  }
})

t.test('the plain manifests are those of the default values', { skip }, async (t) => {
  const text = readFileSync(join(FOLDER, 'ordinal.yaml'), 'utf8')
  const all = manifests(text)
  const set = ['tests.enabled=false']
  const chart = manifests(await render({ set })).map(title)
  t.strictSame(
    all.map(title).sort(),
    chart.filter((name) => name !== 'Secret db-peer').sort(),
    'all but the Secret, which would be the same for everyone',
  )
  t.notMatch(text, /^\s+namespace:/m, 'they go where kubectl is')
  t.notMatch(text, /managed-by|helm\.sh/, 'they do not claim to be of a release')
})

t.test('what the GitOps files say first is said of the namespace that they use', async (t) => {
  for (const name of ['argocd-application.yaml', 'flux.yaml']) {
    const text = readFileSync(join(FOLDER, name), 'utf8')
    const commands = [...text.matchAll(/^#\s+(kubectl .*)$/gm)].map(([, command = '']) => command)
    t.equal(commands[0], 'kubectl create namespace ordinal', name)
    t.ok(commands.length > 1, `${name} makes Secrets`)
    for (const command of commands.slice(1)) {
      t.match(command, /^kubectl -n ordinal create secret /, `${name}: ${command}`)
    }
  }
  const flux = manifests(readFileSync(join(FOLDER, 'flux.yaml'), 'utf8'))
  t.equal(flux.map(title)[0], 'Namespace ordinal', 'Flux makes no namespace by itself')
})
