/** What happens in a local cluster, for whoever tells a person about it. */

export type LocalEvent =
  | { readonly type: 'started'; readonly name: string; readonly pid: number }
  | {
      readonly type: 'ready'
      readonly name: string
      /** Since its start; undefined: it was ready before, and is so again. */
      readonly after_ms: number | undefined
    }
  | { readonly type: 'unready'; readonly name: string }
  | {
      /** It runs, and is not ready though it has had time. */
      readonly type: 'slow'
      readonly name: string
      readonly after_ms: number
      /** Why, as it says itself, or the last line it printed. */
      readonly said: string | undefined
    }
  | {
      readonly type: 'exited'
      readonly name: string
      /** `exited with code 1`, `was killed by SIGKILL`. */
      readonly how: string
      /** When it is started again; undefined: it stays down. */
      readonly again_ms: number | undefined
      /** The last line it printed, if it ended by itself soon after its start. */
      readonly said: string | undefined
    }
  | { readonly type: 'paused'; readonly name: string; readonly for_ms: number }
  | { readonly type: 'resumed'; readonly name: string }
  | {
      readonly type: 'leader'
      readonly name: string
      readonly term: number
      readonly before: string | undefined
    }
  | { readonly type: 'stopping' }
  | { readonly type: 'failed'; readonly what: string; readonly cause: unknown }

export type Report = (event: LocalEvent) => void
