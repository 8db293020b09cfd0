/**
 * What a PersistentVolumeClaim gives a replica: a database on a simulated disk, and the plain files
 * beside it (`condemned`, `cluster`, the data set aside). It outlives its processes; one at a time
 * holds it. Its steps are those of `storage/folder.ts`, each an effect that a crash may prevent.
 */

import type { DataPlace } from '../../src/commands/open-disk.ts'
import type { DiskSpace, Identity } from '../../src/database/replica/ports.ts'
import type { PreparedFolder } from '../../src/database/storage/folder.ts'
import type { Database } from '../../src/database/storage/layout.ts'
import { ClusterError } from '../../src/shared/errors.ts'
import type { Chance } from './chance.ts'
import { DiskMirror } from './disk-mirror.ts'
import type { SimulatedProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'
import { SimulatedDisk } from './simulated-disk.ts'

const LOCK_WAIT_MS = 60_000
const LOCK_LOOK_MS = 100
/** A step of a plain file: written, synced, renamed. */
const FILE_MS = 1
/** However slow the disk is, half a batch takes no longer than this. */
const SLOW_MS_MAX = 700
const ROOMY_BYTES = 10 * 1024 * 1024 * 1024

export type VolumeOptions = {
  readonly scheduler: Scheduler
  readonly chance: Chance
  /** Time of a synced batch, ms: at least, and what chance adds on average. */
  readonly sync_ms: number
  readonly jitter_ms: number
  /** Probability that a page of rows takes its time too. */
  readonly slowReads: number
  /** So many batches vanished when power was lost. */
  readonly onVanished: (batches: number) => void
  /** What this member had is gone: all that was on its disk for good. */
  readonly onSetAside: (member: string, mirror: DiskMirror) => void
}

type Contents = ReadonlyMap<string, Buffer>

export class Volume {
  readonly #options: VolumeOptions
  #contents: Contents = new Map()
  #disk: SimulatedDisk | undefined
  #holder: SimulatedProcess | undefined
  #condemned: string | undefined
  #cluster: { clusterId: string; clusterName: string } | undefined
  /** What the check of the files will find at the next start. */
  #fileDamage: string | undefined
  /** Reads and writes take this many times as long. */
  slowness = 1
  /** Nothing moves before this time. */
  #hungUntil_ms = 0
  /** Batches that wait for a hung disk. */
  readonly #hung = new Set<() => void>()
  /** The member whose disk this is; undefined: none yet. */
  member: string | undefined
  /** A value was flipped or hidden, and the data was not set aside since. */
  damaged = false
  /** What was flipped or hidden, as it was, until it is written again. */
  readonly #spoiled = new Map<string, Buffer>()
  #full = false
  /** Free space is below the watermark. */
  nearlyFull = false
  /** What was written to it for good, whatever has become of it since. */
  mirror = new DiskMirror()

  constructor(options: VolumeOptions) {
    this.#options = options
  }

  /** All that is stored now, for good or not. */
  get disk(): SimulatedDisk | undefined {
    return this.#disk
  }

  get isEmpty(): boolean {
    return this.#disk === undefined && this.#contents.size === 0
  }

  /** The process that held it has ended; with `power` lost, what was not synced may be gone. */
  ended(process: SimulatedProcess, power: 'lost' | 'kept'): void {
    if (this.#holder !== process) return
    this.#release(power)
  }

  #release(power: 'lost' | 'kept'): void {
    const disk = this.#disk
    this.#holder = undefined
    this.#disk = undefined
    if (disk === undefined) return
    const contents = disk.end(power)
    if (disk.counters.vanished > 0) this.#options.onVanished(disk.counters.vanished)
    this.#contents = contents
    this.mirror = this.#written()
  }

  #written(): DiskMirror {
    return DiskMirror.of(new Map([...this.#contents, ...this.#spoiled]))
  }

  /** The check of the files before the next start will find damage. */
  damageFiles(what: string): void {
    this.#fileDamage = what
  }

  /** From now on every write is refused; or no longer. */
  fill(full: boolean): void {
    this.#full = full
    this.#disk?.fill(full)
  }

  /** Flips a bit of some value, or hides a row, while the database is open; says which. */
  spoil(how: 'flip' | 'hide', choose: (keys: readonly Buffer[]) => Buffer | undefined): string {
    const disk = this.#disk
    const key = disk === undefined ? undefined : choose(disk.storedKeys())
    if (disk === undefined || key === undefined) return ''
    this.damaged = true
    const text = key.toString('latin1')
    const value = disk.image().get(text)
    if (value !== undefined && !this.#spoiled.has(text)) this.#spoiled.set(text, value)
    if (how === 'flip') disk.flipByte(key)
    else disk.hide(key)
    return text
  }

  /** The volume as this process sees it. */
  place(process: SimulatedProcess): DataPlace {
    return {
      prepare: () => this.#prepare(process),
      open: () => this.#open(process),
      setAside: (reason) => this.#setAside(process, reason),
      surroundings: {
        folder: undefined,
        space: () => this.#space(),
        condemn: (reason) => this.#condemn(process, reason),
        rememberCluster: (identity) => this.#rememberCluster(process, identity),
      },
    }
  }

  async #prepare(process: SimulatedProcess): Promise<PreparedFolder> {
    for (let waited_ms = 0; this.#isHeldFrom(process); waited_ms += LOCK_LOOK_MS) {
      if (waited_ms > LOCK_WAIT_MS) {
        throw new ClusterError('storage-failed', 'another process holds the data folder')
      }
      await this.#wait(process, LOCK_LOOK_MS)
    }
    this.#holder = process
    await this.#wait(process, FILE_MS)
    const reason = this.#condemned ?? this.#fileDamage
    if (reason !== undefined) await this.#setAside(process, reason)
    return {
      setAside: reason,
      setAsideFolder: reason === undefined ? undefined : 'set-aside',
      formerClusterId: this.#cluster?.clusterId,
      ballastReleased: false,
    }
  }

  #isHeldFrom(process: SimulatedProcess): boolean {
    return this.#holder !== undefined && this.#holder !== process && this.#holder.alive
  }

  async #open(process: SimulatedProcess): Promise<Database> {
    await this.#wait(process, FILE_MS)
    if (this.#disk !== undefined) this.#release('kept')
    this.#holder = process
    const { chance } = this.#options
    const disk: SimulatedDisk = new SimulatedDisk({
      random: () => chance.random(),
      contents: this.#contents,
      effect: () => process.effect(),
      delay: () => this.#latency(process),
      readDelay: () => this.#readLatency(process),
      onDurable: (operations) => {
        for (const { key } of operations) this.#spoiled.delete(key.toString('latin1'))
        this.mirror.apply(operations)
      },
      onClosed: () => {
        if (this.#disk === disk) this.#release('kept')
      },
    })
    this.mirror = this.#written()
    this.#disk = disk
    disk.fill(this.#full)
    await disk.open()
    return disk as unknown as Database
  }

  /** In steps that a crash may cut anywhere, as folder.ts does it. */
  async #setAside(process: SimulatedProcess, reason: string): Promise<void> {
    await this.#condemn(process, reason)
    await this.#wait(process, FILE_MS)
    if (!process.effect()) return
    if (this.#disk !== undefined) this.#release('kept')
    this.#holder = process
    if (this.member !== undefined) this.#options.onSetAside(this.member, this.mirror)
    this.#contents = new Map()
    this.#spoiled.clear()
    this.damaged = false
    this.member = undefined
    this.#fileDamage = undefined
    this.mirror = new DiskMirror()
    await this.#wait(process, FILE_MS)
    if (process.effect()) this.#condemned = undefined
  }

  async #condemn(process: SimulatedProcess, reason: string): Promise<void> {
    await this.#wait(process, FILE_MS)
    if (process.effect()) this.#condemned = reason
  }

  async #rememberCluster(process: SimulatedProcess, identity: Identity): Promise<void> {
    const { clusterId, clusterName } = identity
    const wanted = clusterId === '' ? undefined : { clusterId, clusterName }
    if (this.#cluster?.clusterId === wanted?.clusterId) return
    await this.#wait(process, FILE_MS)
    if (process.effect()) this.#cluster = wanted
  }

  async #space(): Promise<DiskSpace> {
    return { free_bytes: this.nearlyFull ? 0 : ROOMY_BYTES, used_bytes: 0 }
  }

  #latency(process: SimulatedProcess): Promise<void> {
    const { scheduler, chance, sync_ms, jitter_ms } = this.#options
    const part_ms = (sync_ms + jitter_ms * 2 * chance.random()) / 2
    if (this.#hungUntil_ms <= scheduler.now_ms) {
      return this.#wait(process, Math.min(part_ms * this.slowness, Math.max(part_ms, SLOW_MS_MAX)))
    }
    return new Promise((resolve) => {
      this.#hung.add(() => scheduler.after(part_ms, process, resolve))
    })
  }

  /** Full, or hung. */
  get troubled(): boolean {
    return this.#full || this.#hungUntil_ms > this.#options.scheduler.now_ms
  }

  /** Nothing moves for this long; 0: it moves again. */
  hang(for_ms: number): void {
    this.#hungUntil_ms = this.#options.scheduler.now_ms + for_ms
    if (for_ms > 0) return
    for (const goOn of this.#hung) goOn()
    this.#hung.clear()
  }

  #readLatency(process: SimulatedProcess): Promise<void> | undefined {
    const { chance, slowReads, sync_ms } = this.#options
    if (!chance.happens(slowReads)) return undefined
    return this.#wait(process, Math.min(sync_ms * chance.random() * this.slowness, SLOW_MS_MAX))
  }

  #wait(process: SimulatedProcess, delay_ms: number): Promise<void> {
    const { scheduler } = this.#options
    return new Promise((resolve) => scheduler.after(delay_ms, process, resolve))
  }
}
