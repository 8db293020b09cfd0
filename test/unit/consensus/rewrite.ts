/** Rewrites the outputs of all transcripts (`npm run transcripts`). Read the difference! */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { replay } from './transcript.ts'

const folder = new URL('./testdata/', import.meta.url)
const only = process.argv[2]

for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.txt') || (only !== undefined && !file.includes(only))) continue
  const path = new URL(file, folder)
  const before = readFileSync(path, 'utf8')
  const after = replay(before)
  if (after === before) continue
  writeFileSync(path, after)
  process.stdout.write(`rewrote ${file}\n`)
}
