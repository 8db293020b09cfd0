/**
 * What runs the replicas, as its API tells: may replicas ask it what they ask, what scale is
 * wanted, is the cluster noted outside its disks, and does the label that `db-leader` selects stand
 * on the leader's Pod? How to ask is handed in.
 */

import { about, type Finding } from './finding.ts'

type Unread = { readonly why: string }
type Scale = { readonly first: number; readonly replicas: number; readonly ending: boolean }
type Granted = {
  readonly verb: string
  readonly resource: string
  readonly name?: string
  /** undefined: it could not be asked. */
  readonly allowed: boolean | undefined
  readonly why: string
}
type Marker =
  | { readonly type: 'absent' }
  | { readonly type: 'present'; readonly marker: { readonly clusterId: string } }
  | { readonly type: 'unreadable'; readonly why: string }

export type KubernetesQuestions<S extends Scale = Scale> = {
  readonly names: { readonly statefulSet: string; readonly marker: string | undefined }
  statefulSet(): Promise<S | Unread>
  rights(scale: S | undefined): Promise<readonly Granted[]>
  marker(): Promise<Marker>
  /** Which of these Pods carry the leader's label. */
  labelled(pods: readonly string[]): Promise<readonly string[] | Unread>
  /** What the replica beside this process says; undefined: none answers. */
  replica(): Promise<
    { readonly leader: string | undefined; readonly clusterId: string } | undefined
  >
}

const LABEL = 'ordinal.dev/role=leader'
const REACH =
  'may this Pod reach the API server (NetworkPolicy, ports 443 and 6443)? Is its token mounted?'

/** Everything that the Kubernetes API tells. */
export async function checkKubernetes<S extends Scale>(
  questions: KubernetesQuestions<S>,
): Promise<readonly Finding[]> {
  const read = await questions.statefulSet()
  const scale = 'why' in read ? undefined : read
  const [rights, marker, label] = await Promise.all([
    checkRights(questions, scale),
    checkMarker(questions),
    checkLabel(questions, scale),
  ])
  return [...rights, scaleFinding(questions.names.statefulSet, read), marker, label]
}

/** What stands for all of it where it cannot be asked from here. */
export function kubernetesUnasked(cluster: string): Finding {
  const remedy = `kubectl exec ${cluster}-0 -c replica -- ordinal doctor`
  return about('rbac', '-').skipped('this Pod does not ask Kubernetes; replicas do', remedy)
}

async function checkRights<S extends Scale>(
  { rights, names }: KubernetesQuestions<S>,
  scale: S | undefined,
): Promise<Finding[]> {
  const finding = about('rbac', names.statefulSet)
  const found = await rights(scale)
  const unasked = found.find(({ allowed }) => allowed === undefined)
  if (unasked !== undefined) return [finding.failed(unasked.why, REACH)]
  const denied = found.filter(({ allowed }) => allowed === false)
  if (denied.length === 0) return [finding.ok(`replicas may do all ${found.length} things they do`)]
  const remedy = 'let the chart make the Role (rbac.create), or grant it to the ServiceAccount'
  return denied.map(({ verb, resource, name }) => {
    const what = name === undefined ? `${verb} ${resource}` : `${verb} ${resource} ${name}`
    return finding.failed(`replicas may not ${what}`, remedy)
  })
}

function scaleFinding(name: string, read: Scale | Unread): Finding {
  const finding = about('statefulset', name)
  if ('why' in read) {
    const remedy = `kubectl get statefulset ${name}; is ORDINAL_STATEFULSET its name?`
    return finding.failed(read.why, remedy)
  }
  if (read.ending) return finding.warning('is being deleted', 'nothing, if that is meant')
  if (read.replicas === 0) {
    return finding.warning('is scaled to 0', `helm upgrade, with the replicas that it had`)
  }
  return finding.ok(`ordinals ${read.first} to ${read.first + read.replicas - 1}`)
}

async function checkMarker({ marker, names, replica }: KubernetesQuestions): Promise<Finding> {
  if (names.marker === undefined) {
    return about('marker', '-').skipped('no marker is kept (cluster.marker.enabled)')
  }
  const finding = about('marker', names.marker)
  const [state, beside] = await Promise.all([marker(), replica()])
  if (state.type === 'unreadable') {
    return finding.failed(state.why, `kubectl get configmap ${names.marker} -o yaml`)
  }
  const own = beside?.clusterId ?? ''
  if (state.type === 'absent') {
    if (own === '') return finding.ok('no cluster was formed yet')
    const remedy = 'the leader writes it again and again: its log and /status tell what is wrong'
    return finding.warning(`does not name cluster ${own}, which exists`, remedy)
  }
  const { clusterId } = state.marker
  if (own === '' || own === clusterId) return finding.ok(`names cluster ${clusterId}`)
  const remedy = 'was the cluster formed anew by force? Then the leader writes it again'
  return finding.warning(`names cluster ${clusterId}, and this replica is of ${own}`, remedy)
}

async function checkLabel(
  { labelled, names, replica }: KubernetesQuestions,
  scale: Scale | undefined,
): Promise<Finding> {
  const beside = await replica()
  const finding = about('label', beside?.leader ?? '-')
  if (scale === undefined) return finding.skipped('the StatefulSet cannot be read')
  const { first, replicas } = scale
  const pods = Array.from({ length: replicas }, (_, at) => `${names.statefulSet}-${first + at}`)
  const found = await labelled(pods)
  if ('why' in found) return finding.failed(found.why, REACH)
  const text = found.length === 0 ? 'no Pod carries' : `${found.join(', ')} carries`
  if (beside?.leader === undefined) {
    return found.length === 0
      ? finding.ok(`${text} ${LABEL}, and nobody leads`)
      : finding.warning(`${text} ${LABEL}, and no leader is known here`, 'look again in a moment')
  }
  if (found.length === 1 && found[0] === beside.leader) return finding.ok(`carries ${LABEL}`)
  const remedy = `look again in a moment; then: the log and /status of ${beside.leader}`
  return finding.warning(`${text} ${LABEL}, and ${beside.leader} leads`, remedy)
}
