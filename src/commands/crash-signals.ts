/**
 * Signals that say of the process itself that it has crashed. Nobody may handle them: Node's
 * handlers run later, in the event loop, so that the instruction that failed is tried again,
 * forever and at full speed. As the first process of a container even `abort`, with which V8 ends
 * when its memory is used up, comes down to that. close-with-grace takes them all unless it is told
 * not to.
 */

export const CRASH_SIGNALS = [
  'SIGILL',
  'SIGTRAP',
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGSEGV',
] as const
