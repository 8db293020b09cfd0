/**
 * A cluster with everything that guards it, for a test: TLS, client tokens, peer secrets. Each
 * process has mounted Secrets of its own, since kubelets replace theirs at different times, too.
 */

import { readFileSync } from 'node:fs'
import { Agent, Pool } from 'undici'
import { fixture, MountedSecret, type Teardown, tlsContent } from '../../unit/tls/folders.ts'
import { startCluster, type TestCluster } from '../harness.ts'
import { until } from '../until.ts'

const API_NAMES = ['api-0', 'api-1'] as const
const NAMES = ['db-0', 'db-1', 'db-2', ...API_NAMES] as const

/** The Secrets of one process. */
export type Mounts = {
  readonly tls: MountedSecret
  readonly tokens: MountedSecret
  readonly peers: MountedSecret
}

export function mountsOf(
  test: Teardown,
  content: { tls: Record<string, string>; tokens: string; secret: string },
): Mounts {
  return {
    tls: new MountedSecret(test, content.tls),
    tokens: new MountedSecret(test, { tokens: content.tokens }),
    peers: new MountedSecret(test, { secret: content.secret }),
  }
}

export function environmentOf({ tls, tokens, peers }: Mounts): Record<string, string> {
  return {
    ORDINAL_TLS_FOLDER: tls.path,
    ORDINAL_TOKENS_FILE: tokens.file('tokens'),
    ORDINAL_PEER_SECRET_FILE: peers.file('secret'),
  }
}

export class SecuredCluster {
  readonly cluster: TestCluster
  readonly #mounts: ReadonlyMap<string, Mounts>

  private constructor(cluster: TestCluster, mounts: ReadonlyMap<string, Mounts>) {
    this.cluster = cluster
    this.#mounts = mounts
  }

  static async start(test: Teardown): Promise<SecuredCluster> {
    const content = { tls: tlsContent('leaf-a', 'ca-a'), tokens: 'first\n', secret: 'one\n' }
    const mounts = new Map(NAMES.map((name) => [name as string, mountsOf(test, content)]))
    const cluster = await startCluster({
      childEnv: (name) => environmentOf(mounts.get(name) as Mounts),
    })
    test.teardown(() => cluster.stop())
    const secured = new SecuredCluster(cluster, mounts)
    await until('every process is ready', () =>
      cluster.local.view().processes.every(({ ready }) => ready),
    )
    return secured
  }

  /** The balanced API, over TLS. */
  get url(): string {
    return this.cluster.url.replace('http:', 'https:')
  }

  /** Replaces one Secret of every process, and waits until each has said that it read it. */
  async replace(which: keyof Mounts, content: Record<string, string>): Promise<void> {
    const said = { tls: 'TLS files reread', tokens: 'client tokens reread', peers: 'peer secret' }
    const count = (name: string) => this.logOf(name).split(said[which]).length
    const before = new Map(NAMES.map((name) => [name, count(name)]))
    for (const name of NAMES) this.#mounts.get(name)?.[which].replace(content)
    // Tokens and secrets are looked at when they are used: by API servers under load all the time,
    // elsewhere at the next request, and not at all while links are up.
    const now = { tls: NAMES, tokens: API_NAMES, peers: [] }[which]
    await until(`all have read their ${which}`, () =>
      now.every((name) => count(name) > (before.get(name) ?? 0)),
    )
  }

  logOf(name: string): string {
    return readFileSync(this.cluster.process(name).logFile, 'utf8')
  }

  async notesOf(name: string): Promise<readonly string[]> {
    const { metrics } = this.cluster.replicaUrls(name)
    const status = (await (await fetch(`${metrics}/status`)).json()) as { notes: string[] }
    return status.notes
  }

  environment(name: string): Record<string, string | undefined> {
    return { ...this.cluster.local.child(name).plan.env }
  }
}

/** How a test's own requests reach the cluster: whom they trust, and their token. */
export const client = { token: 'first', authorities: ['ca-a'] as readonly string[] }

const connect = () => ({ ca: client.authorities.map((name) => fixture(`${name}.crt`)).join('') })

/** Status and text, over a connection of its own. */
export async function askOnce(
  url: string,
  options: { method?: 'GET' | 'PUT' | 'POST'; body?: string; token?: string | undefined } = {},
): Promise<{ status: number; text: string }> {
  const agent = new Agent({ connect: connect() })
  try {
    const { method = 'GET', body, token } = options
    const { statusCode, body: answer } = await agent.request({
      origin: new URL(url).origin,
      path: new URL(url).pathname,
      method,
      ...(body === undefined ? {} : { body }),
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    return { status: statusCode, text: await answer.text() }
  } finally {
    await agent.close()
  }
}

export type GuardedLoad = {
  readonly done: number
  readonly failures: readonly string[]
  stop(): Promise<void>
}

/**
 * Writes and reads back without a pause, half of it over connections that stay and half over new
 * ones. Whatever is not answered as it should be is a failure.
 */
export function startGuardedLoad(url: string, clients: number): GuardedLoad {
  const failures: string[] = []
  let done = 0
  let stopping = false
  const run = async (number: number) => {
    const pool = new Pool(url, { connections: 1, connect: connect() })
    for (let turn = 0; !stopping; turn += 1) {
      const path = `/v1/kv/load/${number}/${turn % 50}`
      const body = `${number} ${turn}`
      const { token } = client
      try {
        const written = await askOnce(`${url}${path}`, { method: 'PUT', body, token })
        const headers = { authorization: `Bearer ${token}` }
        const read = await pool.request({ path, method: 'GET', headers })
        const text = await read.body.text()
        if (written.status > 201) failures.push(`PUT ${written.status} ${written.text}`)
        else if (read.statusCode !== 200 || text !== body) {
          failures.push(`GET ${read.statusCode} ${text}`)
        } else done += 1
      } catch (error) {
        failures.push(String(error))
      }
    }
    await pool.close()
  }
  const running = Promise.all(Array.from({ length: clients }, (_, number) => run(number)))
  return {
    get done() {
      return done
    },
    failures,
    stop: async () => {
      stopping = true
      await running
    },
  }
}
