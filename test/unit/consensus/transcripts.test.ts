/** Each transcript of testdata/ happens again, word for word. */

import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { replay } from './transcript.ts'

const folder = new URL('./testdata/', import.meta.url)
const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))

t.ok(files.length >= 40, 'at least forty scenarios')
for (const file of files.sort()) {
  const title = file.replace('.txt', '').replaceAll('-', ' ')
  t.test(title, (t) => {
    const text = readFileSync(new URL(file, folder), 'utf8')
    t.equal(replay(text), text, 'everything happens as written (npm run transcripts rewrites)')
    t.end()
  })
}
