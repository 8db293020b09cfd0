/** The storage suite on LevelDB, and on a simulated disk that loses power at each restart. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Level } from 'level'
import t, { type Test } from 'tap'
import { levelOptions } from '../../src/database/storage/level-options.ts'
import { SimulatedDisk } from '../simulation/simulated-disk.ts'
import { randomFrom, seedOfRun } from './random.ts'
import { storageSuite, type World } from './storage-suite.ts'

storageSuite(t, {
  name: 'LevelDB',
  async create(t: Test): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'ordinal-storage-'))
    const open = async () => {
      const level = new Level<Buffer, Buffer>(folder, {
        ...levelOptions(0),
        writeBufferSize: 1 << 20,
      })
      await level.open()
      return level
    }
    let db = await open()
    t.teardown(async () => {
      await db.close()
      await rm(folder, { recursive: true, force: true })
    })
    return {
      get db() {
        return db
      },
      async restart() {
        await db.close()
        db = await open()
      },
    }
  },
})

const seed = seedOfRun()
t.comment(`ORDINAL_SEED=${seed}`)

storageSuite(t, {
  name: 'simulated disk',
  async create(): Promise<World> {
    let db = new SimulatedDisk({ random: randomFrom(seed) })
    await db.open()
    return {
      get db() {
        return db
      },
      async restart() {
        db = await db.crash()
      },
    }
  },
})
