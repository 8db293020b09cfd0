/** What the doctor says: one line about one thing, and what to do where something is wrong. */

/** What was looked at. Names are API: added, never renamed. */
export type CheckName =
  | 'configuration'
  | 'secret'
  | 'tokens'
  | 'tls'
  | 'dns'
  | 'peer'
  | 'leader'
  | 'quorum'
  | 'replica'
  | 'volume'
  | 'clock'
  | 'service'
  | 'url'
  | 'rbac'
  | 'statefulset'
  | 'marker'
  | 'label'

/** `warning`: works, and should be seen to. `skipped`: could not be looked at from here. */
export type State = 'ok' | 'warning' | 'failed' | 'skipped'

export type Finding = {
  readonly check: CheckName
  /** `db-0`, `db-api`, a folder. */
  readonly about: string
  readonly state: State
  readonly text: string
  /** What a person can do. */
  readonly remedy?: string
}

/** A look at something. Never rejects for what it looks at. */
export type Check = () => Promise<readonly Finding[]>

/** Findings about one thing. */
export function about(check: CheckName, name: string) {
  return {
    ok: (text: string): Finding => ({ check, about: name, state: 'ok', text }),
    warning: (text: string, remedy: string): Finding => {
      return { check, about: name, state: 'warning', text, remedy }
    },
    failed: (text: string, remedy: string): Finding => {
      return { check, about: name, state: 'failed', text, remedy }
    },
    skipped: (text: string, remedy?: string): Finding => {
      return {
        check,
        about: name,
        state: 'skipped',
        text,
        ...(remedy === undefined ? {} : { remedy }),
      }
    },
  }
}

/** Nothing failed. */
export function allWell(findings: readonly Finding[]): boolean {
  return findings.every(({ state }) => state !== 'failed')
}
