/** Faults as figures for Prometheus, so that a graph shows what was done to the cluster. */

import { Counter, Gauge, type Registry } from 'prom-client'
import type { FaultBoard } from './fault-board.ts'
import { FAULT_TYPES } from './fault-kinds.ts'

/** Registers `ordinal_fault_active` and `ordinal_faults_total`, one series a fault. */
export function registerFaultMetrics(registry: Registry, board: FaultBoard): void {
  new Gauge({
    name: 'ordinal_fault_active',
    help: '1 while this fault was switched on by a person',
    labelNames: ['fault'],
    registers: [registry],
    collect() {
      for (const fault of FAULT_TYPES) {
        this.set({ fault }, board.active(fault) === undefined ? 0 : 1)
      }
    },
  })
  new Counter({
    name: 'ordinal_faults_total',
    help: 'How often this fault was switched on since the start',
    labelNames: ['fault'],
    registers: [registry],
    collect() {
      this.reset()
      for (const fault of FAULT_TYPES) this.inc({ fault }, board.count(fault))
    },
  })
}
