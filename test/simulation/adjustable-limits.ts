/**
 * Makes the product's limits adjustable, for a simulation only: when one of these files is loaded,
 * its `export const NAME = …` becomes `export let NAME = …` beside a function that sets it. The
 * importers see the new value (module bindings are live), and the product pays nothing for it.
 *
 * Small limits are what makes rare situations common: a log cut after 20 entries needs a snapshot
 * for every restart (swarm testing: Groce et al. 2012).
 */

import { registerHooks } from 'node:module'

/** Files whose constants may be adjusted, as the ends of their URLs. */
const FILES = [
  '/src/shared/limits.ts',
  '/src/database/replica/log-meter.ts',
  '/src/database/replica/fingerprints.ts',
]
const SETTER = '__adjust'

/** NAME → value; names are those of the product's constants. */
export type Limits = Readonly<Record<string, number>>

type Adjustable = { readonly [SETTER]: (limits: Limits) => string[] }

let registered = false

/** Registers the module hook; must come before the first import of the product. */
export function makeLimitsAdjustable(): void {
  if (registered) return
  registered = true
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      const path = url.replace(/[?#].*$/, '')
      if (!FILES.some((file) => path.endsWith(file))) return loaded
      return { ...loaded, source: adjustable(String(loaded.source)) }
    },
  })
}

const CONSTANT = /^(export )?const ([A-Z][A-Z0-9_]*) =/gm

function adjustable(source: string): string {
  const names: string[] = []
  const changed = source.replaceAll(CONSTANT, (_, exported: string | undefined, name: string) => {
    names.push(name)
    return `${exported ?? ''}let ${name} =`
  })
  const keep = names.map((name) => `const __${name} = ${name}`).join('\n')
  const set = names.map((name) => `  ${name} = limits.${name} ?? __${name}`).join('\n')
  const known = JSON.stringify(names)
  return `${changed}\n${keep}\nexport function ${SETTER}(limits) {\n${set}\n  return ${known}\n}\n`
}

/** Sets these limits, and all others back to what the product says. Throws for an unknown name. */
export async function adjustLimits(limits: Limits): Promise<void> {
  const modules = (await Promise.all([
    import('../../src/shared/limits.ts'),
    import('../../src/database/replica/log-meter.ts'),
    import('../../src/database/replica/fingerprints.ts'),
  ])) as unknown as readonly Adjustable[]
  const known = new Set(modules.flatMap((module) => module[SETTER](limits)))
  const unknown = Object.keys(limits).filter((name) => !known.has(name))
  if (unknown.length > 0) throw new Error(`no such limits: ${unknown.join(', ')}`)
}
