/**
 * Writes at a replica's own client port: taken while it leads, else refused with the leader's name.
 *
 *   submit ──not leading, refusing, too many──► refused, not applied
 *      └──► queued at the loop ──► in the log ──► applied ──► answered
 *             │ deadline: unknown    │ deadline, lead lost: unknown
 *             └ lead lost: 421, not applied
 *
 * There is no session and no retry here, unlike in the API tier: each write is handed to the loop
 * once, and a write whose answer is lost is `outcome-unknown`. One that only waits at its deadline
 * is unknown too, since it may yet be proposed.
 */

import type { Clock } from '../../../shared/clock.ts'
import { ClusterError } from '../../../shared/errors.ts'
import { Admission } from '../../../shared/http/admission.ts'
import { resolveConditions } from '../../../shared/http/conditions.ts'
import { withOutcome } from '../../../shared/http/problem.ts'
import type {
  WriteCommand,
  WriteDone,
  WriteGate,
  WriteTaker,
} from '../../../shared/http/write-taker.ts'
import { LOCAL_WRITE_BYTES_MAX, LOCAL_WRITES_MAX } from '../../../shared/limits.ts'
import { encodeSegment } from '../../kv/codec.ts'
import { refuseWrite } from '../lanes.ts'
import type { Loop } from '../loop.ts'

/** What is asked of the loop. */
export type WritableLoop = Pick<Loop, 'leads' | 'refusing' | 'halted' | 'revision' | 'propose'>

export type LocalWriterOptions = {
  /** `db-0`. */
  readonly name: string
  readonly clock: Clock
  /** The running loop, or undefined while this replica belongs to no cluster. */
  readonly loop: () => WritableLoop | undefined
  /** Name of the known leader. */
  readonly leader: () => string | undefined
  readonly history: () => string
  /** Names of voters that are not heard. */
  readonly missing: () => readonly string[]
  /** The refusal of whatever is asked while there is no loop. */
  readonly notInCluster: () => { code: ClusterError['code']; message: string }
}

export class LocalWriter implements WriteTaker, WriteGate {
  readonly #options: LocalWriterOptions
  readonly #admission = new Admission({
    requests_max: LOCAL_WRITES_MAX,
    bytes_max: LOCAL_WRITE_BYTES_MAX,
  })

  constructor(options: LocalWriterOptions) {
    this.#options = options
  }

  /** A write that is refused anyhow is refused before its body is read. */
  enter(bytes: number): ClusterError | undefined {
    return this.#refusal() ?? this.#admission.enter(bytes)
  }

  leave(bytes: number): void {
    this.#admission.leave(bytes)
  }

  submit(command: WriteCommand, timeout_ms: number, done: WriteDone): void {
    const { clock, history, name } = this.#options
    const loop = this.#options.loop()
    const refusal = this.#refusal() ?? refusePut(loop, command)
    if (loop === undefined || refusal !== undefined) {
      done(refusal ?? this.#notInCluster(), undefined, undefined)
      return
    }
    let settled = false
    const settle: WriteDone = (error, result, source) => {
      if (settled) return
      settled = true
      deadline.cancel()
      done(error, result, source)
    }
    const deadline = clock.after(timeout_ms, () => {
      settle(this.#unknown('no answer came in time'), undefined, undefined)
    })
    try {
      loop.propose(this.#encode(command), 1, {
        answer: ([result]) => {
          const source = { revision: loop.revision, history: history(), servedBy: name }
          if (result !== undefined) settle(undefined, result, source)
          else settle(this.#unknown('the write has no result'), undefined, undefined)
        },
        refuse: (proposed) => {
          const error = proposed
            ? this.#unknown('the lead was lost while the write was in the log')
            : (this.#refusal() ?? this.#elsewhere())
          settle(error, undefined, undefined)
        },
      })
    } catch (error) {
      deadline.cancel()
      if (!(error instanceof ClusterError)) throw error
      settle(withOutcome(error, 'not-applied'), undefined, undefined)
    }
  }

  /** A segment outside any session: its command has no sequence, and runs when it is applied. */
  #encode(command: WriteCommand): Buffer {
    const condition = resolveConditions(command.condition, this.#options.history())
    const commands = [{ sequence: 0, command: { ...command, condition } }]
    return encodeSegment({ session: 0, floor: 0, commands })
  }

  /** Why no write at all is taken now; undefined: they are. */
  #refusal(): ClusterError | undefined {
    const loop = this.#options.loop()
    if (loop === undefined) return this.#notInCluster()
    if (loop.halted) return notApplied('shutting-down', 'this replica is stopping')
    if (!loop.leads) return this.#elsewhere()
    const refused = refuseWrite(loop)
    return refused === undefined ? undefined : notApplied(refused.code, refused.message)
  }

  #notInCluster(): ClusterError {
    const { code, message } = this.#options.notInCluster()
    return notApplied(code, message)
  }

  #elsewhere(): ClusterError {
    const { name } = this.#options
    const leader = this.#options.leader()
    const message =
      leader === undefined || leader === name
        ? `${name} does not lead, and knows no leader; write to an API server`
        : `${name} does not lead, ${leader} does; write there, or to an API server`
    const details = { leader: leader === name ? null : (leader ?? null) }
    return new ClusterError('not-leader', message, { outcome: 'not-applied', details })
  }

  #unknown(why: string): ClusterError {
    return new ClusterError('outcome-unknown', `${why}; it may have taken effect, or may yet`, {
      outcome: 'unknown',
      details: { missing: this.#options.missing() },
    })
  }
}

function refusePut(
  loop: WritableLoop | undefined,
  command: WriteCommand,
): ClusterError | undefined {
  if (command.type !== 'put' || loop?.refusing !== 'disk-full') return undefined
  return notApplied('disk-full', 'the disks of a quorum are full: deletes only')
}

function notApplied(code: ClusterError['code'], message: string): ClusterError {
  return new ClusterError(code, message, { outcome: 'not-applied' })
}
