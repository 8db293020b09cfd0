import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { formatEnd, formatHeader, formatOperation } from '../../../src/verifier/history-format.ts'
import { put, read } from './operations.ts'
import { startTiny } from './tiny-server.ts'
import { lastLine, type Result, verify } from './verify-command.ts'

/** Saves a history of a tiny store. */
async function save(t: Test, lies?: 'writes'): Promise<{ file: string; result: Result }> {
  const { url } = await startTiny(t, lies === undefined ? {} : { lies })
  const file = join(t.testdir(), 'history.jsonl')
  return { file, result: await verify({ url: [url], history: file }) }
}

t.test('a saved history has the verdict of its run', async (t) => {
  for (const lies of [undefined, 'writes'] as const) {
    const { file, result } = await save(t, lies)
    const { code, out } = await verify({ check: file })
    t.equal(code, result.code)
    const verdict = /^Verdict: .*$/m
    t.equal(verdict.exec(out)?.[0], verdict.exec(result.out)?.[0])
    t.equal(/^1\. .*$/m.exec(out)?.[0], /^1\. .*$/m.exec(result.out)?.[0])
  }
})

t.test('a file that is no history, or not there: 2, one line', async (t) => {
  const folder = t.testdir({ 'some.log': 'hello\n' })
  const wrong = await verify({ check: join(folder, 'some.log') })
  t.equal(wrong.code, 2)
  t.match(lastLine(wrong.err), /some\.log is no history: line 1 is no JSON$/)
  const absent = await verify({ check: join(folder, 'none') })
  t.equal(absent.code, 2)
  t.match(lastLine(absent.err), /none cannot be read: ENOENT/)
  const { file } = await save(t)
  const lines = readFileSync(file, 'utf8').split('\n')
  writeFileSync(file, lines.with(4, (lines[4] as string).slice(0, 30)).join('\n'))
  const cut = await verify({ check: file })
  t.equal(cut.code, 2)
  t.match(lastLine(cut.err), /is no history: line 5 is no JSON$/)
})

t.test('a file that cannot be written is refused before the run', async (t) => {
  const { url, store } = await startTiny(t)
  const html = join(t.testdir({ file: '' }), 'file', 'page.html')
  const { code, err } = await verify({ url: [url], html })
  t.equal(code, 2)
  t.match(lastLine(err), /page\.html cannot be written: ENOTDIR/)
  t.equal(store.requests, 0)
})

t.test('older files stay whole where there is nothing to write', async (t) => {
  const folder = t.testdir({ 'old.html': 'page', 'old.jsonl': 'history', 'bad.jsonl': 'hello' })
  const html = join(folder, 'old.html')
  const history = join(folder, 'old.jsonl')
  const dead = await verify({ url: ['http://127.0.0.1:1'], html, history })
  t.equal(dead.code, 2)
  const bad = await verify({ check: join(folder, 'bad.jsonl'), html })
  t.equal(bad.code, 2)
  t.equal(readFileSync(html, 'utf8'), 'page')
  t.equal(readFileSync(history, 'utf8'), 'history')
  t.strictSame(readdirSync(folder).sort(), ['bad.jsonl', 'old.html', 'old.jsonl'])
  const { url } = await startTiny(t)
  symlinkSync('old.jsonl', join(folder, 'link'))
  t.equal((await verify({ url: [url], html, history: join(folder, 'link') })).code, 0)
  t.match(readFileSync(html, 'utf8'), /^<!doctype html>/i)
  t.match(readFileSync(history, 'utf8'), /^{"format":"ordinal-history"/, 'what the link names')
  t.strictSame(readdirSync(folder).sort(), ['bad.jsonl', 'link', 'old.html', 'old.jsonl'])
})

t.test('one file for two things is refused: 2, one line', async (t) => {
  const folder = t.testdir({ one: 'old' })
  const one = join(folder, 'one')
  symlinkSync('one', join(folder, 'link'))
  const other = join(folder, 'new')
  const { url, store } = await startTiny(t)
  for (const [command, line] of [
    [{ check: one, html: join(folder, '.', 'one') }, /--check and --html name the same file: /],
    [{ check: one, html: join(folder, 'link') }, /--check and --html name the same file: /],
    [{ url: [url], html: other, history: other }, /--html and --history name the same file: /],
  ] as const) {
    const { code, out, err } = await verify(command)
    t.equal(code, 2)
    t.equal(out, '')
    t.match(lastLine(err), line)
  }
  t.equal(store.requests, 0)
  t.equal(readFileSync(one, 'utf8'), 'old')
})

t.test('keys that were not read in the end: nobody can tell whether writes are lost', async (t) => {
  const lines = [
    formatHeader({}),
    formatOperation(put(0, 'a', [0, 10], 1)),
    formatOperation(put(0, 'b', [20, 30], 2)),
    formatEnd(2),
  ]
  const seen = [...lines.slice(0, 3), formatOperation(read(1, 'b', [40, 50], 2)), formatEnd(3)]
  const folder = t.testdir({ unread: lines.join('\n'), read: seen.join('\n') })
  const { code, out } = await verify({ check: join(folder, 'unread') })
  t.equal(code, 2)
  t.equal(
    lastLine(out),
    'Verdict: linearizable, but 1 key with acknowledged writes was not read in the end: ' +
      'could not tell whether writes are lost',
  )
  const { verdict } = JSON.parse((await verify({ check: join(folder, 'unread'), json: true })).out)
  t.match(verdict, { holds: 'undecided', exitCode: 2 })
  const whole = await verify({ check: join(folder, 'read') })
  t.equal(whole.code, 0)
  t.equal(lastLine(whole.out), 'Verdict: linearizable, 0 of 2 acknowledged writes lost')
})

t.test('a history without writes proves nothing: 2', async (t) => {
  const text = '{"format":"ordinal-history","version":1}\n{"end":true,"operations":0}\n'
  const folder = t.testdir({ 'empty.jsonl': text })
  const { code, out } = await verify({ check: join(folder, 'empty.jsonl') })
  t.equal(code, 2)
  t.match(out, /could not tell: the history holds no acknowledged write/)
})
