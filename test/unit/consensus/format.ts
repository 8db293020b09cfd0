/** One line for everything that a core is told and says, for transcripts. */

import type { Entry } from '../../../src/database/consensus/entry.ts'
import { payloadOf } from '../../../src/database/consensus/entry.ts'
import { decodeLeadRecord, decodeMembership } from '../../../src/database/consensus/membership.ts'
import type {
  CoreEvent,
  Health,
  MemberId,
  Membership,
  Message,
  ReadToken,
  Write,
} from '../../../src/database/consensus/types.ts'

/** First incarnations are called by their ordinal alone. */
export function name(member: MemberId | undefined): string {
  if (member === undefined || member === '') return '-'
  return member.endsWith('/a') ? member.slice(0, -2) : member
}

export function names(members: readonly MemberId[]): string {
  return members.map(name).join(' ')
}

export function formatMembership(membership: Membership | undefined): string {
  if (membership === undefined) return 'none'
  const { voters, learners, removed, opened } = membership
  let text = `voters ${names(voters)}`
  if (learners.length > 0) text += `, learners ${names(learners)}`
  if (removed.length > 0) text += `, removed ${names(removed)}`
  return opened ? text : `${text}, not opened`
}

export function formatEntry(entry: Entry): string {
  const head = `${entry.index}/${entry.term}`
  switch (entry.type) {
    case 'noop': {
      const { leader, reason } = decodeLeadRecord(payloadOf(entry))
      return `${head} noop(${name(leader)} ${reason})`
    }
    case 'membership':
      return `${head} membership(${formatMembership(decodeMembership(payloadOf(entry)))})`
    case 'commands': {
      const text = payloadOf(entry).toString()
      return `${head} ${text.length > 20 ? `${text.slice(0, 8)}…${text.length} bytes` : text}`
    }
  }
}

/** `[4/2 5/2]`: positions only, shortened in the middle. */
export function positions(entries: readonly Entry[]): string {
  const all = entries.map((entry) => `${entry.index}/${entry.term}`)
  if (all.length > 4) return `[${all[0]} … ${all[all.length - 1]}]`
  return `[${all.join(' ')}]`
}

function formatToken(token: ReadToken | undefined): string {
  return token === undefined ? '' : ` token ${token.term}.${token.start}.${token.round}`
}

function formatHealth({ electable, draining, diskFull }: Health): string {
  if (draining) return ' draining'
  return `${electable ? '' : ' not-electable'}${diskFull ? ' disk-full' : ''}`
}

export function formatMessage(message: Message): string {
  const head = `${name(message.from)}->${name(message.to)} ${message.type} t${message.term}`
  switch (message.type) {
    case 'pre-vote':
      return `${head} last ${message.lastIndex}/${message.lastTerm}`
    case 'vote':
      return (
        `${head} last ${message.lastIndex}/${message.lastTerm}` +
        (message.transfer ? ' transfer' : '')
      )
    case 'pre-vote-reply':
      if (message.granted) return `${head} granted`
      return `${head} refused${message.leaseRunning ? ', lease' : ''}`
    case 'vote-reply':
      return `${head} ${message.granted ? 'granted' : 'refused'}`
    case 'append': {
      const { previousIndex, previousTerm, entries, commit, token } = message
      const kind = entries.length === 0 ? '' : ` ${positions(entries)}`
      const previous = `after ${previousIndex}/${previousTerm}`
      return `${head} ${previous}${kind} commit ${commit}${formatToken(token)}`
    }
    case 'append-reply': {
      const { match, rejected, hintIndex, hintTerm, token, health } = message
      const result = rejected ? `rejected ${match} hint ${hintIndex}/${hintTerm}` : `match ${match}`
      return `${head} ${result}${formatHealth(health)}${formatToken(token)}`
    }
    case 'read-index':
      return `${head} request ${message.start}.${message.request}`
    case 'read-index-reply': {
      const { start, request, refused, index } = message
      return `${head} request ${start}.${request} ${refused ? 'refused' : `index ${index}`}`
    }
    case 'timeout-now':
      return `${head} ${message.reason}`
  }
}

export function formatWrite(write: Write): string {
  const parts: string[] = []
  const { install, truncateFrom, entries, hardState } = write
  if (install !== undefined) {
    const { meta, keepLog } = install
    const rest = keepLog ? ', keep the log above' : ', drop the log'
    parts.push(`install snapshot ${meta.index}/${meta.term}${rest}`)
  }
  if (truncateFrom !== undefined) parts.push(`truncate from ${truncateFrom}`)
  if (entries.length > 0) parts.push(`append ${positions(entries)}`)
  if (hardState !== undefined) parts.push(`term ${hardState.term} vote ${name(hardState.vote)}`)
  return `write #${write.id}: ${parts.join('; ')}`
}

export function formatEvent(event: CoreEvent): string {
  switch (event.type) {
    case 'role':
      return `becomes ${event.role} in term ${event.term}`
    case 'leader':
      return event.leader === undefined
        ? 'knows no leader'
        : `follows leader ${name(event.leader)} of term ${event.term}`
    case 'elected':
      return `ELECTED in term ${event.term} (${event.reason})`
    case 'stepped-down':
      return `STEPPED DOWN from term ${event.term}: ${plain(event.why)}`
    case 'membership':
      return `membership at ${event.index}: ${formatMembership(event.membership)}`
    case 'transfer-started':
      return `${event.reason} to ${name(event.to)} starts`
    case 'transfer-failed':
      return `transfer to ${name(event.to)} FAILED: ${event.why}`
    case 'hand-back-refused':
      return `no hand-back to ${name(event.to)} yet: ${event.why}`
    case 'diverged':
      return `DIVERGED at ${event.index}: ${event.why}`
    case 'drained':
      return `DRAINED: ${plain(event.why)}`
  }
}

function plain(text: string): string {
  return text.replaceAll('/a', '')
}
