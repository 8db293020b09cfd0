/** skaffold.yaml beside skaffold's own schema, where kubeconform has it. */

import { join } from 'node:path'
import t from 'tap'
import { call, needs, ROOT } from './tools.ts'

/** A kubeconform that knows no schema of skaffold's says this, and no more. */
const UNKNOWN = /could not find schema for Config/

const missing = needs('kubeconform')
const said = missing
  ? ''
  : await call('kubeconform', ['-strict', '-summary', join(ROOT, 'skaffold.yaml')]).catch(
      ({ stdout }: { stdout: string }) => stdout,
    )
const skip = missing || (UNKNOWN.test(said) && 'NOT RUN: KUBECONFORM HAS NO SCHEMA OF SKAFFOLD')

t.test('skaffold.yaml is as its schema says', { skip }, async (t) => {
  t.match(said, /Valid: 1, Invalid: 0, Errors: 0, Skipped: 0/)
})
