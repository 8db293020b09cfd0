/**
 * The keyboard of a local cluster: a digit chooses a replica for the next key, without one the key
 * means the leader. Pure: what a key means depends on the digit before it and nothing else.
 */

import type { ChildAction } from './control.ts'

export type KeyMeaning =
  | { readonly type: 'choose'; readonly ordinal: number }
  | { readonly type: 'act'; readonly action: ChildAction; readonly name: string }
  | { readonly type: 'help' }
  | { readonly type: 'list' }
  | { readonly type: 'quit' }
  | { readonly type: 'none' }

const ACTION_KEYS: Readonly<Record<string, ChildAction>> = {
  k: 'kill',
  p: 'pause',
  c: 'resume',
  r: 'restart',
  s: 'stop',
  u: 'start',
}

export const KEY_HELP = `\
  k  kill the leader (kill -9)        0k  kill db-0, and so on with each of these
  p  pause the leader for 10 s        c   continue it now
  r  restart the leader               s   stop it, until u (up) starts it: 1s, 1u
  l  list the processes               h   this help
  q  quit, as Ctrl-C; a second Ctrl-C does not wait`

/** What `key` means after the digit `chosen` (undefined: none). */
export function readKey(key: string, chosen: number | undefined): KeyMeaning {
  if (/^\d$/.test(key)) return { type: 'choose', ordinal: Number(key) }
  const action = ACTION_KEYS[key]
  if (action !== undefined) {
    return { type: 'act', action, name: chosen === undefined ? 'leader' : `db-${chosen}` }
  }
  // Ctrl-C arrives as a byte while the terminal is in raw mode, Ctrl-D as another.
  if (key === 'q' || key === '\u0003' || key === '\u0004') return { type: 'quit' }
  if (key === 'h' || key === '?') return { type: 'help' }
  if (key === 'l') return { type: 'list' }
  return { type: 'none' }
}
