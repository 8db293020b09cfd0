/**
 * What `deploy/` holds, made from the chart: plain manifests for `kubectl apply`, and how Argo CD
 * and Flux are told of the chart. `npm run manifests` writes the files, a test compares them.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { render, valueFile } from './render.ts'
import { CHART, ROOT } from './tools.ts'

export const FOLDER = join(ROOT, 'deploy')
const GENERATED = '# Made from chart/ by `npm run manifests`; change it there.'
/** Stands for wherever the reader keeps this repository. */
const REPOSITORY = 'https://git.example.com/ordinal.git'
/** Where the release of the GitOps files lives. */
const NAMESPACE = 'ordinal'

const PLAIN = `${GENERATED}
#
# Ordinal named "db" in the current namespace: 3 replicas, 2 API servers. First the secret that they
# share, then this file; and the image must be on the nodes (see chart/README.md):
#
#   kubectl create secret generic db-peer --from-literal=secret="$(openssl rand -hex 24)"
#   kubectl apply -f deploy/ordinal.yaml
#   kubectl rollout status statefulset/db deployment/db-api
#   kubectl port-forward svc/db-api 8080:80
#
# It is scaled here and in the ConfigMap db-topology, not with \`kubectl scale\`.
`

/** Without Helm: nothing of a release's bookkeeping, no tests. */
async function plain(): Promise<string> {
  const set = ['cluster.existingSecret=db-peer', 'tests.enabled=false']
  const text = await render({ set, namespace: 'default' })
  const lines = text
    .replaceAll(/^\s+(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, '')
    .replaceAll(/^# Source: .*\n/gm, '')
    .replaceAll(/\n{2,}/g, '\n')
  return `${PLAIN}${lines}`
}

type Values = Readonly<Record<string, unknown>>

/** The values for GitOps; what must be there before is said above them in the file. */
function gitOps(): { readonly values: Values; readonly before: string } {
  const text = readFileSync(valueFile('gitops'), 'utf8')
  const comment = text.match(/^(#.*\n)+/)?.[0] ?? ''
  const before = comment
    .replaceAll('kubectl create secret', `kubectl -n ${NAMESPACE} create secret`)
    .replace(/^#\s+(?=kubectl)/m, `$&kubectl create namespace ${NAMESPACE}\n$&`)
  return { values: parse(text) as Values, before }
}

function argoCd(version: string): string {
  const { values, before } = gitOps()
  const application = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: 'db', namespace: 'argocd' },
    spec: {
      project: 'default',
      source: {
        repoURL: REPOSITORY,
        targetRevision: `v${version}`,
        path: 'chart',
        helm: { releaseName: 'db', valuesObject: values },
      },
      destination: { server: 'https://kubernetes.default.svc', namespace: NAMESPACE },
      syncPolicy: {
        automated: { selfHeal: true },
        syncOptions: ['CreateNamespace=true', 'ServerSideApply=true'],
      },
    },
  }
  return `${GENERATED}\n#\n${before}${stringify(application)}`
}

function flux(version: string): string {
  const { values, before } = gitOps()
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } }
  const source = {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: 'ordinal', namespace: NAMESPACE },
    spec: { interval: '10m', url: REPOSITORY, ref: { tag: `v${version}` } },
  }
  const release = {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name: 'db', namespace: NAMESPACE },
    spec: {
      interval: '10m',
      releaseName: 'db',
      chart: {
        spec: { chart: './chart', sourceRef: { kind: 'GitRepository', name: 'ordinal' } },
      },
      values,
    },
  }
  const documents = [namespace, source, release].map((document) => stringify(document))
  return `${GENERATED}\n#\n${before}${documents.join('---\n')}`
}

/** File name → text, as it should be. */
export async function deployFiles(): Promise<ReadonlyMap<string, string>> {
  const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string }
  return new Map([
    ['ordinal.yaml', await plain()],
    ['argocd-application.yaml', argoCd(chart.version)],
    ['flux.yaml', flux(chart.version)],
  ])
}
