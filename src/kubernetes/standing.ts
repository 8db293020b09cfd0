/**
 * How this replica stands with the Kubernetes API: said once in the log when it goes wrong and once
 * when it is well again, however many calls fail meanwhile; in between it is a note at `/status`.
 *
 *   well ──a call fails──► troubled ──so many good answers in a row──► well
 *
 * Two troubles are told apart: nobody answers (which concerns every call), and this ServiceAccount
 * may not do a certain thing (which goes on until that very thing is allowed).
 */

import { KUBERNETES_ANSWERS_WELL } from '../shared/limits.ts'
import type { Answer } from './answer.ts'

export type KubernetesLog = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export class Standing {
  readonly #log: KubernetesLog
  #unreachable: string | undefined
  #answers = 0
  /** What is refused → why. As many as there are kinds of calls. */
  readonly #refused = new Map<string, string>()

  constructor(log: KubernetesLog) {
    this.#log = log
  }

  /** Takes note of what became of a call; `what` names its kind: `read the StatefulSet db`. */
  note<T>(what: string, answer: Answer<T>): Answer<T> {
    if (answer.type === 'unreachable') this.#noAnswer(answer.why)
    else this.#answered()
    if (answer.type === 'refused' || answer.type === 'invalid') this.#refuse(what, answer.why)
    else if (answer.type !== 'unreachable') this.#allow(what)
    return answer
  }

  /** A line for each trouble. */
  notes(): string[] {
    const refused = [...this.#refused].map(
      ([what, why]) => `the Kubernetes API refuses to ${what}: ${why}`,
    )
    if (this.#unreachable === undefined) return refused
    return [`the Kubernetes API cannot be reached: ${this.#unreachable}`, ...refused]
  }

  #noAnswer(why: string): void {
    this.#answers = 0
    if (this.#unreachable === undefined) {
      this.#log.warn({ why }, 'the Kubernetes API cannot be reached; going on without it')
    }
    this.#unreachable = why
  }

  #answered(): void {
    if (this.#unreachable === undefined) return
    this.#answers += 1
    if (this.#answers < KUBERNETES_ANSWERS_WELL) return
    this.#unreachable = undefined
    this.#log.info({}, 'the Kubernetes API can be reached again')
  }

  #refuse(what: string, why: string): void {
    if (this.#refused.size === 0) {
      this.#log.warn({ what, why }, 'the Kubernetes API refuses something; going on without it')
    }
    this.#refused.set(what, why)
  }

  #allow(what: string): void {
    if (!this.#refused.delete(what) || this.#refused.size > 0) return
    this.#log.info({}, 'the Kubernetes API refuses nothing any more')
  }
}
