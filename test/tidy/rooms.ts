/**
 * The import table: who may import whom, and which packages (CONTRIBUTING.md, "Rooms").
 */

/** What each room of `src/` may import besides itself; patterns of paths below `src/`. */
export const ROOMS: Readonly<Record<string, readonly RegExp[]>> = {
  entry: [/^commands\/main\.ts$/],
  commands: [/./],
  api: [
    /^shared\//,
    /^database\/kv\/(types|codec|frames|record|(frame|segment|result)-[a-z-]+)\.ts$/,
  ],
  'database/replica': [/^database\/(consensus|kv)\//, /^shared\//],
  'database/consensus': [/^shared\/(assert|bytes|errors|formats|limits)\.ts$/],
  'database/kv': [/^shared\/(assert|bytes|errors|limits)\.ts$/],
  'database/storage': [
    /^database\/(consensus|kv)\//,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  'database/peers': [
    /^database\/consensus\/(types|entry)\.ts$/,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  // Stands around the ports that a command hands to a replica, which never sees it. Speaks the
  // frames of API servers, since the fault `lie` answers them in the replica's place.
  'database/faults': [
    /^database\/consensus\/types\.ts$/,
    /^database\/kv\/(types|codec|frames|record|frame-types)\.ts$/,
    /^database\/replica\/ports\.ts$/,
    /^shared\//,
  ],
  // The seam is types alone: what a replica asks, told by who answers.
  kubernetes: [/^database\/replica\/orchestrator\.ts$/, /^shared\//],
  // Asks replicas over links as an API server does, and so speaks the same frames; how a link is
  // dialed, a name looked up or a URL asked is handed in.
  doctor: [/^database\/kv\/(frames|frame-types)\.ts$/, /^shared\//],
  local: [/^shared\//],
  client: [],
  dashboard: [/^shared\//],
  verifier: [/^shared\/assert\.ts$/],
  'verifier/workload': [/^client\//, /^verifier\//, /^shared\//],
  shared: [],
}

/** Packages that only these rooms may import. */
export const PACKAGES: readonly { readonly name: RegExp; readonly rooms: readonly string[] }[] = [
  { name: /^(level|classic-level|abstract-level)$/, rooms: ['database/storage', 'commands'] },
  { name: /^@kubernetes\//, rooms: ['kubernetes'] },
  { name: /^undici$/, rooms: ['database/peers', 'commands'] },
]

/** Rooms without input, output, clock, randomness or promises, and the packages they may have. */
export const PURE: Readonly<Record<string, readonly string[]>> = {
  'database/consensus': ['@node-rs/crc32', 'node:buffer'],
  'database/kv': ['@node-rs/crc32', 'node:buffer', 'node:crypto'],
  verifier: [],
}
export const IMPURE = new RegExp(
  [
    '\\b(Date\\.now|new Date|Math\\.random|randomUUID|performance\\.',
    'set(Timeout|Interval|Immediate)|await|Promise|process\\.|fetch\\()',
  ].join('|'),
)

/** The room of a file of `src/`: the innermost, if it is in any. */
export function roomOf(path: string): string | undefined {
  const inside = path.replace(/^src\//, '')
  const rooms = Object.keys(ROOMS).filter((room) => inside.startsWith(`${room}/`))
  return rooms.sort((a, b) => b.length - a.length)[0]
}
