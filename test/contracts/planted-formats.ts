/**
 * Makes a version of the product that reads, or writes, a newer format than the present one: loaded
 * with `node --import` it changes the numbers in src/shared/formats.ts, as the environment says
 * (`FORMAT_NEWEST=2,FORMAT_ENABLED=1`), before the process loads that file.
 */

import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'

/** Environment variable with the numbers. */
const FORMATS_VARIABLE = 'ORDINAL_TEST_FORMATS'

/** What stands before the command line of a process that is to be such a version. */
export function plantedFormats(formats: Readonly<Record<string, number>>): string[] {
  const environment = Object.entries(environmentOf(import.meta.url, formats))
  return ['env', ...environment.map(([name, value]) => `${name}=${value}`)]
}

/** The environment of such a process elsewhere: this file goes along in it. */
export function carriedFormats(formats: Readonly<Record<string, number>>): Record<string, string> {
  const script = stripTypeScriptTypes(readFileSync(new URL(import.meta.url), 'utf8'))
  return environmentOf(`data:text/javascript,${encodeURIComponent(script)}`, formats)
}

function environmentOf(preload: string, formats: Readonly<Record<string, number>>) {
  const numbers = Object.entries(formats).map(([name, value]) => `${name}=${value}`)
  return { NODE_OPTIONS: `--import=${preload}`, [FORMATS_VARIABLE]: numbers.join(',') }
}

const wanted = process.env[FORMATS_VARIABLE]
if (wanted !== undefined) {
  registerHooks({
    load: (url, context, nextLoad) => {
      const loaded = nextLoad(url, context)
      if (!url.endsWith('/src/shared/formats.ts')) return loaded
      let source = String(loaded.source)
      for (const number of wanted.split(',')) {
        const [name, value] = number.split('=')
        const changed = source.replace(
          new RegExp(`^(export const ${name}: number =) \\d+$`, 'm'),
          `$1 ${value}`,
        )
        if (changed === source) throw new Error(`there is no ${name} to be changed`)
        source = changed
      }
      return { ...loaded, source }
    },
  })
}
