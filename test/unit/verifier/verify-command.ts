/**
 * `ordinal verify` run in this process: its exit code and what it printed.
 */

import { runVerify, type VerifyCommand } from '../../../src/commands/verify.ts'

const COMMAND: VerifyCommand = {
  url: [],
  duration: 250,
  rate: 0,
  clients: 4,
  keys: 8,
  timeout: 500,
  readBack: 300,
  seed: 7,
}

export type Result = { readonly code: number; readonly out: string; readonly err: string }

/** A short run against a tiny store, unless `command` says otherwise. */
export async function verify(
  command: Partial<VerifyCommand>,
  { terminal = false, signal = new AbortController().signal } = {},
): Promise<Result> {
  let out = ''
  let err = ''
  const code = await runVerify(
    { ...COMMAND, ...command },
    {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      terminal,
      signal,
    },
  )
  return { code, out, err }
}

export const lastLine = (text: string) => text.trimEnd().split('\n').at(-1) ?? ''
