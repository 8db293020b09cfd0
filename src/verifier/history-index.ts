/** A history, sorted for the checks that ask "what was acknowledged on this key by then?". */

import { acknowledgedRevision, isWrite, type Operation } from './history.ts'

type KeyIndex = {
  /** By call. */
  readonly operations: Operation[]
  /** Acknowledged writes, by revision. */
  readonly writes: Operation[]
  /** Of those up to each: puts since the key was last known not to exist. */
  readonly puts: number[]
  /** Writes of unknown outcome, by call. */
  readonly openPuts: Operation[]
  readonly openDeletes: Operation[]
}

export class HistoryIndex {
  /** By call. */
  readonly operations: readonly Operation[]
  /** Those that returned, by return. */
  readonly byReturn: readonly Operation[]
  /** Puts by the value that they store. */
  readonly writers = new Map<string, Operation>()
  /** Two puts that store the same value: nothing can be said then. */
  readonly duplicate: Operation | undefined
  readonly #keys = new Map<string, KeyIndex>()

  constructor(operations: readonly Operation[]) {
    this.operations = [...operations].sort((one, other) => one.call_us - other.call_us)
    this.byReturn = operations
      .filter(({ return_us }) => return_us !== undefined)
      .sort((one, other) => (one.return_us as number) - (other.return_us as number))
    let duplicate: Operation | undefined
    for (const operation of this.operations) {
      const { action, outcome } = operation
      const key = this.#keyOf(operation.key)
      key.operations.push(operation)
      if (acknowledgedRevision(operation) !== undefined) key.writes.push(operation)
      if (outcome.type === 'unknown' && isWrite(operation)) {
        ;(action.type === 'put' ? key.openPuts : key.openDeletes).push(operation)
      }
      if (action.type !== 'put') continue
      if (this.writers.has(action.value)) duplicate ??= operation
      else this.writers.set(action.value, operation)
    }
    this.duplicate = duplicate
    for (const { writes, puts } of this.#keys.values()) {
      writes.sort((one, other) => revisionOf(one) - revisionOf(other))
      let count = 0
      for (const { outcome } of writes) {
        const anew = outcome.type === 'written' && outcome.created === true
        count = outcome.type === 'deleted' ? 0 : anew ? 1 : count + 1
        puts.push(count)
      }
    }
  }

  get keys(): readonly string[] {
    return [...this.#keys.keys()]
  }

  /** The operations of a key, by call. */
  operationsOf(key: string): readonly Operation[] {
    return this.#keyOf(key).operations
  }

  /** The acknowledged writes of a key, by revision. */
  writesOf(key: string): readonly Operation[] {
    return this.#keyOf(key).writes
  }

  /** The acknowledged write of a key with the highest revision up to this one. */
  lastWriteUpTo(key: string, revision: number): Operation | undefined {
    const { writes } = this.#keyOf(key)
    return writes[countUpTo(writes, revision) - 1]
  }

  /** Acknowledged puts of a key up to a revision, since it was last known not to exist. */
  putsUpTo(key: string, revision: number): number {
    const { writes, puts } = this.#keyOf(key)
    return puts[countUpTo(writes, revision) - 1] ?? 0
  }

  /** Puts of unknown outcome of a key, called before an operation returned. */
  openPuts(key: string, until: Operation): number {
    const { openPuts } = this.#keyOf(key)
    const { return_us } = until
    if (return_us === undefined) return openPuts.length
    return countWhile(openPuts, ({ call_us }) => call_us <= return_us)
  }

  /**
   * Before an operation returned, a delete of unknown outcome may have removed what an acknowledged
   * write of its key left, or what came after it.
   */
  mayBeRemoved(write: Operation, until: Operation): boolean {
    const { openDeletes, writes, openPuts } = this.#keyOf(write.key)
    const [firstPut] = openPuts
    const anyPut = firstPut !== undefined && !isAfter(firstPut, until)
    for (const open of openDeletes) {
      if (isAfter(open, until)) return false
      const { action } = open
      const condition = action.type === 'delete' ? action.condition : undefined
      if (condition === undefined) return true
      if (condition.type === 'absent' || condition.revision < revisionOf(write)) continue
      // The revision is that of a write which was acknowledged, or of one nobody knows.
      const named = writes[countUpTo(writes, condition.revision) - 1]
      if (anyPut || (named !== undefined && revisionOf(named) === condition.revision)) return true
    }
    return false
  }

  /** A delete that was acknowledged with a higher revision, called before an operation returned. */
  deletedAfter(write: Operation, until: Operation): boolean {
    const { writes } = this.#keyOf(write.key)
    return writes
      .slice(countUpTo(writes, revisionOf(write)))
      .some((one) => one.outcome.type === 'deleted' && !isAfter(one, until))
  }

  #keyOf(name: string): KeyIndex {
    let key = this.#keys.get(name)
    if (key === undefined) {
      key = { operations: [], writes: [], puts: [], openPuts: [], openDeletes: [] }
      this.#keys.set(name, key)
    }
    return key
  }
}

function revisionOf(write: Operation): number {
  return acknowledgedRevision(write) as number
}

/** Called after the other one returned. */
function isAfter(operation: Operation, other: Operation): boolean {
  return other.return_us !== undefined && operation.call_us > other.return_us
}

/** How many of these writes, sorted by revision, are at or below one. */
function countUpTo(writes: readonly Operation[], revision: number): number {
  return countWhile(writes, (write) => revisionOf(write) <= revision)
}

/** How many of a list's first members hold, where those that hold come first. */
function countWhile<T>(list: readonly T[], holds: (one: T) => boolean): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(list[middle] as T)) low = middle + 1
    else high = middle
  }
  return low
}
