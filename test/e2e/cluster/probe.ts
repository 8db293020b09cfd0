/** Asks the Pod that runs `../probe/main.ts`, through the API server. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { IMAGE } from './helm.ts'
import { type Kube, path, type Tree } from './kube.ts'
import { until } from './until.ts'

const PROGRAM = new URL('../probe/main.ts', import.meta.url)
const PORT = 8000
const NAME = 'probe'

export type Told = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

export type AskOptions = {
  readonly method?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** An `ordinal …` that was started there. */
export type Running = {
  readonly out: string
  readonly err: string
  readonly exitCode: number | null
  readonly ended: boolean
}

export type SrvRecord = { readonly name: string; readonly port: number }

export class Probe {
  readonly #kube: Kube
  readonly #base: string

  constructor(kube: Kube, namespace: string) {
    this.#kube = kube
    this.#base = path('v1', namespace, 'pods', `${NAME}:${PORT}`, 'proxy')
  }

  /** SRV records of a name, as a Pod sees them; none where the name is unknown. */
  async srv(name: string): Promise<readonly SrvRecord[]> {
    const answer = await this.#kube.call('GET', `${this.#base}/srv?name=${name}`)
    if (answer.status === 500 && /ENOTFOUND|ENODATA/.test(answer.text)) return []
    return this.#read(answer.status, answer.text) as SrvRecord[]
  }

  /** One request from inside the cluster, on a connection of its own. Rejects without an answer. */
  async ask(url: string, options: AskOptions = {}): Promise<Told> {
    return (await this.post('/ask', { url, ...options })) as Told
  }

  /** `count` requests, each on a new connection, counted by what answered. */
  async many(
    url: string,
    count: number,
    options: AskOptions = {},
  ): Promise<Readonly<Record<string, number>>> {
    return (await this.post('/many', { url, count, ...options })) as Record<string, number>
  }

  /** Starts `ordinal …`; resolves to its id. */
  async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    return (await this.post('/run', { args, env })).id as number
  }

  running(id: number): Promise<Running> {
    return this.get(`/run?id=${id}`) as Promise<Running>
  }

  /** Runs `ordinal …` to its end. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Running> {
    const id = await this.start(args, env)
    return until(`ordinal ${args.join(' ')} has ended`, async () => {
      const running = await this.running(id)
      return running.ended && running
    })
  }

  /** Writes a file of the Pod's /tmp. */
  async file(name: string, text: string): Promise<string> {
    await this.post('/file', { name, text })
    return `/tmp/${name}`
  }

  async post(target: string, body: unknown = {}): Promise<Tree> {
    const answer = await this.#kube.call('POST', `${this.#base}${target}`, { body })
    return this.#read(answer.status, answer.text)
  }

  async get(target: string): Promise<Tree> {
    const answer = await this.#kube.call('GET', `${this.#base}${target}`)
    return this.#read(answer.status, answer.text)
  }

  #read(status: number, text: string): unknown {
    if (status !== 200) throw new Error(`the probe answers ${status}: ${text.slice(0, 300)}`)
    return JSON.parse(text)
  }
}

/** Starts the Pod. `avoid`: nodes that are going to be broken. */
export async function openProbe(
  kube: Kube,
  namespace: string,
  { avoid = [] }: { readonly avoid?: readonly string[] } = {},
): Promise<Probe> {
  const program = readFileSync(fileURLToPath(PROGRAM), 'utf8')
  const configMaps = path('v1', namespace, 'configmaps')
  if ((await kube.find(`${configMaps}/${NAME}`)) === undefined) {
    await kube.create(configMaps, {
      metadata: { name: NAME },
      data: { 'main.ts': program, 'package.json': '{"type":"module"}' },
    })
  }
  await kube.create(path('v1', namespace, 'pods'), probePod(avoid))
  const probe = new Probe(kube, namespace)
  await until('the probe answers', () => probe.get('/'))
  return probe
}

function probePod(avoid: readonly string[]): Tree {
  const elsewhere = { key: 'kubernetes.io/hostname', operator: 'NotIn', values: avoid }
  const nodeAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: [{ matchExpressions: [elsewhere] }],
    },
  }
  return {
    metadata: { name: NAME, labels: { 'app.kubernetes.io/name': NAME } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      ...(avoid.length === 0 ? {} : { affinity: { nodeAffinity } }),
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 10001,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: NAME,
          image: IMAGE,
          command: ['node', '/probe/main.ts'],
          ports: [{ containerPort: PORT }],
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          volumeMounts: [
            { name: 'program', mountPath: '/probe' },
            { name: 'tmp', mountPath: '/tmp' },
          ],
        },
      ],
      volumes: [
        { name: 'program', configMap: { name: NAME } },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  }
}
