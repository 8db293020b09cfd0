/**
 * CPU time from /proc (proc(5)), which counts in ticks of 10 ms: exact enough over seconds. On
 * other systems there is none, and the report leaves it out.
 */

import { readFileSync } from 'node:fs'
import type { ProcessRef } from './target.ts'

/** USER_HZ, which is 100 on every platform that Node runs on. */
const TICK_US = 10_000
/** Fields of /proc/<pid>/stat counted after the name, which may hold spaces: `state` is 0. */
const USER_FIELD = 11
const SYSTEM_FIELD = 12

export type CpuReading = {
  /** CPU time of each process since it started; a process that is gone is left out. */
  readonly byProcess: ReadonlyMap<string, number>
  /** Time that all cores together were not idle; undefined where it cannot be known. */
  readonly busy_us: number | undefined
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}

function processTime(pid: number): number | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[USER_FIELD]) + Number(fields[SYSTEM_FIELD])) * TICK_US
}

/** user + nice + system + irq + softirq + steal; not idle, not waiting for the disk. */
function machineTime(): number | undefined {
  const line = read('/proc/stat')?.split('\n')[0]
  if (line === undefined) return undefined
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_US
}

/** Reads the time of all processes at this moment. */
export function readCpu(processes: readonly ProcessRef[]): CpuReading {
  const byProcess = new Map<string, number>()
  for (const { name, pid } of processes) {
    const time_us = processTime(pid)
    if (time_us !== undefined) byProcess.set(name, time_us)
  }
  return { byProcess, busy_us: machineTime() }
}

export type CpuUse = {
  readonly byProcess: Readonly<Record<string, number>>
  readonly busy_us: number | undefined
}

/** What was used between two readings. A process that is not in both is left out. */
export function cpuBetween(before: CpuReading, after: CpuReading): CpuUse {
  const byProcess: Record<string, number> = {}
  for (const [name, time_us] of after.byProcess) {
    const earlier_us = before.byProcess.get(name)
    if (earlier_us !== undefined) byProcess[name] = time_us - earlier_us
  }
  const known = before.busy_us !== undefined && after.busy_us !== undefined
  return { byProcess, busy_us: known ? after.busy_us - before.busy_us : undefined }
}
