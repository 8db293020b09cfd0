/**
 * Logs: one pino logger a process, a child logger a room. Lines are JSON unless a person asked for
 * something else or looks at a terminal. Nothing is logged per request.
 */

import { type Logger, type LoggerOptions, pino, stdTimeFunctions } from 'pino'
import pretty from 'pino-pretty'

export type { Logger } from 'pino'

/** The rooms that log. */
export type Room =
  | 'replica'
  | 'consensus'
  | 'storage'
  | 'peers'
  | 'faults'
  | 'kubernetes'
  | 'api'
  | 'local'
  | 'command'

export type LogConfig = {
  readonly logLevel: string
  /** `auto`: pretty on a terminal, else JSON. */
  readonly logFormat: 'auto' | 'json' | 'pretty'
}

/** The root logger of this process; `name` stands in each line (`db-0`). */
export function createLogger(name: string, config: LogConfig): Logger {
  const options: LoggerOptions = {
    name,
    level: config.logLevel,
    base: { name },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  }
  const forPeople =
    config.logFormat === 'pretty' || (config.logFormat === 'auto' && process.stdout.isTTY)
  if (!forPeople) return pino(options)
  return pino(options, pretty({ ignore: 'hostname,pid', sync: true }))
}

/** The logger of one room: its lines carry `room`. */
export function roomLogger(logger: Logger, room: Room): Logger {
  return logger.child({ room })
}
