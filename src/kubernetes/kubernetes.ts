/**
 * Kubernetes as a replica uses it (DESIGN §7): its StatefulSet's scale, the marker, the role label
 * and Events. After the first bootstrap all of it is a convenience: every call has a deadline, none
 * rejects, and nothing in a replica waits for one that it could do without.
 */

import type {
  Marker,
  MarkerState,
  Orchestrator,
  Topology,
} from '../database/replica/orchestrator.ts'
import { type Clock, systemClock } from '../shared/clock.ts'
import type { KubernetesConfig } from '../shared/config.ts'
import { KUBERNETES_CLOSE_MS_MAX } from '../shared/limits.ts'
import { ApiServer } from './api-server.ts'
import { MarkerNote } from './marker.ts'
import { Objects } from './objects.ts'
import { type PodEvent, PodEvents } from './pod-events.ts'
import { type Lead, RoleLabel } from './role-label.ts'
import { type KubernetesLog, Standing } from './standing.ts'
import { TopologyPoll } from './topology.ts'

export interface Kubernetes extends Orchestrator {
  /** Labels the own Pod as the leader's, or not, from now on. Returns at once. */
  lead(lead: Lead): void
  /** Tells it on the own Pod, some time. Returns at once. */
  tell(event: PodEvent): void
  /** A line for each thing that a person should know. */
  notes(): readonly string[]
  /** Takes the label off and tells what waits, within KUBERNETES_CLOSE_MS_MAX. */
  close(): Promise<void>
}

export type KubernetesOptions = KubernetesConfig & {
  /** The own Pod. */
  readonly pod: string
  readonly clock?: Clock
  readonly random?: () => number
}

/** Asks from now on. Never fails: what cannot be had is missing. */
export function openKubernetes(options: KubernetesOptions, log: KubernetesLog): Kubernetes {
  const { clock = systemClock, random = Math.random, namespace, pod, marker: name } = options
  const api = new ApiServer({ ...options, clock })
  const standing = new Standing(log)
  const shared = { objects: new Objects(api, namespace), standing, clock, random }
  const topology = new TopologyPoll({ ...shared, statefulSet: options.statefulSet })
  const marker = new MarkerNote({ ...shared, name })
  const label = new RoleLabel({ ...shared, pod })
  const events = new PodEvents({ ...shared, namespace, pod })
  return {
    markerName: name,
    get topology(): Topology | undefined {
      return topology.last
    },
    readTopology: (timeout_ms: number) => topology.read(timeout_ms),
    readMarker: (timeout_ms: number): Promise<MarkerState> => marker.read(timeout_ms),
    writeMarker: (written: Marker) => marker.write(written),
    lead: (lead) => label.want(lead),
    tell: (event) => events.add(event),
    notes: () => standing.notes(),
    close: async () => {
      topology.close()
      let late: { cancel(): void } | undefined
      const patience = new Promise<void>((resolve) => {
        late = clock.after(KUBERNETES_CLOSE_MS_MAX, resolve)
      })
      await Promise.race([patience, Promise.all([label.close(), events.close()])])
      late?.cancel()
      api.close()
    },
  }
}
