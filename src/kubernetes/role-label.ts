/**
 * The label by which the Service `db-leader` finds the leader's Pod. It is a hint: who is asked for
 * a write and does not lead says so. Each replica labels its own Pod; the leader takes the label
 * off the others too, since a Pod on a lost node cannot do it itself.
 *
 *   want(leading) ──► own label on ──► others' off ──► looks again every ROLE_CHECK_MS
 *   want(not leading) ──► own label off ──► waits for news
 *
 * What is wanted may change at any moment: a patch that was late is mended by the leader's next
 * look, and a label is taken off another Pod only as it was read (its resourceVersion).
 */

import type { Clock } from '../shared/clock.ts'
import { ROLE_CHECK_MS } from '../shared/limits.ts'
import type { Answer } from './answer.ts'
import type { Objects, Pod } from './objects.ts'
import { Pause, retryAfter_ms } from './pause.ts'
import type { Standing } from './standing.ts'

export const ROLE_LABEL = 'ordinal.dev/role'
const LEADER = 'leader'

export type Lead = {
  /** This replica leads and has committed in its term. */
  readonly leading: boolean
  /** Names of the other members' Pods. */
  readonly others: readonly string[]
}

export type RoleLabelOptions = {
  readonly objects: Objects
  /** The own Pod. */
  readonly pod: string
  readonly standing: Standing
  readonly clock: Clock
  readonly random: () => number
}

export function leads(pod: Pod): boolean {
  return pod.metadata?.labels?.[ROLE_LABEL] === LEADER
}

export class RoleLabel {
  readonly #options: RoleLabelOptions
  readonly #pause: Pause
  readonly #done: Promise<void>
  // The container may have been started anew in a Pod that was the leader's.
  #wanted: Lead = { leading: false, others: [] }
  #closed = false

  constructor(options: RoleLabelOptions) {
    this.#options = options
    this.#pause = new Pause(options.clock)
    this.#done = this.#work()
  }

  /** From now on. Costs nothing when it is what was wanted before. */
  want(lead: Lead): void {
    const { leading, others } = this.#wanted
    const same = leading === lead.leading && (!leading || others.join() === lead.others.join())
    if (same || this.#closed) return
    this.#wanted = lead
    this.#pause.wake()
  }

  /** Takes the own label off; resolves when that was tried. */
  async close(): Promise<void> {
    this.want({ leading: false, others: [] })
    this.#closed = true
    this.#pause.wake()
    await this.#done
  }

  async #work(): Promise<void> {
    let failures = 0
    let settled: Lead | undefined
    for (;;) {
      const wanted = this.#wanted
      const done = await this.#make(wanted, settled === wanted)
      failures = done ? 0 : failures + 1
      if (done) settled = wanted
      if (this.#wanted !== wanted) continue
      if (this.#closed) return
      const well_ms = wanted.leading ? ROLE_CHECK_MS : undefined
      await this.#pause.sleep(done ? well_ms : retryAfter_ms(failures, this.#options.random))
      if (this.#closed && settled === this.#wanted) return
    }
  }

  /** `again`: it was so before, so that a look may do. Resolves to whether all of it is so. */
  async #make(wanted: Lead, again: boolean): Promise<boolean> {
    const { pod } = this.#options
    if (!wanted.leading) return await this.#set(pod, null)
    const labelled = again && (await this.#isLabelled(pod))
    if (!labelled && !(await this.#set(pod, LEADER))) return false
    let all = true
    for (const other of wanted.others) {
      if (this.#wanted !== wanted) return false
      if (!(await this.#takeOff(other, wanted))) all = false
    }
    return all
  }

  async #isLabelled(pod: string): Promise<boolean> {
    const answer = this.#note('read', await this.#options.objects.pod(pod))
    return answer.type === 'ok' && leads(answer.object)
  }

  async #set(pod: string, value: string | null): Promise<boolean> {
    const body = { metadata: { labels: { [ROLE_LABEL]: value } } }
    const answer = this.#note('label', await this.#options.objects.patchPod(pod, body))
    return answer.type === 'ok' || answer.type === 'absent'
  }

  async #takeOff(pod: string, wanted: Lead): Promise<boolean> {
    const { objects } = this.#options
    const found = this.#note('read', await objects.pod(pod))
    if (found.type !== 'ok') return found.type === 'absent'
    if (!leads(found.object)) return true
    if (this.#wanted !== wanted) return false
    const { resourceVersion } = found.object.metadata ?? {}
    const answer = await objects.patchPod(pod, {
      metadata: {
        labels: { [ROLE_LABEL]: null },
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    })
    const { type } = this.#note('label', answer)
    return type === 'ok' || type === 'absent'
  }

  #note(verb: 'read' | 'label', answer: Answer<Pod>): Answer<Pod> {
    return this.#options.standing.note(`${verb} Pods`, answer)
  }
}
