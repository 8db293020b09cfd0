/**
 * What a replica has to do with Kubernetes, where it is switched on: the replica reads its scale
 * and the marker through the `Orchestrator`, and is followed here for its label and its Events.
 */

import { membersOf } from '../database/consensus/membership.ts'
import { ordinalOf } from '../database/consensus/types.ts'
import type { Orchestrator } from '../database/replica/orchestrator.ts'
import type { Replica } from '../database/replica/replica.ts'
import type { ReplicaEvent } from '../database/replica/replica-options.ts'
import { type Kubernetes, openKubernetes } from '../kubernetes/kubernetes.ts'
import type { PodEvent } from '../kubernetes/pod-events.ts'
import type { Lead } from '../kubernetes/role-label.ts'
import type { KubernetesLog } from '../kubernetes/standing.ts'
import type { ReplicaConfig } from '../shared/config.ts'

const FOLLOW_EVERY_MS = 100
/** A replica that belongs to no cluster for this long says so in an Event. */
const WAITING_TOLD_AFTER_MS = 10_000

export type Orchestration = {
  /** undefined: nobody is asked. */
  readonly orchestrator: Orchestrator | undefined
  notes(): readonly string[]
  /** From now on; `aside`: why data was set aside at the start. */
  follow(replica: Replica, aside: readonly string[]): void
  onEvent(event: ReplicaEvent): void
  /** Bounded by KUBERNETES_CLOSE_MS_MAX. */
  close(): Promise<void>
}

const NOBODY: Orchestration = {
  orchestrator: undefined,
  notes: () => [],
  follow: () => undefined,
  onEvent: () => undefined,
  close: async () => undefined,
}

/** Opens what the configuration asks for. Returns at once and never fails. */
export function openOrchestration(config: ReplicaConfig, log: KubernetesLog): Orchestration {
  if (config.kubernetes === undefined) return NOBODY
  const kubernetes = openKubernetes({ ...config.kubernetes, pod: config.name }, log)
  let timer: NodeJS.Timeout | undefined
  return {
    orchestrator: kubernetes,
    notes: () => kubernetes.notes(),
    follow: (replica, aside) => {
      for (const text of aside) kubernetes.tell({ ...SET_ASIDE, text })
      const follower = createFollower(replica, config, kubernetes)
      timer = setInterval(follower, FOLLOW_EVERY_MS)
    },
    onEvent: (event) => {
      const told = podEventOf(event)
      if (told !== undefined) kubernetes.tell(told)
    },
    close: async () => {
      clearInterval(timer)
      await kubernetes.close()
    },
  }
}

function createFollower(replica: Replica, config: ReplicaConfig, kubernetes: Kubernetes) {
  let waiting: { why: string; since_ms: number; told: boolean } | undefined
  return () => {
    kubernetes.lead(leadOf(replica, config))
    const why = replica.waiting
    if (why === undefined) waiting = undefined
    else if (waiting?.why !== why) waiting = { why, since_ms: performance.now(), told: false }
    else if (!waiting.told && performance.now() - waiting.since_ms >= WAITING_TOLD_AFTER_MS) {
      waiting.told = true
      kubernetes.tell({ type: 'Warning', reason: 'Waiting', kind: '', text: why })
    }
  }
}

/** The label's truth: leads, and has shown it by a commit in its own term. */
function leadOf(replica: Replica, { base, ordinal }: ReplicaConfig): Lead {
  const status = replica.loop?.status()
  const leading = status?.role === 'leader' && status.committedInTerm && !replica.loop?.halted
  if (!leading) return { leading: false, others: [] }
  const ordinals = new Set(membersOf(status.membership).map(ordinalOf))
  ordinals.delete(ordinal)
  const others = [...ordinals].sort((a, b) => a - b).map((each) => `${base}-${each}`)
  return { leading: true, others }
}

const SET_ASIDE = { type: 'Warning', reason: 'DataSetAside', kind: '' } as const

const WHY_LEADS = {
  'lowest-ordinal': 'it has the lowest ordinal',
  'stand-in': 'it stands in for a lower ordinal',
  'hand-back': 'the lead was handed back to it',
  'hand-over': 'the leader before it stopped',
} as const

/** What is worth an Event. */
export function podEventOf(event: ReplicaEvent): PodEvent | undefined {
  switch (event.type) {
    case 'elected': {
      const { reason: kind, term } = event
      const text = `leads in term ${term}: ${WHY_LEADS[kind]}`
      return { type: 'Normal', reason: 'BecameLeader', kind, text }
    }
    case 'stepped-down': {
      const text = `leads no more, term ${event.term}: ${event.why}`
      return { type: 'Normal', reason: 'SteppedDown', kind: '', text }
    }
    case 'diverged':
      return { type: 'Warning', reason: 'DataDamaged', kind: '', text: event.why }
    case 'formed': {
      const { clusterId } = event.membership
      return { type: 'Normal', reason: 'ClusterFormed', kind: '', text: `cluster ${clusterId}` }
    }
    case 'joining': {
      const text = `joins the cluster ${event.clusterId} as a new incarnation`
      return { type: 'Normal', reason: 'Joining', kind: '', text }
    }
    case 'leaving':
      return { type: 'Normal', reason: 'Leaving', kind: '', text: event.why }
    case 'marked': {
      const text = `noted outside the disks that cluster ${event.clusterId} exists`
      return { type: 'Normal', reason: 'ClusterMarked', kind: '', text }
    }
    case 'refused':
      return { type: 'Warning', reason: 'Refused', kind: '', text: event.why }
    default:
      return undefined
  }
}
