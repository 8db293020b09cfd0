/**
 * The situations that the simulator must reach: each in at least one run of a hundred, or it does
 * not test what it says it tests.
 */

export const SITUATIONS: Readonly<Record<string, string>> = {
  'leader-change': 'another replica was elected',
  'hand-back': 'the lead went back to a lower ordinal',
  'hand-over': 'the lead was given away before a stop, or for a hung disk',
  'transfer-failed': 'a transfer of the lead failed',
  'stepped-down-alone': 'a leader without a quorum stepped down',
  'stepped-down-paused': 'a leader that was paused stepped down',
  'suffix-truncated': 'a conflicting suffix was cut off a log',
  'log-compacted': 'the beginning of a log was deleted',
  'snapshot-sent': 'a snapshot was sent to the end',
  'snapshot-failed': 'a snapshot stream broke',
  'snapshot-installed': 'a snapshot was switched in',
  'unsynced-batch-lost': 'power was lost, and a batch that was not synced with it',
  'killed-between-effects': 'a process died between two effects of one step',
  'damage-found': 'a replica found damage and ended',
  'data-set-aside': 'a replica set its data aside',
  'disk-lost': 'a disk was lost',
  'old-disk-back': 'a disk that was lost came back',
  'removed-replica-back': 'a removed incarnation was told so',
  'twin-joined': 'a second process with one ordinal became a member',
  'disk-full': 'a disk refused a write',
  'puts-refused-507': 'puts were refused because a quorum was nearly full',
  'membership-change': 'a membership was committed after the first two',
  'scaled-down': 'a replica was removed for good',
  'key-expired': 'a key expired',
  'session-opened-again': 'an API server opened a second session',
  'session-ended': 'a session was ended by the replicas',
  'session-unknown': 'a command met a session that had ended',
  'below-floor': 'a command below the floor was refused',
  'stored-result': 'a retry met a stored result',
  'write-retried': 'a write was sent again',
  'write-unknown': 'a client did not learn the fate of a write',
  'read-retried': 'a read was sent to another replica',
  'read-stale': 'a stale read was answered',
  'read-refused-too-stale': 'a stale read was refused for its age',
  'condition-failed': 'a condition did not hold',
  'message-dropped': 'a single message was lost',
  'message-late': 'a message came late, after others',
  'message-held': 'messages waited for the end of a partition',
  'all-drained': 'all replicas drained at once',
  'all-killed': 'all replicas were killed at once',
  rolled: 'a rolling restart',
  'api-died': 'an API server died',
  'beyond-the-budget': 'more disks were lost than a cluster must survive',
}

/** Counts, over runs, how often each situation occurred and in how many runs. */
export class Coverage {
  readonly #times = new Map<string, number>()
  readonly #runs = new Map<string, number>()
  runs = 0

  add(run: Readonly<Record<string, number>>): void {
    this.runs += 1
    for (const [situation, times] of Object.entries(run)) {
      if (times === 0) continue
      this.#times.set(situation, (this.#times.get(situation) ?? 0) + times)
      this.#runs.set(situation, (this.#runs.get(situation) ?? 0) + 1)
    }
  }

  share(situation: string): number {
    return this.runs === 0 ? 0 : (this.#runs.get(situation) ?? 0) / this.runs
  }

  /** Situations reached by less than one run in a hundred. */
  missing(): string[] {
    return Object.keys(SITUATIONS).filter((situation) => this.share(situation) < 0.01)
  }

  /** The table, for people. Of a single run: what occurred in it. */
  lines(): string[] {
    if (this.runs === 1) return this.#linesOfOne()
    const lines = ['situation                 runs    times  what']
    for (const [situation, what] of Object.entries(SITUATIONS)) {
      const share = `${(this.share(situation) * 100).toFixed(1)} %`.padStart(7)
      const times = String(this.#times.get(situation) ?? 0).padStart(8)
      lines.push(`${situation.padEnd(22)} ${share} ${times}  ${what}`)
    }
    return lines
  }

  #linesOfOne(): string[] {
    const lines = ['situation                 times  what']
    for (const [situation, what] of Object.entries(SITUATIONS)) {
      const times = this.#times.get(situation) ?? 0
      if (times > 0) lines.push(`${situation.padEnd(22)} ${String(times).padStart(8)}  ${what}`)
    }
    return lines.length === 1 ? ['none of the situations occurred'] : lines
  }
}
