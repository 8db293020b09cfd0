/**
 * Changes each leaf of values.yaml, one at a time, and looks whether a rendered byte changes.
 * Several bases are tried, since a value may only count where something else is on (or off).
 */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exceptions, type Leaf, leaves, only, others, paths } from './leaves.ts'
import { NO_RANDOM, type Rendering, render, valueFile } from './render.ts'
import { needs } from './tools.ts'

const JOBS = 2
const skip = needs('helm')
// Hundreds of renderings.
t.setTimeout(600_000)

/** From the richest to the barest. */
const BASES: readonly Rendering[] = [
  { files: [valueFile('everything-on')], set: [...NO_RANDOM, 'tls.existingSecret=tls'] },
  { set: NO_RANDOM },
  { set: [...NO_RANDOM, 'auth.enabled=true'] },
]

/** Refused, for want of such a thing or beside what the bases set; tested in chart/tests. */
const REFUSED = new Map([
  ['backup.enabled', /this version has no backup command/],
  ['tls.enabled', /tls\.certManager\.enabled do nothing without tls\.enabled/],
])

t.test('the table of other values names leaves that exist', async (t) => {
  const names = leaves().map(({ path }) => path.join('.'))
  const rotten = [...exceptions, ...REFUSED.keys()].filter((name) => !names.includes(name))
  t.strictSame(rotten, [])
})

t.test('each leaf of values.yaml changes what is rendered', { skip }, async (t) => {
  const folder = t.testdir()
  const before = await Promise.all(BASES.map((base) => render(base)))
  const again = await Promise.all(BASES.map((base) => render(base)))
  t.strictSame(again, before, 'nothing random is rendered, or every change would be seen')

  /** Why a leaf does nothing; undefined: it does something. */
  const inert = async (leaf: Leaf): Promise<string | undefined> => {
    const name = leaf.path.join('.')
    const reasons: string[] = []
    for (const value of others(leaf)) {
      const file = join(folder, `${name.replaceAll('/', '_')}.json`)
      writeFileSync(file, JSON.stringify(only(leaf.path, value)))
      const reason = await unseen(name, file)
      if (reason === undefined) return undefined
      reasons.push(reason)
    }
    return `${name}: ${reasons.join('; ')}`
  }
  const unseen = async (name: string, file: string): Promise<string | undefined> => {
    const reasons: string[] = []
    for (const [at, base] of BASES.entries()) {
      try {
        const after = await render({ ...base, files: [...(base.files ?? []), file] })
        if (after !== before[at]) return undefined
        reasons.push('changes nothing')
      } catch (error) {
        const { stderr = '' } = error as { stderr?: string }
        if (REFUSED.get(name)?.test(stderr)) return undefined
        reasons.push(stderr.trim())
      }
    }
    return reasons.join('; ')
  }

  // `existingSecret` is set by the bases; `--set` would win over the file.
  const left = leaves().filter(({ path }) => path.at(-1) !== 'existingSecret')
  const total = left.length
  const failures: string[] = []
  const worker = async (): Promise<void> => {
    for (let leaf = left.shift(); leaf !== undefined; leaf = left.shift()) {
      const reason = await inert(leaf)
      if (reason !== undefined) failures.push(reason)
    }
  }
  await Promise.all(Array.from({ length: JOBS }, worker))
  t.strictSame(failures, [])
  t.comment(`${total} leaves`)
  t.ok(total > 150, 'leaves were found')
})

t.test('what is set to null is refused by its name, or as good as empty', { skip }, async (t) => {
  const plain = /missing property|needs one of|needs api\.httpRoute\.parentRefs/
  const left = paths()
  t.ok(left.length > 250, 'paths were found')
  const failures: string[] = []
  const empty: string[] = []
  const worker = async (): Promise<void> => {
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      const set = [`${path.map((key) => key.replaceAll('.', '\\.')).join('.')}=null`]
      try {
        await render({ files: [valueFile('everything-on')], set })
        empty.push(path.join('.'))
      } catch (error) {
        const { stderr = '' } = error as { stderr?: string }
        if (!plain.test(stderr)) failures.push(`${path.join('.')}: ${stderr.trim()}`)
      }
    }
  }
  await Promise.all(Array.from({ length: JOBS }, worker))
  t.strictSame(failures, [])
  const lone = /^(config|global)\.|resources|[cC]ontext|Probe/
  const scalars = leaves().filter(({ value }) => typeof value !== 'object')
  const names = scalars.map(({ path }) => path.join('.')).filter((name) => !lone.test(name))
  const silent = names.filter((name) => empty.includes(name))
  t.strictSame(silent, [], 'a number, a word or a switch is never left out')
})

t.test('each existingSecret takes the place of the one that would be made', { skip }, async (t) => {
  const tls = await render({ set: [...NO_RANDOM, 'tls.enabled=true', 'tls.existingSecret=mine'] })
  t.match(tls, /secretName: "?mine/)
  const made = await render({ set: ['auth.enabled=true'] })
  const named = await render({ set: ['auth.enabled=true', ...NO_RANDOM] })
  const secrets = (text: string) => text.match(/^kind: Secret$/gm)?.length ?? 0
  t.equal(secrets(made), 2)
  t.equal(secrets(named), 0)
  for (const name of ['peer', 'auth']) {
    t.match(made, `secretName: "db-${name}"`)
    t.match(named, `secretName: "${name}"`)
  }
})
