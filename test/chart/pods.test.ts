/**
 * Every Pod of every rendering: the restricted Pod Security standard
 * (kubernetes.io/docs/concepts/security/pod-security-standards), tokens, and Service links.
 */

import t from 'tap'
import { manifests, podOf, render, type Tree, title, valueFiles } from './render.ts'
import { needs } from './tools.ts'

const skip = needs('helm')
const VOLUMES = ['configMap', 'emptyDir', 'projected', 'secret', 'downwardAPI', 'ephemeral']
const OPENSHIFT = ['--api-versions', 'security.openshift.io/v1']

/** What is wrong with a Pod by the restricted standard, as far as this chart could be. */
function unrestricted(pod: Tree): string[] {
  const common = pod.securityContext ?? {}
  const wrong: string[] = []
  for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) if (pod[key]) wrong.push(key)
  for (const volume of pod.volumes ?? []) {
    const kinds = Object.keys(volume).filter((key) => key !== 'name')
    if (!kinds.every((kind) => VOLUMES.includes(kind))) wrong.push(`volume ${volume.name}`)
  }
  for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
    const own = container.securityContext ?? {}
    const say = (what: string) => wrong.push(`${container.name}: ${what}`)
    if (own.allowPrivilegeEscalation !== false) say('allowPrivilegeEscalation')
    if (own.privileged) say('privileged')
    if (!own.capabilities?.drop?.includes('ALL') || own.capabilities.add) say('capabilities')
    if ((own.runAsNonRoot ?? common.runAsNonRoot) !== true) say('runAsNonRoot')
    if ((own.runAsUser ?? common.runAsUser) === 0) say('runAsUser')
    const seccomp = (own.seccompProfile ?? common.seccompProfile)?.type
    if (seccomp !== 'RuntimeDefault' && seccomp !== 'Localhost') say('seccompProfile')
    if (own.readOnlyRootFilesystem !== true) say('readOnlyRootFilesystem')
    if ((container.ports ?? []).some((port: Tree) => port.hostPort)) say('hostPort')
  }
  return wrong
}

t.test('what is unrestricted is seen', async (t) => {
  const container = { name: 'a', securityContext: { privileged: true } }
  const pod = { hostPID: true, volumes: [{ name: 'v', hostPath: {} }], containers: [container] }
  t.strictSame(unrestricted(pod), [
    'hostPID',
    'volume v',
    'a: allowPrivilegeEscalation',
    'a: privileged',
    'a: capabilities',
    'a: runAsNonRoot',
    'a: seccompProfile',
    'a: readOnlyRootFilesystem',
  ])
})

t.test(
  'every Pod is restricted, without links, and a token is in the database alone',
  {
    skip,
  },
  async (t) => {
    let pods = 0
    for (const [name, file] of valueFiles()) {
      for (const manifest of manifests(await render({ files: [file] }))) {
        const pod = podOf(manifest)?.spec
        if (pod === undefined) continue
        pods += 1
        const what = `${name}: ${title(manifest)}`
        t.strictSame(unrestricted(pod), [], `${what} is restricted`)
        t.equal(pod.enableServiceLinks, false, `${what} has no links`)
        t.equal(pod.automountServiceAccountToken, manifest.kind === 'StatefulSet', `${what}: token`)
      }
    }
    t.ok(pods > 20, 'Pods were found')
  },
)

t.test('on OpenShift no Pod asks for an id', { skip }, async (t) => {
  for (const manifest of manifests(await render({ more: OPENSHIFT }))) {
    const pod = podOf(manifest)?.spec
    if (pod === undefined) continue
    t.strictSame(unrestricted(pod), [], title(manifest))
    t.notMatch(JSON.stringify(pod), /"(runAsUser|runAsGroup|fsGroup)":/, title(manifest))
  }
})
