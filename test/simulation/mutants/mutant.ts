/**
 * A mutant: a deliberate bug, planted in the product's source while its modules are loaded. The
 * simulator and the storage suite must find it; one that they do not find is a hole in them.
 *
 * Each edit names a text that stands exactly once in its file. A text that moved is an error and
 * never a mutant that silently changes nothing.
 */

export type Edit = {
  /** Path from the project's root. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

export type Mutant = {
  /** Kebab-case, unique. */
  readonly name: string
  /** What it breaks, and why that is dangerous; one sentence. */
  readonly danger: string
  /** More than one where one defence stands behind another. */
  readonly edits: readonly Edit[]
  /**
   * Edits that go with it and harm nothing: where the product's present shape hides the rule that
   * the mutant breaks, they give it another one. Runs with these alone must pass.
   */
  readonly ground?: readonly Edit[]
}

/** A mutant below the simulated disk: test files must fail under it. */
export type DiskMutant = Mutant & {
  /** Paths from the project's root. */
  readonly suites: readonly string[]
}

/** How often `find` stands in `source`. */
export function occurrences(source: string, find: string): number {
  return find === '' ? 0 : source.split(find).length - 1
}

/** All that is changed; `groundOnly`: without the bug. */
export function editsOf(mutant: Mutant, groundOnly = false): readonly Edit[] {
  const { ground = [], edits } = mutant
  return groundOnly ? ground : [...ground, ...edits]
}

/** The source with those of the mutant's edits that are for this file. Throws where one rotted. */
export function mutated(
  source: string,
  mutant: Pick<Mutant, 'name' | 'edits'>,
  file: string,
): string {
  let text = source
  for (const edit of mutant.edits) {
    if (edit.file !== file) continue
    const found = occurrences(text, edit.find)
    if (found !== 1) {
      throw new Error(`mutant ${mutant.name} has rotted: ${file} holds ${found} × "${edit.find}"`)
    }
    text = text.replace(edit.find, () => edit.replace)
  }
  return text
}
