/**
 * A child's side of supervision: when the supervisor is gone, however it ended, its channel closes,
 * and the child ends too. Otherwise a `kill -9` of `ordinal local` would leave five processes that
 * hold ports and disks.
 */

/** Ends this process with code 1 when its supervisor is gone; nothing if it has none. */
export function followSupervisor(): void {
  if (!process.connected) return
  process.once('disconnect', () => {
    process.stderr.write('the supervisor is gone: ending\n')
    process.exit(1)
  })
  // The channel alone must not keep a command alive that is done.
  process.channel?.unref()
}
