/**
 * Messages in: terms first, then each to the file that knows (etcd `Step`). A message of a higher
 * term ends the own one; who asks in a lower term is answered with the own, so that nobody sticks.
 */

import { assertNever } from '../../shared/assert.ts'
import {
  handlePreVote,
  handlePreVoteReply,
  handleTimeoutNow,
  handleVote,
  handleVoteReply,
  leaseRunning,
  retrySoon,
} from './election.ts'
import { handleAppend, handleSnapshot, refuseStaleAppend } from './following.ts'
import { confirmRound, handleReadIndex, handleReadIndexReply } from './reads.ts'
import { handleAppendReply } from './replication.ts'
import { becomeFollower } from './roles.ts'
import type { CoreState } from './state.ts'
import type { Input, Message } from './types.ts'
import { send } from './verbs.ts'

/** Terms first (Raft §5.1), then the message itself. */
export function receive(state: CoreState, message: Message): void {
  if (message.term > state.term) {
    // A pre-vote asks about a term that nobody is in.
    if (message.type === 'vote' && !message.transfer && leaseRunning(state)) return
    if (message.type !== 'pre-vote') {
      const leader = message.type === 'append' ? message.from : undefined
      const why = `${message.from} is in term ${message.term}`
      const asked = message.type === 'pre-vote-reply' && state.role === 'pre-candidate'
      becomeFollower(state, { term: message.term, leader, why })
      if (asked) retrySoon(state)
    }
  } else if (message.term < state.term && answerOldTerm(state, message)) return
  switch (message.type) {
    case 'pre-vote':
      handlePreVote(state, message)
      return
    case 'pre-vote-reply':
      handlePreVoteReply(state, message)
      return
    case 'vote':
      handleVote(state, message)
      return
    case 'vote-reply':
      handleVoteReply(state, message)
      return
    case 'append':
      handleAppend(state, message)
      return
    case 'append-reply':
      if (state.leading === undefined) return
      handleAppendReply(state, state.leading, message)
      if (message.token !== undefined) {
        confirmRound(state, state.leading, { from: message.from, token: message.token })
      }
      return
    case 'read-index':
      handleReadIndex(state, message)
      return
    case 'read-index-reply':
      handleReadIndexReply(state, message)
      return
    case 'timeout-now':
      handleTimeoutNow(state, message)
      return
    default:
      assertNever(message)
  }
}

/**
 * Who asks in an old term is told the own one; answers from an old term are dropped. False for
 * pre-votes and their answers, which know rounds instead of terms.
 */
function answerOldTerm(state: CoreState, message: Message): boolean {
  switch (message.type) {
    case 'pre-vote':
    case 'pre-vote-reply':
      return false
    case 'append':
      refuseStaleAppend(state, message)
      return true
    case 'vote':
      send(state, message.from, { type: 'vote-reply', granted: false }, state.hardWrite)
      return true
    case 'read-index': {
      const { request, start } = message
      const body = { type: 'read-index-reply', request, start, index: 0, refused: true } as const
      send(state, message.from, body, state.hardWrite)
      return true
    }
    case 'vote-reply':
    case 'append-reply':
    case 'read-index-reply':
    case 'timeout-now':
      return true
    default:
      assertNever(message)
  }
}

/** A snapshot arrived whole, from the leader of a term. */
export function receiveSnapshot(
  state: CoreState,
  input: Input & { type: 'snapshot-received' },
): void {
  if (input.term < state.term || state.leading !== undefined) return
  if (input.term > state.term) {
    becomeFollower(state, { term: input.term, leader: input.from, why: '' })
  }
  handleSnapshot(state, input)
}
