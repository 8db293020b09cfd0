/** Certificate authorities and what they sign, made by openssl for one run. */

import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export type Pair = { readonly certificate: string; readonly key: string }

/** A root of its own. */
export function makeAuthority(name: string): Promise<Pair> {
  return within(async (file) => {
    const extensions = 'basicConstraints=critical,CA:TRUE'
    const use = 'keyUsage=critical,keyCertSign'
    const to = ['-keyout', file('key'), '-out', file('certificate'), '-days', '30']
    const subject = ['-subj', `/CN=${name}`, '-addext', extensions, '-addext', use]
    await run('openssl', ['req', '-x509', ...KEY, ...subject, ...to])
  })
}

/** For both ends of a connection, with these names. */
export function makeLeaf(authority: Pair, names: readonly string[]): Promise<Pair> {
  return within(async (file) => {
    writeFileSync(file('ca'), authority.certificate)
    writeFileSync(file('ca-key'), authority.key)
    const list = names.map((name) => `DNS:${name}`).join(',')
    const usages = 'extendedKeyUsage=serverAuth,clientAuth'
    writeFileSync(file('extensions'), `subjectAltName=${list}\n${usages}\n`)
    const request = ['-subj', '/CN=ordinal', '-keyout', file('key'), '-out', file('request')]
    await run('openssl', ['req', '-new', ...KEY, ...request])
    const by = ['-CA', file('ca'), '-CAkey', file('ca-key'), '-CAcreateserial', '-days', '30']
    const to = ['-in', file('request'), '-out', file('certificate')]
    await run('openssl', ['x509', '-req', ...by, '-extfile', file('extensions'), ...to])
  })
}

/** Runs `make` in a folder of its own; it leaves `key` and `certificate` there. */
async function within(make: (file: (name: string) => string) => Promise<void>): Promise<Pair> {
  const folder = mkdtempSync(join(tmpdir(), 'ordinal-e2e-'))
  try {
    const file = (name: string) => join(folder, name)
    await make(file)
    const read = (name: string) => readFileSync(file(name), 'utf8')
    return { certificate: read('certificate'), key: read('key') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
