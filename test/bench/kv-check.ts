/**
 * A value written and read back by Ordinal's API: that a target answers quickly is worth nothing
 * if it answers something else.
 */

import { sample } from './requests.ts'
import { call } from './target.ts'

/** Throws unless the server at `url` gives back the bytes it was given. */
export async function checkKv(url: string): Promise<void> {
  const { key, value } = sample()
  const address = `${url}/v1/kv/${key}`
  const headers = { 'content-type': 'application/octet-stream' }
  await call(address, { method: 'PUT', body: value, headers })
  const answer = Buffer.from(await (await call(address)).arrayBuffer())
  if (!answer.equals(value)) throw new Error(`GET ${address} gave other bytes than were put`)
}
