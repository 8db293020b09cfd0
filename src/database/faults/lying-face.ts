/** The replica's own reads and writes over HTTP with the liar in between. */

import type { AnswerSource, Reader } from '../../shared/http/reader.ts'
import type { WriteTaker } from '../../shared/http/write-taker.ts'
import { decodeRecord } from '../kv/record.ts'
import type { Liar } from './liar.ts'

export type LyingFaceOptions = {
  readonly liar: Liar
  /** Which state answers, as the honest replica would say. */
  readonly source: () => AnswerSource
}

const EMPTY = Buffer.alloc(0)

/** `inner`, except for linearizable reads that are lied about. */
export function lyingReader(inner: Reader, options: LyingFaceOptions): Reader {
  const { liar, source } = options
  return {
    read: (key, metadataOnly, terms, done) => {
      const recalled = terms.consistency === 'linearizable' ? liar.recall([key]) : undefined
      if (recalled === undefined) {
        inner.read(key, metadataOnly, terms, done)
        return
      }
      const [bytes] = recalled
      const record = bytes === undefined ? undefined : decodeRecord(key, bytes)
      const shown = record !== undefined && metadataOnly ? { ...record, value: EMPTY } : record
      done(undefined, { record: shown, age_ms: 0, source: source() })
    },
    list: (request) => inner.list(request),
    cluster: () => inner.cluster(),
    whoami: () => inner.whoami(),
  }
}

/** `inner`, except for writes that are lied about. */
export function lyingWriter(inner: WriteTaker, options: LyingFaceOptions): WriteTaker {
  const { liar, source } = options
  return {
    submit: (command, timeout_ms, done) => {
      const [result] = liar.acknowledge([command]) ?? []
      if (result === undefined) inner.submit(command, timeout_ms, done)
      else done(undefined, result, { ...source(), revision: result.revision })
    },
  }
}
