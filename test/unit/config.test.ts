import { hostname } from 'node:os'
import t from 'tap'
import { readApiConfig, readDoctorConfig, readReplicaConfig } from '../../src/shared/config.ts'
import { formatDuration, parseDuration } from '../../src/shared/duration.ts'
import { ClusterError } from '../../src/shared/errors.ts'

function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'invalid-config') return error.message
    throw error
  }
  return 'accepted'
}

t.test('a replica takes its ordinal and its cluster from its name', async (t) => {
  const config = readReplicaConfig({ ORDINAL_NAME: 'my-db-12' })
  t.equal(config.ordinal, 12)
  t.equal(config.base, 'my-db')
  t.equal(config.cluster, 'my-db')
  t.equal(readReplicaConfig({ ORDINAL_NAME: 'db-0', ORDINAL_CLUSTER: 'shop' }).cluster, 'shop')
})

t.test('defaults are those of the design', async (t) => {
  const config = readReplicaConfig({ ORDINAL_NAME: 'db-0' })
  t.match(config, {
    electionTimeout_ms: 1000,
    heartbeat_ms: 100,
    stagger_ms: 150,
    handBackAfter_ms: 5000,
    replicas: 3,
    firstOrdinal: 0,
    dnsServers: [],
    faults: false,
    logFormat: 'auto',
    ballast_bytes: 64 * 1024 * 1024,
  })
  t.equal(config.clusterDomain, undefined)
  t.equal(config.advertise, undefined)
  const api = readApiConfig({})
  t.equal(api.name, hostname())
  t.equal(api.cluster, 'db')
  t.equal(api.sharedPort, undefined)
  t.equal(api.shutdownDelay_ms, 5000)
})

t.test('the configuration is frozen', async (t) => {
  const config = readReplicaConfig({ ORDINAL_NAME: 'db-0' }) as { name: string }
  t.throws(() => {
    config.name = 'db-1'
  }, TypeError)
})

t.test('values are read from their text', async (t) => {
  const config = readReplicaConfig({
    ORDINAL_NAME: 'db-1',
    ORDINAL_DNS_SERVERS: '127.0.0.1:5300,[::1]:53',
    ORDINAL_CLUSTER_DOMAIN: 'cluster.example.',
    ORDINAL_ADVERTISE: '[fd00::1]:7070',
    ORDINAL_ELECTION_TIMEOUT: '1.5s',
    ORDINAL_FAULTS: 'on',
    ORDINAL_CLIENT_PORT: '0',
    ORDINAL_LOG_LEVEL: '',
  })
  t.strictSame(config.dnsServers, ['127.0.0.1:5300', '[::1]:53'])
  t.equal(config.clusterDomain, 'cluster.example')
  t.equal(config.advertise, '[fd00::1]:7070')
  t.equal(config.electionTimeout_ms, 1500)
  t.equal(config.faults, true)
  t.equal(config.clientPort, 0)
  t.equal(config.logLevel, 'info', 'an empty variable counts as absent')
})

t.test('a wrong value is one line that names its variable', async (t) => {
  const wrong: Record<string, string> = {
    ORDINAL_NAME: 'db',
    ORDINAL_CLUSTER: 'My_Cluster',
    ORDINAL_REPLICAS: 'three',
    ORDINAL_CLIENT_PORT: '70000',
    ORDINAL_PEER_PORT: '-1',
    ORDINAL_ELECTION_TIMEOUT: '1000',
    ORDINAL_HEARTBEAT: '0',
    ORDINAL_LOG_LEVEL: 'loud',
    ORDINAL_FAULTS: 'yes',
    ORDINAL_ADVERTISE: '10.0.0.1',
    ORDINAL_BALLAST_BYTES: '1.5',
    ORDINAL_SERVICE: 'a.b',
    ORDINAL_DNS_SERVERS: '127.0.0.1:53,abc',
  }
  for (const [variable, value] of Object.entries(wrong)) {
    const message = refusal(() => readReplicaConfig({ ORDINAL_NAME: 'db-0', [variable]: value }))
    t.ok(message.startsWith(`${variable} is "${value}", expected `), message)
    t.notMatch(message, /\n/)
  }
  const message = refusal(() => readApiConfig({ ORDINAL_SHUTDOWN_DELAY: 'soon' }))
  t.ok(message.startsWith('ORDINAL_SHUTDOWN_DELAY is "soon"'), message)
})

t.test('an election timeout below three heartbeats is refused', async (t) => {
  const env = {
    ORDINAL_NAME: 'db-0',
    ORDINAL_ELECTION_TIMEOUT: '299ms',
    ORDINAL_HEARTBEAT: '100ms',
  }
  t.match(
    refusal(() => readReplicaConfig(env)),
    /ORDINAL_ELECTION_TIMEOUT.*ORDINAL_HEARTBEAT/,
  )
  t.equal(readReplicaConfig({ ...env, ORDINAL_ELECTION_TIMEOUT: '300ms' }).electionTimeout_ms, 300)
})

t.test('durations', async (t) => {
  t.equal(parseDuration('500ms'), 500)
  t.equal(parseDuration('5s'), 5000)
  t.equal(parseDuration('1.5m'), 90_000)
  t.equal(parseDuration('2h'), 7_200_000)
  t.equal(parseDuration('0'), 0)
  for (const text of ['', '5', 's', '-1s', '1e3ms', '5 s', '5S', '1s2', '.5s']) {
    t.equal(parseDuration(text), undefined, `"${text}" is none`)
  }
  t.equal(formatDuration(849.6), '850 ms')
  t.equal(formatDuration(1240), '1.2 s')
  t.equal(formatDuration(30_000), '30 s')
  t.equal(formatDuration(180_000), '3 min')
})

t.test('what guards a process is off unless its files are named', async (t) => {
  const off = { peerSecretFile: undefined, tokensFile: undefined, tlsFolder: undefined }
  const env = {
    ORDINAL_PEER_SECRET_FILE: '/p/secret',
    ORDINAL_TOKENS_FILE: '/a/tokens',
    ORDINAL_TLS_FOLDER: '/tls',
  }
  const on = { peerSecretFile: '/p/secret', tokensFile: '/a/tokens', tlsFolder: '/tls' }
  for (const read of [readReplicaConfig, readApiConfig, readDoctorConfig]) {
    t.match(read({ ORDINAL_NAME: 'db-0' }), off)
    t.match(read({ ORDINAL_NAME: 'db-0', ...env }), on)
  }
})

t.test('the doctor takes the environment of either tier', async (t) => {
  const alone = readDoctorConfig({})
  t.match(alone, { name: hostname(), cluster: 'db', data: undefined, inCluster: false })
  const pod = { ORDINAL_NAME: 'db-2', ORDINAL_DATA: '/data', KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  t.match(readDoctorConfig(pod), { name: 'db-2', data: '/data', inCluster: true })
  const named = { ORDINAL_CLUSTER: 'shop-db', ORDINAL_SERVICE: 'shop-db-headless' }
  t.equal(readDoctorConfig(named).cluster, 'shop-db')
})

t.test('Kubernetes is asked where it is switched on', async (t) => {
  const name = { ORDINAL_NAME: 'db-1' }
  const own = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }
  t.match(readReplicaConfig({ ...name, ...own }), { kubernetes: undefined })
  t.equal(readReplicaConfig(name).podManagement, 'Parallel')
  const on = { ...name, ORDINAL_KUBERNETES: 'on' }
  t.same(readReplicaConfig({ ...on, ...own, ORDINAL_NAMESPACE: 'demo' }).kubernetes, {
    server: 'https://[fd00::1]:6443',
    accountFolder: '/var/run/secrets/kubernetes.io/serviceaccount',
    namespace: 'demo',
    statefulSet: 'db',
    marker: undefined,
  })
  const named = { ORDINAL_STATEFULSET: 'my-db', ORDINAL_MARKER: 'my-db-marker' }
  const told = { statefulSet: 'my-db', marker: 'my-db-marker', server: undefined }
  t.match(readReplicaConfig({ ...on, ...named }).kubernetes, told)
  const host = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  t.equal(readReplicaConfig({ ...on, ...host }).kubernetes?.server, 'https://10.0.0.1:443')
  t.match(readDoctorConfig({ ...on, ORDINAL_SERVICE: 'shop-headless' }).kubernetes, {
    statefulSet: 'shop',
  })
  t.equal(
    readReplicaConfig({ ...name, ORDINAL_POD_MANAGEMENT: 'OrderedReady' }).podManagement,
    'OrderedReady',
  )
  t.equal(
    refusal(() => readReplicaConfig({ ...name, ORDINAL_POD_MANAGEMENT: 'Ordered' })),
    'ORDINAL_POD_MANAGEMENT is "Ordered", expected one of Parallel, OrderedReady',
  )
  t.equal(
    refusal(() => readReplicaConfig({ ...on, ORDINAL_MARKER: 'No_Marker' })),
    'ORDINAL_MARKER is "No_Marker", expected the name of a ConfigMap',
  )
})
