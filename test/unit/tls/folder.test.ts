import { rmSync } from 'node:fs'
import t from 'tap'
import {
  SECRET_POLL_MS,
  SELDOM_KEYS_MAX,
  SELDOM_MS,
  TLS_FILE_BYTES_MAX,
} from '../../../src/shared/limits.ts'
import { Seldom } from '../../../src/shared/seldom.ts'
import { tlsFailure, tlsReason } from '../../../src/shared/tls-failure.ts'
import { TlsFolder } from '../../../src/shared/tls-folder.ts'
import { complaintsOf, readTls } from '../../../src/shared/tls-material.ts'
import { FakeClock } from '../api/fake-clock.ts'
import { fixture, MountedSecret, notices, tlsContent, tlsSecret } from './folders.ts'

const NOW_MS = Date.UTC(2030, 0, 1)

t.test('a folder that cannot be used is a clear error at the start', async (t) => {
  const good = tlsContent('leaf-a', 'ca-a')
  const wrong: [Record<string, string>, RegExp][] = [
    [{ ...good, 'tls.key': fixture('leaf-b.key') }, /tls\.key is not the key of tls\.crt/],
    [{ ...good, 'ca.crt': 'nothing' }, /ca\.crt holds no certificate/],
    [{ ...good, 'ca.crt': good['ca.crt']?.replace('MI', '!!') ?? '' }, /ca\.crt holds something/],
    [{ ...good, 'tls.crt': '' }, /tls\.crt holds no certificate/],
    [{ ...good, 'tls.key': 'no key' }, /tls\.crt and tls\.key cannot be used/],
    [{ ...good, 'ca.crt': 'x'.repeat(TLS_FILE_BYTES_MAX + 1) }, /has more than \d+ bytes/],
    [{ 'tls.crt': good['tls.crt'] ?? '' }, /ENOENT/],
  ]
  for (const [content, message] of wrong) {
    const folder = new MountedSecret(t, content).path
    t.throws(() => new TlsFolder({ folder }), { code: 'invalid-config', message })
  }
  const { authorities } = readTls(tlsSecret(t, 'leaf-a', 'ca-a', 'ca-b').path).material
  t.same(
    authorities.map(({ subject }) => subject),
    ['CN=ca-a', 'CN=ca-b'],
  )
})

t.test('replaced files are told to servers and taken by dialers', async (t) => {
  const clock = new FakeClock()
  const secret = tlsSecret(t, 'leaf-a', 'ca-a')
  const { lines, log } = notices()
  const folder = new TlsFolder({ folder: secret.path, clock, log })
  t.teardown(() => folder.close())
  const told: string[] = []
  const stop = folder.onChange(({ certificate }) => told.push(certificate.subject))
  const before = folder.material
  await clock.advance(3 * SECRET_POLL_MS)
  t.equal(folder.material, before, 'unchanged files are not read')
  secret.replace(tlsContent('leaf-b', 'ca-b'))
  t.equal(folder.material, before, 'within a second nobody looks')
  await clock.advance(SECRET_POLL_MS)
  t.same(told, ['CN=leaf-b'])
  t.equal(folder.material.certificate.subject, 'CN=leaf-b')
  t.not(folder.material.context, before.context)
  stop()
  secret.replace(tlsContent('leaf-a', 'ca-a'))
  await clock.advance(SECRET_POLL_MS)
  t.equal(folder.material.certificate.subject, 'CN=leaf-a', 'without listeners: looked at at use')
  t.equal(told.length, 1)
  t.same(lines, ['TLS files read', 'TLS files reread', 'TLS files reread'])
})

t.test('new files that cannot be used leave the last ones, and that is said once', async (t) => {
  const clock = new FakeClock()
  const secret = tlsSecret(t, 'leaf-a', 'ca-a')
  const { lines, log } = notices()
  const folder = new TlsFolder({ folder: secret.path, clock, log })
  t.teardown(() => folder.close())
  let told = 0
  folder.onChange(() => {
    told += 1
  })
  secret.replace({ ...tlsContent('leaf-a', 'ca-a'), 'tls.key': fixture('leaf-b.key') })
  await clock.advance(5 * SECRET_POLL_MS)
  t.equal(folder.material.certificate.subject, 'CN=leaf-a')
  t.match(folder.notes(), [/cannot be used, the last ones stay: tls\.key is not the key/])
  t.equal(lines.length, 2)
  rmSync(secret.file('tls.key'))
  await clock.advance(2 * SECRET_POLL_MS)
  t.match(folder.notes(), [/ENOENT/])
  t.equal(told, 0)
  const other = tlsSecret(t, 'leaf-b', 'ca-a', 'ca-b')
  const healed = new TlsFolder({ folder: other.path, clock })
  t.same(healed.notes(), [])
})

t.test('what is wrong with a certificate is said in words', async (t) => {
  const complaints = (leaf: string, wall_ms = NOW_MS) =>
    complaintsOf(readTls(tlsSecret(t, leaf, 'ca-a').path).material, wall_ms)
  t.same(complaints('leaf-a'), [])
  t.match(complaints('expired'), ['the TLS certificate expired on 2021-01-01T00:00:00.000Z'])
  t.match(complaints('leaf-a', Date.UTC(2019, 0)), [/valid only from 2020-01-01/])
  t.match(complaints('server-only'), ['the TLS certificate may not be used by clients'])
  const self = { ...tlsContent('leaf-a', 'ca-a'), 'ca.crt': fixture('leaf-a.crt') }
  const { material } = readTls(new MountedSecret(t, self).path)
  t.match(complaintsOf(material, NOW_MS), [/ca\.crt holds a CA that is no root.*CN=leaf-a/])
})

t.test('failures are told in words, others are not taken for one', async (t) => {
  const coded = (code: string, more = {}) => Object.assign(new Error('x'), { code, ...more })
  t.match(tlsFailure(coded('SELF_SIGNED_CERT_IN_CHAIN')), /not signed by a CA/)
  t.match(tlsFailure(new Error('y', { cause: coded('CERT_HAS_EXPIRED') })), /has expired/)
  t.match(tlsFailure(coded('ERR_TLS_CERT_ALTNAME_INVALID', { host: 'db-0' })), /name db-0/)
  t.equal(tlsReason('ERR_SSL_NO_SHARED_CIPHER'), 'no shared cipher')
  for (const error of [coded('ECONNREFUSED'), new Error('z'), 'text', undefined]) {
    t.equal(tlsFailure(error), undefined)
  }
})

t.test('the same words are let through once in a while', async (t) => {
  const clock = new FakeClock()
  const seldom = new Seldom(clock)
  t.ok(seldom.due('a'))
  t.notOk(seldom.due('a'))
  t.ok(seldom.due('b'))
  await clock.advance(SELDOM_MS)
  t.ok(seldom.due('a'))
  for (let number = 0; number < SELDOM_KEYS_MAX; number += 1) seldom.due(`stranger ${number}`)
  t.ok(seldom.due('a'), 'what was said longest ago is forgotten first, and nothing grows')
})
