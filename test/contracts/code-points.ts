/**
 * Any character of Unicode for random strings, as fast-check's own unit `binary` draws them: the
 * same seed gives the same strings. That one builds a map of all 1.1 million of them first, up to
 * two seconds a process; this one computes the way back.
 */

import fc from 'fast-check'

const SURROGATES = 0xd800
const SURROGATES_COUNT = 0x800

function codePointOf(text: unknown): number {
  const code = typeof text === 'string' ? text.codePointAt(0) : undefined
  if (code === undefined || text !== String.fromCodePoint(code)) throw new Error('no code point')
  return code < SURROGATES ? code : code - SURROGATES_COUNT
}

/** For `fc.string({ unit: anyCodePoint })`: each code point but surrogates. */
export const anyCodePoint = fc
  .nat(0x10ffff - SURROGATES_COUNT)
  .map((at) => String.fromCodePoint(at < SURROGATES ? at : at + SURROGATES_COUNT), codePointOf)
