/** What a server's answer means for a history: an observation, `fail` or `unknown` (DESIGN §11). */

import type { Failure, ReadAnswer, WriteAnswer } from '../../client/client.ts'
import type { Outcome } from '../history.ts'

export type Meaning = {
  readonly outcome: Outcome
  /** No answer, or a status from 500 on: its code. */
  readonly failure?: string
  /** The failure in the server's own words. */
  readonly detail?: string
  /** The history that the server's tag names. */
  readonly history?: string | undefined
}

export function meaningOfWrite(answer: WriteAnswer): Meaning {
  switch (answer.type) {
    case 'written': {
      const { type, revision, created, history } = answer
      return { outcome: { type, revision, created }, history }
    }
    case 'deleted':
      return { outcome: { type: answer.type, revision: answer.revision } }
    case 'absent':
      return { outcome: { type: 'absent' } }
    case 'condition-failed': {
      const { type, revision } = answer
      return { outcome: revision === undefined ? { type } : { type, revision } }
    }
    default: {
      const code = codeOf(answer)
      // What was never sent never takes effect; of what is not said to be refused, nobody knows.
      const refused =
        answer.type === 'problem' ? answer.outcome === 'not-applied' : isUnsent(answer)
      return { outcome: { type: refused ? 'fail' : 'unknown', code }, ...failureOf(answer) }
    }
  }
}

export function meaningOfRead(answer: ReadAnswer): Meaning {
  const seen =
    'source' in answer && answer.source.revision !== undefined
      ? { seen: answer.source.revision }
      : {}
  switch (answer.type) {
    case 'found': {
      const { type, value, revision, version, history, age_ms } = answer
      return {
        outcome: {
          type,
          value,
          revision,
          ...(version === undefined ? {} : { version }),
          ...seen,
          ...(age_ms === undefined ? {} : { age_ms }),
        },
        history,
      }
    }
    case 'absent':
    case 'not-modified': {
      const { type, age_ms } = answer
      return { outcome: { type, ...seen, ...(age_ms === undefined ? {} : { age_ms }) } }
    }
    default:
      return { outcome: { type: 'fail', code: codeOf(answer) }, ...failureOf(answer) }
  }
}

function isUnsent(failure: Failure): boolean {
  return failure.type === 'no-answer' && !failure.sent
}

function codeOf(failure: Failure): string {
  switch (failure.type) {
    case 'problem':
      return failure.code
    case 'foreign':
      return 'foreign-answer'
    case 'no-answer':
      return 'no-answer'
    default:
      return failure satisfies never
  }
}

function failureOf(failure: Failure): Pick<Meaning, 'failure' | 'detail'> {
  const { type, detail } = failure
  if (type === 'problem' && failure.source.status < 500) return { detail }
  return { failure: codeOf(failure), detail }
}
