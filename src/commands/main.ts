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
import { ClusterError } from '../shared/errors.ts'

function wholeNumber(range: { minimum: number; maximum: number }): (text: string) => number {
  return (text) => {
    const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
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
    .action(async (options: { url: string; secretFile?: string }) => {
      const { runBootstrap } = await import('./bootstrap.ts')
      await runBootstrap({ url: options.url, secretFile: options.secretFile })
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
