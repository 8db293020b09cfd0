/**
 * The TLS files of this process, reread while it runs. Who dials takes what is there now, at most a
 * second old; servers are told when it has changed. Connections that are up go on as they are.
 *
 * Files that cannot be used (a key that is not the certificate's, because one of the two was
 * written first) leave the last ones in force, and that is said, here and in the notes.
 */

import { type Clock, systemClock, type Timer } from './clock.ts'
import { ClusterError } from './errors.ts'
import { SECRET_POLL_MS } from './limits.ts'
import { complaintsOf, oneLine, readTls, type TlsMaterial, tlsStamp } from './tls-material.ts'

/** The part of a pino logger that is used here. */
type Log = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}

export type TlsFolderOptions = {
  readonly folder: string
  readonly clock?: Clock
  readonly log?: Log
}

/** A folder with `tls.crt`, `tls.key`, `ca.crt`. The constructor throws `invalid-config`. */
export class TlsFolder {
  readonly #folder: string
  readonly #clock: Clock
  readonly #log: Log | undefined
  readonly #listeners = new Set<(material: TlsMaterial) => void>()
  #material: TlsMaterial
  #stamp: string
  #looked_ms: number
  #problem: string | undefined
  #timer: Timer | undefined

  constructor(options: TlsFolderOptions) {
    this.#folder = options.folder
    this.#clock = options.clock ?? systemClock
    this.#log = options.log
    this.#looked_ms = this.#clock.now_ms()
    try {
      const { material, stamp } = readTls(this.#folder)
      this.#material = material
      this.#stamp = stamp
    } catch (cause) {
      const message = `the TLS files in ${this.#folder} cannot be used: ${(cause as Error).message}`
      throw new ClusterError('invalid-config', message, { cause })
    }
    this.#tell('TLS files read')
  }

  /** What is in force now. */
  get material(): TlsMaterial {
    if (this.#clock.now_ms() - this.#looked_ms >= SECRET_POLL_MS) this.#look()
    return this.#material
  }

  /** Calls `apply` each time the files were replaced. Returns what ends that. */
  onChange(apply: (material: TlsMaterial) => void): () => void {
    this.#listeners.add(apply)
    this.#timer ??= this.#clock.after(SECRET_POLL_MS, () => this.#poll())
    return () => {
      this.#listeners.delete(apply)
      if (this.#listeners.size === 0) this.close()
    }
  }

  /** A line for each thing that a person should know. */
  notes(): string[] {
    const complaints = complaintsOf(this.#material, this.#clock.wall_ms())
    return this.#problem === undefined ? complaints : [...complaints, this.#problem]
  }

  /** Tells nobody any more. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#listeners.clear()
  }

  #poll(): void {
    this.#timer = this.#clock.after(SECRET_POLL_MS, () => this.#poll())
    this.#look()
  }

  #look(): void {
    this.#looked_ms = this.#clock.now_ms()
    try {
      if (tlsStamp(this.#folder) === this.#stamp) {
        this.#problem = undefined
        return
      }
      const { material, stamp } = readTls(this.#folder)
      this.#material = material
      this.#stamp = stamp
      this.#problem = undefined
    } catch (error) {
      const { message } = error as Error
      const problem = `new TLS files cannot be used, the last ones stay: ${message}`
      if (this.#problem !== problem) this.#log?.warn({ err: error }, problem)
      this.#problem = problem
      return
    }
    this.#tell('TLS files reread')
    for (const apply of this.#listeners) apply(this.#material)
  }

  #tell(message: string): void {
    const { certificate, authorities } = this.#material
    const details = {
      subject: oneLine(certificate.subject),
      serial: certificate.serialNumber,
      until: certificate.validToDate.toISOString(),
      authorities: authorities.map(({ subject }) => oneLine(subject)),
    }
    this.#log?.info(details, message)
    for (const complaint of complaintsOf(this.#material, this.#clock.wall_ms())) {
      this.#log?.warn({}, complaint)
    }
  }
}
