/** Hostile bytes for decoders: whatever they get, they decode it or throw one of their codes. */

import fc from 'fast-check'
import { ClusterError } from '../../../src/shared/errors.ts'

/** A valid frame with some bytes changed, cut, doubled, or put in. */
export function mutated(valid: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.nat(),
    kind: fc.constantFrom('set', 'cut', 'insert', 'double', 'huge'),
    byte: fc.nat(255),
  })
  return fc.tuple(valid, fc.array(edit, { minLength: 1, maxLength: 4 })).map(([frame, edits]) => {
    let bytes = Buffer.from(frame)
    for (const { at, kind, byte } of edits) {
      const position = bytes.length === 0 ? 0 : at % bytes.length
      const before = bytes.subarray(0, position)
      const behind = bytes.subarray(position)
      if (kind === 'cut') bytes = Buffer.from(before)
      else if (kind === 'insert') bytes = Buffer.concat([before, Buffer.from([byte]), behind])
      else if (kind === 'double') bytes = Buffer.concat([before, behind, behind])
      else {
        bytes = Buffer.from(bytes)
        bytes.fill(
          kind === 'huge' ? 0xff : byte,
          position,
          Math.min(bytes.length, position + (kind === 'huge' ? 4 : 1)),
        )
      }
    }
    return bytes
  })
}

/** What a decoder made of bytes: its value, or the code it threw. Anything else is thrown on. */
export function outcomeOf<Value>(
  decode: () => Value,
  codes: readonly string[] = ['malformed-frame', 'format-too-new'],
): { value: Value } | { code: string } {
  try {
    return { value: decode() }
  } catch (error) {
    if (error instanceof ClusterError && codes.includes(error.code)) return { code: error.code }
    throw error
  }
}
