/**
 * Folders as Kubernetes mounts Secrets: each file a link through `..data`, which is a link to a
 * folder of its own for each version, and is turned to the next one in one step.
 */

import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Teardown = { teardown(run: () => unknown): void }

const FIXTURES = join(import.meta.dirname, 'fixtures')

/** The text of a file in `fixtures/`. */
export function fixture(name: string): string {
  return readFileSync(join(FIXTURES, name), 'utf8')
}

/** A mounted Secret whose content can be replaced. */
export class MountedSecret {
  readonly path: string
  #version = 0

  constructor(test: Teardown, content: Readonly<Record<string, string>>) {
    this.path = mkdtempSync(join(tmpdir(), 'ordinal-secret-'))
    test.teardown(() => rmSync(this.path, { recursive: true }))
    this.replace(content)
    for (const name of Object.keys(content)) {
      symlinkSync(join('..data', name), join(this.path, name))
    }
  }

  file(name: string): string {
    return join(this.path, name)
  }

  /** All files at once, as kubelet does it. */
  replace(content: Readonly<Record<string, string>>): void {
    this.#version += 1
    const version = `..version-${this.#version}`
    mkdirSync(join(this.path, version))
    for (const [name, text] of Object.entries(content)) {
      writeFileSync(join(this.path, version, name), text)
    }
    symlinkSync(version, join(this.path, '..next'))
    renameSync(join(this.path, '..next'), join(this.path, '..data'))
    if (this.#version > 1) {
      rmSync(join(this.path, `..version-${this.#version - 1}`), { recursive: true })
    }
  }
}

/** What a TLS Secret holds: a leaf, and one CA or several. */
export function tlsContent(leaf: string, ...authorities: string[]): Record<string, string> {
  return {
    'tls.crt': fixture(`${leaf}.crt`),
    'tls.key': fixture(`${leaf}.key`),
    'ca.crt': authorities.map((name) => fixture(`${name}.crt`)).join(''),
  }
}

export function tlsSecret(test: Teardown, leaf: string, ...authorities: string[]): MountedSecret {
  return new MountedSecret(test, tlsContent(leaf, ...authorities))
}

/** A log that remembers its lines. */
export function notices() {
  const lines: string[] = []
  const notice = (_details: object, message: string) => void lines.push(message)
  return { lines, log: { info: notice, warn: notice } }
}
