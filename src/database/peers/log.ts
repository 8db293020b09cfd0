/** The part of a pino logger that this room uses, so that tests can hand in their own. */
export type PeerLog = {
  info(details: object, message: string): void
  warn(details: object, message: string): void
}
