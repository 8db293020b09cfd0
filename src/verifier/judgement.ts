/**
 * From a verdict to a line for a person and an exit code: 0 it holds, 1 it was proved wrong, 2
 * nobody can tell.
 */

import type { Verdict } from './check-history.ts'
import { plural } from './explain.ts'
import { commonest } from './statistics.ts'

export type Judgement = {
  readonly exitCode: 0 | 1 | 2
  /** One sentence. */
  readonly headline: string
  /** Why nobody can tell, and what the reader should know besides. */
  readonly notes: readonly string[]
}

/** What of a run bears on the judgement. */
export type Circumstances = {
  readonly endedBy: 'time' | 'asked' | 'full history' | 'other history'
  readonly load_us: number
  readonly history: string | undefined
  readonly otherHistory: string | undefined
  readonly failures: ReadonlyMap<string, number>
  readonly details: ReadonlyMap<string, string>
  readonly operations: number
}

/** `run`: undefined for a history out of a file. */
export function judge(verdict: Verdict, run: Circumstances | undefined): Judgement {
  const { figures } = verdict
  const notes = run === undefined ? [] : notesOf(run)
  if (run?.otherHistory !== undefined) {
    return {
      exitCode: 2,
      headline: 'could not tell: the data of the cluster was replaced while the run was under way',
      notes: [
        `its history id was ${run.history}, then ${run.otherHistory}: a forced bootstrap or a ` +
          'restore, after which acknowledged writes may be gone by a decision of somebody',
        ...notes,
      ],
    }
  }
  if (verdict.holds === 'no') {
    const lost = figures.lost === 0 ? '' : `, ${plural(figures.lost, 'acknowledged write')} lost`
    const { findingsTotal } = verdict
    const first = verdict.findings[0]?.type === 'not-linearizable' ? 'not linearizable' : 'wrong'
    return {
      exitCode: 1,
      headline: `${first}: ${plural(findingsTotal, 'proof')}${lost}`,
      notes,
    }
  }
  if (figures.acknowledged === 0) {
    return {
      exitCode: 2,
      headline: `could not tell: ${nothingWritten(run)}`,
      notes,
    }
  }
  if (verdict.holds === 'undecided') {
    const [reason = ''] = verdict.undecided
    const others = verdict.undecided.slice(1)
    return { exitCode: 2, headline: `could not tell: ${reason}`, notes: [...others, ...notes] }
  }
  if (figures.keysUnread > 0) {
    const were = figures.keysUnread === 1 ? 'was' : 'were'
    return {
      exitCode: 2,
      headline:
        `linearizable, but ${plural(figures.keysUnread, 'key')} with acknowledged writes ${were} ` +
        'not read in the end: could not tell whether writes are lost',
      notes,
    }
  }
  return {
    exitCode: 0,
    headline: `linearizable, 0 of ${plural(figures.acknowledged, 'acknowledged write')} lost`,
    notes,
  }
}

function nothingWritten(run: Circumstances | undefined): string {
  if (run === undefined) return 'the history holds no acknowledged write'
  const seconds = (run.load_us / 1_000_000).toFixed(1)
  const [most] = commonest(run.failures)
  if (run.operations === 0) return `nothing was sent in ${seconds} s`
  const code = most?.[0] ?? [...run.details.keys()][0]
  const detail = code === undefined ? undefined : run.details.get(code)
  const why =
    code === undefined ? '' : `; mostly ${code}${detail === undefined ? '' : `: ${detail}`}`
  return `no write succeeded in ${seconds} s${why}`
}

function notesOf(run: Circumstances): string[] {
  const notes: string[] = []
  if (run.endedBy === 'asked') notes.push('the run was ended before its time')
  if (run.endedBy === 'full history') {
    notes.push('the run ended early: its history had reached the most operations that it may hold')
  }
  return notes
}
