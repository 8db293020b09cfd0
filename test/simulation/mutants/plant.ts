/**
 * Plants one mutant in the modules that this process loads from now on: the text of a product's
 * file is changed before its types are stripped. Loaded with `node --import`, it plants the mutant
 * that the environment names; without a name it plants nothing.
 */

import { registerHooks } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { belowTheDisk, simulated } from './catalog.ts'
import { editsOf, type Mutant, mutated } from './mutant.ts'
import { GROUND, MUTANT_VARIABLE } from './planting.ts'

const ROOT = new URL('../../..', import.meta.url)

function plant(mutant: Pick<Mutant, 'name' | 'edits'>): void {
  const files = new Set(mutant.edits.map((edit) => edit.file))
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      if (!url.startsWith('file:')) return loaded
      const file = relative(fileURLToPath(ROOT), fileURLToPath(url)).replaceAll('\\', '/')
      if (!files.has(file)) return loaded
      return { ...loaded, source: mutated(String(loaded.source), mutant, file) }
    },
  })
}

const name = process.env[MUTANT_VARIABLE] ?? ''
if (name !== '') {
  const wanted = name.replace(GROUND, '')
  const mutant = [...simulated, ...belowTheDisk].find((one) => one.name === wanted)
  if (mutant === undefined) throw new Error(`there is no mutant ${wanted}`)
  plant({ name, edits: editsOf(mutant, name !== wanted) })
}
