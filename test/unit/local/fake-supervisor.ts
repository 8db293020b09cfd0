/** Supervises fakes and prints their process ids as JSON once all are ready. To be killed. */

import { startLocal } from '../../../src/local/prepare.ts'
import { until } from '../../cluster/until.ts'
import { fakeOptions } from './fake-cluster.ts'

const cluster = await startLocal(fakeOptions())
await until('all are ready', () => cluster.view().processes.every(({ ready }) => ready))
process.stdout.write(`${JSON.stringify(cluster.view().processes.map(({ pid }) => pid))}\n`)
