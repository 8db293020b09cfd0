/**
 * How far another clock is from this one. A Date header has whole seconds, so that half a second is
 * added and counted as doubt, beside half of the time the answer took. Ordinal's own safety asks
 * for no equal clocks (DESIGN §5); keys with a time to live do: a new leader follows its wall clock
 * by at most LOG_TIME_STEP_MS_MAX.
 */

import { LOG_TIME_STEP_MS_MAX } from '../shared/limits.ts'
import { about, type Finding } from './finding.ts'
import type { HttpAnswer } from './http-get.ts'

const HALF_SECOND_MS = 500
const OFFSET_WARN_MS = 2000
const REMEDY = 'let both machines follow one time server (chrony, systemd-timesyncd)'

/** The finding about the clock of who gave this answer. */
export function clockFinding(name: string, answer: HttpAnswer): Finding {
  const finding = about('clock', name)
  if (answer.date_ms === undefined) return finding.skipped('its answer carries no date')
  const here_ms = answer.sent_ms + answer.took_ms / 2
  const offset_ms = answer.date_ms + HALF_SECOND_MS - here_ms
  const doubt_ms = HALF_SECOND_MS + answer.took_ms / 2
  const surely_ms = Math.abs(offset_ms) - doubt_ms
  const seconds = (Math.abs(offset_ms) / 1000).toFixed(1)
  const way = offset_ms > 0 ? 'ahead of' : 'behind'
  if (surely_ms > LOG_TIME_STEP_MS_MAX) {
    return finding.failed(`its clock is ${seconds} s ${way} this one`, REMEDY)
  }
  if (surely_ms > OFFSET_WARN_MS) {
    return finding.warning(`its clock is ${seconds} s ${way} this one`, REMEDY)
  }
  return finding.ok(`its clock is within ${((Math.abs(offset_ms) + doubt_ms) / 1000).toFixed(1)} s`)
}
