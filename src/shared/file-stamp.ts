/**
 * Tells whether files that somebody replaces while this process runs have changed. Kubernetes
 * changes a mounted Secret by turning a symbolic link to another folder: what is looked at is
 * where the link leads to, so that all of its files change at once.
 */

import { statSync } from 'node:fs'

/** A text that differs when any of the files was replaced or written. Throws as `statSync`. */
export function stampOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const { ino, size, mtimeMs, ctimeMs } = statSync(file)
      return `${ino}/${size}/${mtimeMs}/${ctimeMs}`
    })
    .join(' ')
}
