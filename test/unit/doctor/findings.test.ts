import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { clockFinding } from '../../../src/doctor/clock.ts'
import { clusterFindings } from '../../../src/doctor/cluster.ts'
import { fileFinding, opened, tlsFindings } from '../../../src/doctor/credentials.ts'
import { about, allWell, type Finding } from '../../../src/doctor/finding.ts'
import { jsonOf, textOf } from '../../../src/doctor/report.ts'
import { checkOwnVolume, timesFinding } from '../../../src/doctor/volume.ts'
import { dataLost } from '../../../src/shared/data-lost.ts'
import { ClusterError } from '../../../src/shared/errors.ts'
import { readTls } from '../../../src/shared/tls-material.ts'
import { tlsSecret } from '../tls/folders.ts'
import { led, picture, row, short } from './pictures.ts'

t.test('a cluster in order has nothing but good lines', async (t) => {
  const findings = clusterFindings(led([row(0, 'leader'), row(1), row(2)]))
  t.ok(findings.every(({ state }) => state === 'ok'))
  t.match(short(findings), [
    'ok leader db-0: leads in term 4',
    'ok quorum -: 3 of 3 voters are heard',
  ])
})

t.test('a missing replica fails, a missing majority fails the quorum', async (t) => {
  const one = short(clusterFindings(led([row(0, 'leader'), row(1), row(2, 'unreachable')])))
  t.match(one[1], /^warning quorum -: 2 of 3 voters are heard; writes stop with the next one/)
  t.match(one[4], /^failed replica db-2: nobody hears it/)
  const five = led([row(0, 'leader'), row(1), row(2), row(3), row(4, 'unreachable')])
  t.match(short(clusterFindings(five))[1], /4 of 5 voters are heard; writes go on/)
  const two = picture([row(0), row(1, 'unreachable'), row(2, 'unreachable')], undefined)
  const lost = short(clusterFindings(two))
  t.match(lost[0], /^failed leader -: nobody leads/)
  t.match(lost[1], /^failed quorum -: 1 of 3 voters are heard/)
  // Two of three came back with empty disks: they have the names, and no votes.
  const rows = [row(0, 'learner'), row(1, 'learner'), row(2, 'candidate')]
  const empty = { ...picture(rows, undefined), problem: 'quorum-lost', missing: ['db-0', 'db-1'] }
  const [, quorum] = clusterFindings(empty)
  t.match(quorum, { state: 'failed', text: 'a majority is missing: db-0, db-1' })
  t.match(quorum?.remedy, /ordinal bootstrap --force/)
  const [, told] = clusterFindings(empty, 'scale to 5')
  t.match(told, { state: 'failed', text: 'a majority is missing: db-0, db-1; scale to 5' })
})

t.test('where all are there and none has the data, what they say is said', async (t) => {
  const rows = [row(0, 'learner'), row(1, 'learner'), row(2, 'learner')]
  const lost = { ...picture(rows, undefined), problem: 'quorum-lost' }
  const said = dataLost({ marker: 'demo-marker', clusterId: 'c9' })
  const noted = { ...lost, replicas: rows.map((one) => ({ ...one, notes: [said] })) }
  for (const [, quorum] of [clusterFindings(lost, said), clusterFindings(noted)]) {
    t.match(quorum, {
      state: 'failed',
      text: /^ALL DATA IS LOST: .*demo-marker.*c9.*empty cluster is formed under its name\.$/,
      remedy: /^Bring the claims back, .*kubectl patch configmap demo-marker --type=json -p '\[/,
    })
    t.notMatch(quorum, { remedy: /bootstrap --force/ })
  }
  const [, waits] = clusterFindings(lost, 'it waits for one that holds the data')
  t.match(waits, { state: 'failed', text: /^it waits/, remedy: /operations/ })
  const [, unknown] = clusterFindings(lost)
  t.match(unknown, { state: 'failed', text: /^a majority is missing$/ })
})

t.test('a learner is no voter; who lags, and what a replica notes, is a warning', async (t) => {
  const learner = { ...row(2, 'learner'), lag: 5000 }
  const noted = { ...row(1), notes: ['data was set aside'] }
  const found = short(clusterFindings(led([row(0, 'leader'), noted, learner])))
  t.match(found[1], /^ok quorum -: 2 of 2/)
  t.match(found, /warning replica db-1: data was set aside/)
  t.match(found, /warning replica db-2: 5000 entries behind/)
  const forming = { ...picture([row(0, 'learner')], undefined), clusterId: '' }
  t.match(short(clusterFindings(forming))[0], /^failed leader -: the cluster is not formed yet/)
  const stand = picture([row(0), row(1, 'leader')], {
    name: 'db-1',
    ordinal: 1,
    why: 'stand-in',
  })
  t.match(short(clusterFindings(stand))[0], /^warning leader db-1: leads in term 4 \(stand-in\)/)
})

t.test('a clock is judged by what is certain', async (t) => {
  const at = (offset_ms: number, took_ms = 10) => {
    const sent_ms = 1_800_000_000_500
    const date_ms = Math.floor((sent_ms + offset_ms) / 1000) * 1000
    return clockFinding('db-0', { status: 200, body: '', date_ms, sent_ms, took_ms })
  }
  t.equal(at(0).state, 'ok')
  t.equal(at(1900).state, 'ok', 'less than two seconds for sure')
  t.match(at(4000), { state: 'warning', text: /4\.0 s ahead of this one/ })
  t.match(at(-4000), { state: 'warning', text: /behind this one/ })
  t.equal(at(4000, 6000).state, 'ok', 'the answer took so long that nothing is certain')
  t.equal(at(62_000).state, 'failed')
  const none = { status: 200, body: '', date_ms: undefined, sent_ms: 0, took_ms: 1 }
  t.equal(clockFinding('db-0', none).state, 'skipped')
})

t.test('a volume is written and synced, and left as it was', async (t) => {
  const folder = t.testdir({})
  const [times, space] = await checkOwnVolume({ folder, freeMin_bytes: 1 })
  // A busy disk adds which of both is too high.
  t.match(times, { check: 'volume', text: /^fsync .* ms \(median of \d+\), .* ms at worst/ })
  t.match(space, { state: 'ok', text: /MiB free/ })
  t.same(readdirSync(folder), [])
  const [, full] = await checkOwnVolume({ folder, freeMin_bytes: 2 ** 60 })
  t.match(full, { state: 'failed', remedy: /507/ })
  const absent = await checkOwnVolume({ folder: join(folder, 'absent'), freeMin_bytes: 1 })
  t.match(absent, [{ state: 'failed', remedy: /ORDINAL_DATA/ }])
  if (process.getuid?.() === 0) return t.comment('root may write everywhere')
  chmodSync(folder, 0o500)
  const denied = await checkOwnVolume({ folder, freeMin_bytes: 1 })
  t.match(denied, [{ state: 'failed', remedy: /fsGroup/ }])
})

t.test('the times of a volume are judged by median and worst', async (t) => {
  const state = (median_ms: number, worst_ms: number) =>
    timesFinding('db-0', { batches: 9, median_ms, worst_ms }).state
  t.same(
    [state(2, 50), state(11, 50), state(2, 101), state(101, 300)],
    ['ok', 'warning', 'warning', 'failed'],
  )
  const text = (median_ms: number, worst_ms: number) =>
    timesFinding('db-0', { batches: 9, median_ms, worst_ms }).text
  t.match(text(11, 500), /: the median is above 10 ms$/)
  t.match(text(2, 101), /: the worst is above 100 ms$/)
  t.match(text(101, 300), /: the median is above 100 ms$/)
})

t.test('credentials that cannot be opened are findings, and none is not', async (t) => {
  const refused = opened('/x', () => {
    throw new ClusterError('invalid-config', 'the file is empty')
  })
  t.match(fileFinding('tokens', refused, ''), { state: 'failed', text: 'the file is empty' })
  t.match(
    fileFinding(
      'tokens',
      opened('/x', () => 1),
      '',
    ),
    { state: 'ok', about: '/x' },
  )
  t.match(
    fileFinding(
      'tokens',
      opened(undefined, () => 1),
      'off',
    ),
    { state: 'skipped', text: 'off' },
  )
  t.throws(() => opened('/x', () => Number(undefined).toFixed(-1)), RangeError, 'a bug stays one')
})

t.test('a certificate is judged by its time, its use and its names', async (t) => {
  const findings = (leaf: string, wall_ms: number, names: readonly string[] = []) => {
    const folder = tlsSecret(t, leaf, 'ca-a').path
    const credential = opened(folder, (path) => readTls(path).material)
    const purposed = names.map((name) => ({ name, purpose: 'peers' }))
    return tlsFindings({ credential, wall_ms, names: purposed })
  }
  const now_ms = Date.UTC(2030, 0)
  const zone = 'db-headless.default.svc.cluster.local'
  t.match(findings('leaf-a', now_ms, [`db-0.${zone}`, `db-19.${zone}`]), [
    { state: 'ok', text: /CN=leaf-a until 2099-12-31.*trusts CN=ca-a/ },
  ])
  t.match(findings('other-name', now_ms, [`db-0.${zone}`]), [
    { state: 'warning', text: /not for db-0\.db-headless.*peers/ },
    { state: 'ok' },
  ])
  t.match(findings('leaf-a', Date.UTC(2099, 11, 30)), [{ state: 'warning', text: /ends soon/ }])
  t.match(findings('expired', now_ms), [{ state: 'failed', text: /expired on 2021/ }, {}])
  t.match(findings('server-only', now_ms), [{ state: 'failed', text: /by clients/ }, {}])
  t.match(tlsFindings({ credential: undefined, wall_ms: 0, names: [] }), [{ state: 'skipped' }])
})

t.test('a report has one line for each finding, and says at the end how it is', async (t) => {
  const findings: Finding[] = [
    about('peer', 'db-0').ok('fine'),
    about('volume', '/a/very/long/path/of/a/volume').warning('slow\n  disk', 'a faster one'),
    about('service', 'db-read').skipped('there is none'),
  ]
  t.equal(
    textOf(findings),
    [
      'ok    peer     db-0              fine',
      'warn  volume   /a/very/long/path/of/a/volume  slow disk',
      '      -> a faster one',
      'skip  service  db-read           there is none',
      'all well: 0 failed, 1 warnings, 1 ok',
      '',
    ].join('\n'),
  )
  t.ok(allWell(findings))
  const bad = [...findings, about('dns', '-').failed('no', 'yes')]
  t.match(textOf(bad), /\n1 failed, 1 warnings, 1 ok\n$/)
  t.match(JSON.parse(jsonOf(bad)), { ok: false, findings: [{ check: 'peer' }, {}, {}, {}] })
})
