/** A frame in a few words, for whoever reads a transcript. */

import type { Message } from '../../src/database/consensus/types.ts'
import { FRAME } from '../../src/database/kv/frame-types.ts'
import { decodeMessage } from '../../src/database/peers/codec.ts'

const OF_API = new Map<number, string>(Object.entries(FRAME).map(([name, type]) => [type, name]))
const OF_REPLICAS = new Map([
  [1, 'hello'],
  [3, 'refused'],
  [4, 'places'],
])
const MESSAGE = 2

/** `from` and `to` are places: `db-0`, `api-1`. */
export function describeFrame(
  way: { from: string; to: string },
  type: number,
  body: Buffer,
): string {
  const { from, to } = way
  const api = from.startsWith('api') || to.startsWith('api')
  if (api) return `${from} > ${to}  ${OF_API.get(type)}, ${body.length} bytes`
  if (type !== MESSAGE) return `${from} > ${to}  ${OF_REPLICAS.get(type)}`
  return `${from} > ${to}  ${describeMessage(decodeMessage(body))}`
}

function describeMessage(message: Message): string {
  const term = `term ${message.term}`
  switch (message.type) {
    case 'pre-vote':
    case 'vote':
      return `${message.type}, ${term}, log ends at ${message.lastIndex} of ${message.lastTerm}`
    case 'pre-vote-reply':
    case 'vote-reply':
      return `${message.type}, ${term}: ${message.granted ? 'yes' : 'no'}`
    case 'append': {
      const { previousIndex, entries, commit, token } = message
      const what = entries.length === 0 ? 'heartbeat' : `append ${entries.length}`
      const read = token === undefined ? '' : `, read round ${token.round}`
      return `${what} after ${previousIndex}, ${term}, commit ${commit}${read}`
    }
    case 'append-reply': {
      const { match, rejected, hintIndex, token } = message
      const what = rejected ? `reject ${match}, try ${hintIndex}` : `match ${match}`
      return `${what}, ${term}${token === undefined ? '' : `, read round ${token.round}`}`
    }
    case 'read-index':
      return `read-index ${message.request}, ${term}`
    case 'read-index-reply':
      return `read-index ${message.request}: ${message.refused ? 'no' : message.index}, ${term}`
    case 'timeout-now':
      return `timeout-now (${message.reason}), ${term}`
  }
}
