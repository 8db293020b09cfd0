/**
 * The command line of `npm run bench`: what is measured, how often, and where the figures go.
 */

import { parseArgs } from 'node:util'
import { UsageError, whole } from '../command-line.ts'

/** What one drive does; each drive does one kind of request only. */
export type Operation = 'put' | 'get'
export type PeerName = 'fastify' | 'etcd'
export type GeneratorName = 'auto' | 'wrk' | 'own'

export type BenchOptions = {
  readonly rounds: number
  readonly seconds: number
  readonly connections: readonly number[]
  readonly operations: readonly Operation[]
  readonly peers: readonly PeerName[]
  readonly keys: number
  readonly generator: GeneratorName
  readonly profile: boolean
  readonly json: string
  /** Folder under which the temporary folder is made; its disk is what fsync is measured on. */
  readonly data: string | undefined
  readonly api: number
  readonly replicas: number
  /** Measure the peers alone. */
  readonly peersOnly: boolean
}

export const USAGE = `npm run bench -- [options]

  --rounds N             rounds; each drives every target once in each setting     (3)
  --seconds S            length of one drive                                       (5)
  --connections 1,64,256 connections of each drive, closed loop, keep-alive
  --only put,get         which operations
  --peers fastify,etcd   what to measure beside Ordinal; --peers none: nothing
  --peers-only           leave Ordinal out, to try the peers or the tool itself
  --keys N               different keys, all written before the first drive   (100000)
  --generator wrk|own    the load generator (wrk where it is installed)
  --profile              write a CPU profile of each Node process to bench-profiles/
  --json FILE            where all figures are written           (bench-results.json)
  --data FOLDER          where the temporary data folder is made   (the system's own)
  --api N, --replicas N  shape of the Ordinal cluster                           (2, 3)
  --help                 this text

docs/benchmarks.md says how to read the result.`

function list<const T extends string>(name: string, text: string, known: readonly T[]): T[] {
  const words = text.split(',').filter((word) => word !== '')
  for (const word of words) {
    if (!(known as readonly string[]).includes(word)) {
      throw new UsageError(`--${name}: "${word}" is none of ${known.join(', ')}`)
    }
  }
  if (words.length === 0) throw new UsageError(`--${name}: expected one of ${known.join(', ')}`)
  return [...new Set(words)] as T[]
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        connections: { type: 'string', default: '1,64,256' },
        only: { type: 'string', default: 'put,get' },
        peers: { type: 'string', default: 'fastify,etcd' },
        'peers-only': { type: 'boolean', default: false },
        keys: { type: 'string', default: '100000' },
        generator: { type: 'string', default: 'auto' },
        profile: { type: 'boolean', default: false },
        json: { type: 'string', default: 'bench-results.json' },
        data: { type: 'string' },
        api: { type: 'string', default: '2' },
        replicas: { type: 'string', default: '3' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

/** Reads the arguments; undefined: help is asked for. Throws {@link UsageError}. */
export function readOptions(argv: readonly string[]): BenchOptions | undefined {
  const values = parse(argv)
  if (values.help) return undefined
  const connections = values.connections
    .split(',')
    .map((text) => whole('connections', text, { least: 1, most: 4096 }))
  return {
    rounds: whole('rounds', values.rounds, { least: 1, most: 100 }),
    // wrk takes whole seconds only.
    seconds: whole('seconds', values.seconds, { least: 1, most: 600 }),
    connections: [...new Set(connections)],
    operations: list('only', values.only, ['put', 'get']),
    peers: values.peers === 'none' ? [] : list('peers', values.peers, ['fastify', 'etcd']),
    keys: whole('keys', values.keys, { least: 1, most: 1_000_000 }),
    generator: list('generator', values.generator, ['auto', 'wrk', 'own'])[0] ?? 'auto',
    profile: values.profile,
    json: values.json,
    data: values.data,
    api: whole('api', values.api, { least: 1, most: 9 }),
    replicas: whole('replicas', values.replicas, { least: 1, most: 9 }),
    peersOnly: values['peers-only'],
  }
}
