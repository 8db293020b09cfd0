/** `npm run manifests`: writes the files of `deploy/`. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deployFiles, FOLDER } from './plain.ts'

mkdirSync(FOLDER, { recursive: true })
for (const [name, text] of await deployFiles()) {
  writeFileSync(join(FOLDER, name), text)
  process.stdout.write(`deploy/${name}\n`)
}
