/**
 * The command line: which subcommands there are, what they take, and how they end.
 *
 * Each command's code is loaded when it is called, so that `--help` is quick and an API server
 * never loads LevelDB. Exit codes: 0 done, 1 failed (one line on stderr for what was to be
 * expected, a stack for what was not), 2 called wrongly.
 */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import manifest from '../../package.json' with { type: 'json' }
import { followSupervisor } from '../local/follow-supervisor.ts'
import { parseDuration } from '../shared/duration.ts'
import { ClusterError } from '../shared/errors.ts'

function wholeNumber(range: { minimum: number; maximum: number }): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (value >= range.minimum && value <= range.maximum) return value
    throw new InvalidArgumentError(
      `Expected a whole number from ${range.minimum} to ${range.maximum}.`,
    )
  }
}

const portNumber = wholeNumber({ minimum: 0, maximum: 65_535 })

function addServers(program: Command): void {
  program
    .command('replica')
    .description('run one database replica (configured by ORDINAL_* variables)')
    .action(async () => {
      const { readReplicaConfig } = await import('../shared/config.ts')
      const config = readReplicaConfig(process.env)
      process.title = `ordinal ${config.name}`
      const { runReplica } = await import('./replica.ts')
      await runReplica(config)
    })
  program
    .command('api')
    .description('run one API server (configured by ORDINAL_* variables)')
    .action(async () => {
      const { readApiConfig } = await import('../shared/config.ts')
      const config = readApiConfig(process.env)
      process.title = `ordinal ${config.name}`
      const { runApi } = await import('./api.ts')
      await runApi(config)
    })
}

function addLocal(program: Command): void {
  program
    .command('local')
    .description('run a whole cluster on this machine: replicas, API servers, balancer, DNS zone')
    .option('--replicas <count>', 'database replicas', wholeNumber({ minimum: 1, maximum: 9 }), 3)
    .option('--api <count>', 'API servers', wholeNumber({ minimum: 1, maximum: 9 }), 2)
    .option('--port <port>', 'port of the balanced API (0: a free one)', portNumber, 8080)
    .option('--control-port <port>', 'port of the control API (default: --port + 1)', portNumber)
    .option('--data <folder>', 'where data and logs are kept', 'data')
    .addOption(
      new Option('--ephemeral', 'keep data in a temporary folder, removed at the end').conflicts(
        'data',
      ),
    )
    .addOption(
      new Option('--balancer <kind>', 'who spreads connections over the API servers')
        .choices(['auto', 'kernel', 'proxy'])
        .default('auto'),
    )
    .action(async (options) => {
      const { runLocal } = await import('./local.ts')
      await runLocal({ ephemeral: false, ...options, env: process.env })
    })
}

function addBootstrap(program: Command): void {
  program
    .command('bootstrap')
    .description('form a new cluster from the data of one replica, when the majority is lost')
    .requiredOption('--force', 'yes: the other replicas and what only they hold are given up')
    .requiredOption('--url <url>', 'the replica whose data is kept, e.g. http://db-0:8080')
    .option(
      '--secret-file <file>',
      "the peers' shared secret",
      process.env['ORDINAL_PEER_SECRET_FILE'],
    )
    .option(
      '--tls-folder <folder>',
      'folder with the ca.crt of an https URL',
      process.env['ORDINAL_TLS_FOLDER'],
    )
    .action(async (options: { url: string; secretFile?: string; tlsFolder?: string }) => {
      const { url, secretFile, tlsFolder } = options
      const { runBootstrap } = await import('./bootstrap.ts')
      await runBootstrap({ url, secretFile, tlsFolder })
    })
}

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look at the cluster from here and say what is wrong, and what to do about it')
    .option('--url <url>', 'ask only this API server or replica, e.g. http://localhost:8080')
    .option('--json', 'one JSON document instead of lines', false)
    .addOption(
      new Option('--wait <span>', 'look again until nothing fails, at most this long').argParser(
        span({ minimum: '1s', maximum: '1h' }),
      ),
    )
    .action(async (options: { url?: string; json: boolean; wait?: number }) => {
      const { runDoctor } = await import('./doctor.ts')
      const { fromKubernetes } = await import('./doctor-kubernetes.ts')
      const more = options.url === undefined ? fromKubernetes(process.env) : undefined
      const well = await runDoctor({ ...options, env: process.env }, more)
      if (!well) process.exitCode = 1
    })
}

function span(range: { minimum: string; maximum: string }): (text: string) => number {
  return (text) => {
    const span_ms = parseDuration(text) ?? Number.NaN
    const minimum_ms = parseDuration(range.minimum) as number
    if (span_ms >= minimum_ms && span_ms <= (parseDuration(range.maximum) as number)) return span_ms
    throw new InvalidArgumentError(`Expected from ${range.minimum} to ${range.maximum}.`)
  }
}

function addVerify(program: Command): void {
  const all = (url: string, before: readonly string[] | undefined) => [...(before ?? []), url]
  program
    .command('verify')
    .description('load a cluster, and prove that its answers hold: 0 they do, 1 not, 2 cannot tell')
    .option(
      '--url <url>',
      'the API; may be given several times (default: http://localhost:8080)',
      all,
    )
    .addOption(
      new Option('--duration <span>', 'how long')
        .argParser(span({ minimum: '1s', maximum: '7d' }))
        .default(30_000, '30s'),
    )
    .option(
      '--rate <count>',
      'operations a second; 0: as fast as they are answered',
      wholeNumber({ minimum: 0, maximum: 100_000 }),
      200,
    )
    .option(
      '--clients <count>',
      'concurrent clients',
      wholeNumber({ minimum: 1, maximum: 1024 }),
      16,
    )
    .option(
      '--keys <count>',
      'keys, besides 4 hot ones',
      wholeNumber({ minimum: 1, maximum: 10_000 }),
      64,
    )
    .addOption(
      new Option('--timeout <span>', 'of one request')
        .argParser(span({ minimum: '10ms', maximum: '60s' }))
        .default(5000, '5s'),
    )
    .addOption(
      new Option('--read-back <span>', 'how long to try to read all keys in the end')
        .argParser(span({ minimum: '1s', maximum: '1h' }))
        .default(30_000, '30s'),
    )
    .option('--prefix <text>', 'what the keys start with, before a random part (default: verify/)')
    .option(
      '--seed <number>',
      'of the choices',
      wholeNumber({ minimum: 0, maximum: 2_147_483_647 }),
    )
    .option('--json', 'the report as JSON')
    .option('--html <file>', 'the report as a page')
    .option('--history <file>', 'save the history')
    .option(
      '--token-file <file>',
      "clients' tokens; the first one is shown (default: ORDINAL_TOKENS_FILE)",
      process.env['ORDINAL_TOKENS_FILE'] || undefined,
    )
    .addOption(
      new Option('--check <file>', 'check a saved history, and send nothing').conflicts([
        'url',
        'duration',
        'rate',
        'clients',
        'keys',
        'timeout',
        'readBack',
        'history',
        'prefix',
        'seed',
      ]),
    )
    .action(async (options) => {
      const { verifyAndExit } = await import('./verify.ts')
      await verifyAndExit({ ...options, url: options.url ?? ['http://localhost:8080'] })
    })
}

/** The commands, not yet run. */
export function buildProgram(): Command {
  const program = new Command('ordinal')
    .description(manifest.description)
    .version(manifest.version)
    .showHelpAfterError('(ordinal --help tells more)')
    .exitOverride()
  addLocal(program)
  addServers(program)
  addBootstrap(program)
  addVerify(program)
  addDoctor(program)
  return program
}

/** Prints why a command failed. Returns the exit code. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof ClusterError) {
    process.stderr.write(`ordinal: ${error.message}\n`)
    return 1
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`ordinal: unexpected failure, please report it\n${stack}\n`)
  return 1
}

/** Runs the command line. A command that serves goes on until its process ends. */
export async function main(argv: readonly string[]): Promise<void> {
  followSupervisor()
  try {
    await buildProgram().parseAsync(argv)
  } catch (error) {
    process.exit(explain(error))
  }
}
