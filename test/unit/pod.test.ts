import { join } from 'node:path'
import t from 'tap'
import { ownAddress } from '../../src/commands/own-address.ts'
import { readReplicaConfig } from '../../src/shared/config.ts'

const NAME = { ORDINAL_NAME: 'db-0' }

t.test('a mounted number wins over the variable, with or without an end of line', async (t) => {
  const folder = t.testdir({ replicas: '5', 'first-ordinal': '10\n' })
  const files = {
    ORDINAL_REPLICAS_FILE: join(folder, 'replicas'),
    ORDINAL_FIRST_ORDINAL_FILE: join(folder, 'first-ordinal'),
  }
  const both = { ...NAME, ORDINAL_REPLICAS: '1', ORDINAL_FIRST_ORDINAL: '2' }
  t.match(readReplicaConfig({ ...both, ...files }), { replicas: 5, firstOrdinal: 10 })
  t.match(readReplicaConfig(both), { replicas: 1, firstOrdinal: 2 })
  t.match(readReplicaConfig({ ...NAME, ORDINAL_REPLICAS_FILE: '' }), { replicas: 3 })
})

t.test('a file that holds no such number, or is not there, is a clear error', async (t) => {
  for (const text of ['', 'three', '0', '100', '-1', '1.5', '3\n5', '3 # odd']) {
    const file = join(t.testdir({ replicas: text }), 'replicas')
    t.throws(
      () => readReplicaConfig({ ...NAME, ORDINAL_REPLICAS_FILE: file }),
      {
        code: 'invalid-config',
        message: /^ORDINAL_REPLICAS_FILE: .* not a whole number from 1 to 99$/,
      },
      JSON.stringify(text),
    )
  }
  t.throws(() => readReplicaConfig({ ...NAME, ORDINAL_FIRST_ORDINAL_FILE: '/nowhere/first' }), {
    code: 'invalid-config',
    message: 'ORDINAL_FIRST_ORDINAL_FILE: /nowhere/first cannot be read (ENOENT)',
  })
})

t.test(
  'a replica is reached at what it was told, else at its Pod, else where it listens',
  async (t) => {
    const all = { host: '0.0.0.0', port: 7070 }
    const told = { advertise: '[::1]:7171', podIp: '10.0.0.7', bound: all }
    t.equal(ownAddress(told), '[::1]:7171')
    const untold = { ...told, advertise: undefined }
    t.equal(ownAddress(untold), '10.0.0.7:7070')
    t.equal(ownAddress({ ...untold, podIp: 'fd00::7' }), '[fd00::7]:7070')
    const alone = { advertise: undefined, podIp: undefined }
    t.equal(ownAddress({ ...alone, bound: { host: '127.0.0.1', port: 1 } }), '127.0.0.1:1')
    t.equal(ownAddress({ ...alone, bound: { host: '::1', port: 1 } }), '[::1]:1')
    for (const host of ['0.0.0.0', '::']) {
      t.equal(ownAddress({ ...alone, bound: { host, port: 1 } }), '', `${host} is no address`)
    }
  },
)

t.test("the Pod's address comes by the downward API, in either family", async (t) => {
  t.equal(readReplicaConfig(NAME).podIp, undefined)
  for (const podIp of ['10.0.0.7', 'fd00::7']) {
    t.equal(readReplicaConfig({ ...NAME, ORDINAL_POD_IP: podIp }).podIp, podIp)
  }
  t.throws(() => readReplicaConfig({ ...NAME, ORDINAL_POD_IP: '10.0.0.7, fd00::7' }), {
    message: /^ORDINAL_POD_IP is /,
  })
  t.equal(readReplicaConfig({ ...NAME, ORDINAL_ADVERTISE: '[::1]:7070' }).advertise, '[::1]:7070')
  t.equal(readReplicaConfig({ ...NAME, ORDINAL_GRACE: '30s' }).grace_ms, 30_000)
})
