/**
 * The simulator's eyes inside the replicas: what each core was told and what it decided, and what
 * each state machine applied. They look at the two pure classes from outside, by wrapping their
 * methods once a process; the product has no seam for it and pays nothing.
 */

import { Core } from '../../src/database/consensus/core.ts'
import type { Effects, Input, Instant } from '../../src/database/consensus/types.ts'
import { KvState } from '../../src/database/kv/state.ts'
import type { AppliedEntry, CommandResult, KvChanges } from '../../src/database/kv/types.ts'

export type Watcher = {
  onStep(core: Core, step: { instant: Instant; input: Input; effects: Effects }): void
  onApplied(
    state: KvState,
    entry: AppliedEntry,
    applied: { payload: Uint8Array; results: readonly (readonly CommandResult[])[] },
  ): void
  onChanges(state: KvState, changes: KvChanges): void
}

let present: Watcher | undefined
let installed = false

/** From now on this watcher is told; undefined: nobody. */
export function watch(watcher: Watcher | undefined): void {
  if (!installed) install()
  present = watcher
}

function install(): void {
  installed = true
  const { step } = Core.prototype
  Core.prototype.step = function watched(instant: Instant, input: Input): Effects {
    const effects = step.call(this, instant, input)
    present?.onStep(this, { instant, input, effects })
    return effects
  }
  const { apply, takeChanges } = KvState.prototype
  KvState.prototype.apply = function watched(entry, payload) {
    const results = apply.call(this, entry, payload)
    present?.onApplied(this, entry, { payload, results })
    return results
  }
  KvState.prototype.takeChanges = function watched() {
    const changes = takeChanges.call(this)
    if (changes !== undefined) present?.onChanges(this, changes)
    return changes
  }
}
