/**
 * Histories of one key, made by hand: each a case that a checker could get wrong.
 */

import type { Operation } from '../../../src/verifier/history.ts'
import {
  at,
  ifAbsent,
  lostPut,
  lostRemove,
  operation,
  put,
  read,
  readNothing,
  refusedPut,
  remove,
} from './operations.ts'

/** Name → whether an order explains it, and the history. */
export const HISTORIES: Readonly<Record<string, readonly [boolean, readonly Operation[]]>> = {
  'nothing at all': [true, []],
  'a read of what was written': [true, [put(0, 'a', [0, 10], 1), read(1, 'a', [20, 30], 1)]],
  'a read of nothing before anything was written': [true, [readNothing(0, [0, 10])]],
  'a concurrent read may see the old or the new': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      put(0, 'b', [20, 60], 2),
      read(1, 'a', [25, 30], 1),
      read(1, 'b', [35, 40], 2),
      read(2, 'a', [26, 50], 1),
    ],
  ],
  'having seen the new, a client sees the old': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      put(0, 'b', [20, 60], 2),
      read(1, 'b', [25, 30], 2),
      read(1, 'a', [35, 40], 1),
    ],
  ],
  'having seen the new, another client sees the old': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      put(0, 'b', [20, 60], 2),
      read(1, 'b', [25, 30], 2),
      read(2, 'a', [35, 40], 1),
    ],
  ],
  'a stale value after the new one was acknowledged': [
    false,
    [put(0, 'a', [0, 10], 1), put(0, 'b', [20, 30], 2), read(1, 'a', [40, 50], 1)],
  ],
  'two concurrent puts are seen in different orders': [
    false,
    [
      put(0, 'a', [0, 50], 1),
      put(1, 'b', [0, 50], 2),
      read(2, 'a', [60, 70], 1),
      read(3, 'b', [80, 90], 2),
    ],
  ],
  'an acknowledged write is gone': [false, [put(0, 'a', [0, 10], 1), readNothing(1, [20, 30])]],
  'a deleted value is back': [
    false,
    [put(0, 'a', [0, 10], 1), remove(0, [20, 30], 2), read(1, 'a', [40, 50], 1)],
  ],
  'a delete finds what was deleted already': [
    false,
    [put(0, 'a', [0, 10], 1), remove(0, [20, 30], 2), remove(1, [40, 50], 3)],
  ],
  'two concurrent deletes of one value both find it': [
    false,
    [put(0, 'a', [0, 10], 1), remove(0, [20, 30], 2), remove(1, [20, 30], 3)],
  ],
  'a write of unknown outcome never takes effect': [
    true,
    [put(0, 'a', [0, 10], 1), lostPut(1, 'b', [20, 30]), read(2, 'a', [40, 50], 1)],
  ],
  'a write of unknown outcome takes effect much later': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(1, 'b', [20, 30]),
      read(2, 'a', [40, 50], 1),
      read(2, 'b', [60, 70], 2),
    ],
  ],
  'a write of unknown outcome takes effect twice': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(1, 'b', [20]),
      read(2, 'b', [40, 50], 2),
      put(0, 'c', [60, 70], 3),
      read(2, 'b', [80, 90], 2),
    ],
  ],
  'a write of unknown outcome is seen before it was sent': [
    false,
    [read(2, 'b', [0, 10], 2), lostPut(1, 'b', [20])],
  ],
  'a delete of unknown outcome explains one absence': [
    true,
    [put(0, 'a', [0, 10], 1), lostRemove(1, [20]), readNothing(2, [40, 50])],
  ],
  'a delete of unknown outcome explains two deletions': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      lostRemove(1, [20]),
      readNothing(2, [40, 50]),
      put(0, 'b', [60, 70], 3),
      readNothing(2, [80, 90]),
    ],
  ],
  'a conditional delete of unknown outcome removes the revision that it names': [
    true,
    [put(0, 'a', [0, 10], 1), lostRemove(1, [20], { if: at(1) }), readNothing(2, [40, 50])],
  ],
  'a conditional delete of unknown outcome removes no other revision': [
    false,
    [put(0, 'a', [0, 10], 1), lostRemove(1, [20], { if: at(2) }), readNothing(2, [40, 50])],
  ],
  'a conditional delete of unknown outcome removes what an unknown put wrote': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(3, 'b', [0]),
      lostRemove(1, [20], { if: at(2) }),
      readNothing(2, [40, 50]),
    ],
  ],
  'an unknown put that was sent too late has no revision to be removed at': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      lostRemove(1, [20], { if: at(2) }),
      readNothing(2, [40, 50]),
      lostPut(3, 'b', [60]),
    ],
  ],
  'a revision that was told of an unknown put is no other one': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(3, 'b', [0]),
      refusedPut(4, 'c', [12, 14], { if: at(1), revision: 2 }),
      lostRemove(1, [20], { if: at(3) }),
      readNothing(2, [40, 50]),
    ],
  ],
  'a conditional delete of unknown outcome removes one state': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(3, 'b', [0]),
      lostRemove(1, [20], { if: at(2) }),
      readNothing(2, [40, 50]),
      put(0, 'c', [60, 70], 5),
      lostPut(3, 'd', [80]),
      readNothing(2, [90, 95]),
    ],
  ],
  'a conditional put of unknown outcome makes no key at another revision': [
    false,
    [lostPut(1, 'b', [20], { if: at(2) }), remove(2, [40, 50], 3)],
  ],
  'a write that was refused is no write': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      operation(1, [20, 30], { type: 'put', value: 'b' }, { type: 'fail' }),
      read(2, 'a', [40, 50], 1),
    ],
  ],
  'compare and set: one after the other': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      put(1, 'b', [20, 30], 2, { if: at(1) }),
      put(2, 'c', [20, 40], 3, { if: at(2) }),
      read(0, 'c', [50, 60], 3),
    ],
  ],
  'compare and set: two win on one revision': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      put(1, 'b', [20, 40], 2, { if: at(1) }),
      put(2, 'c', [20, 40], 3, { if: at(1) }),
    ],
  ],
  'a 412 tells a revision that was replaced before': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      put(0, 'b', [20, 30], 2),
      refusedPut(1, 'c', [40, 50], { if: at(7), revision: 1 }),
    ],
  ],
  'a 412 although the condition held all the time': [
    false,
    [put(0, 'a', [0, 10], 1), refusedPut(1, 'b', [20, 30], { if: at(1) })],
  ],
  'if absent: two win': [
    false,
    [
      put(0, 'a', [0, 20], 1, { if: ifAbsent, created: true }),
      put(1, 'b', [0, 20], 2, { if: ifAbsent, created: true }),
    ],
  ],
  'if absent: the second one wins after a delete': [
    true,
    [
      put(0, 'a', [0, 40], 1, { if: ifAbsent, created: true }),
      remove(2, [0, 40], 2),
      put(1, 'b', [0, 40], 3, { if: ifAbsent, created: true }),
    ],
  ],
  'if absent: refused where there is nothing': [
    false,
    [refusedPut(0, 'a', [0, 10], { if: ifAbsent })],
  ],
  'a put says that it made a key which exists': [
    false,
    [put(0, 'a', [0, 10], 1, { created: true }), put(0, 'b', [20, 30], 2, { created: true })],
  ],
  'a put says that it replaced a key which does not exist': [
    false,
    [put(0, 'a', [0, 10], 1, { created: false })],
  ],
  'a 304 for what was replaced before': [
    false,
    [
      put(0, 'a', [0, 10], 1),
      put(0, 'b', [20, 30], 2),
      operation(1, [40, 50], { type: 'read', unless: 1 }, { type: 'not-modified' }),
    ],
  ],
  'a revision nobody was told is that of the unknown write': [
    true,
    [
      put(0, 'a', [0, 10], 1),
      lostPut(1, 'b', [20]),
      refusedPut(2, 'c', [40, 50], { if: at(1), revision: 2 }),
      put(2, 'd', [60, 70], 3, { if: at(2) }),
    ],
  ],
  'a revision nobody was told, and no write that can have it': [
    false,
    [put(0, 'a', [0, 10], 1), refusedPut(2, 'c', [40, 50], { if: at(1), revision: 2 })],
  ],
  'revisions told wrongly do not hide a stale value': [
    false,
    [put(0, 'a', [0, 10], 9), put(0, 'b', [20, 30], 2), read(1, 'a', [40, 50], 9)],
  ],
  'revisions in the wrong order do not condemn a right history': [
    true,
    [put(0, 'a', [0, 50], 9), put(1, 'b', [0, 50], 2), read(2, 'b', [60, 70], 2)],
  ],
  'equal times are concurrent': [
    true,
    [put(0, 'a', [0, 10], 1), put(0, 'b', [10, 20], 2), read(1, 'a', [20, 20], 1)],
  ],
}
