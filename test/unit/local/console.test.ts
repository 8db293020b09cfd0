import t from 'tap'
import type { ClusterView, ProcessView } from '../../../src/local/cluster-view.ts'
import {
  coloured,
  eventLine,
  plain,
  processTable,
  readyText,
  startText,
} from '../../../src/local/console.ts'
import type { LocalEvent } from '../../../src/local/events.ts'

const ESCAPE = '\u001b'

const replica: ProcessView = {
  name: 'db-0',
  kind: 'replica',
  state: 'running',
  ready: true,
  role: 'leader',
  pid: 17,
  restarts: 2,
  lastExit: null,
  ports: { client: 20_000, metrics: 20_001, peer: 20_002 },
  url: 'http://127.0.0.1:20000',
  dataFolder: '/data/db-0',
  logFile: '/data/logs/db-0.log',
}
const api: ProcessView = { ...replica, name: 'api-0', kind: 'api', role: null, ready: false }
const view: ClusterView = {
  url: 'http://127.0.0.1:8080',
  balancer: 'kernel',
  dataFolder: '/data',
  leader: 'db-0',
  processes: [replica, api],
}

t.test('each event is one line', async (t) => {
  const events: [LocalEvent, string | undefined][] = [
    [{ type: 'started', name: 'db-0', pid: 17 }, '  db-0   starting (pid 17)'],
    [{ type: 'ready', name: 'db-0', after_ms: 1240 }, '  db-0   ready after 1.2 s'],
    [{ type: 'ready', name: 'db-0', after_ms: undefined }, '  db-0   ready again'],
    [{ type: 'unready', name: 'db-0' }, '  db-0   not ready'],
    [
      { type: 'exited', name: 'db-0', how: 'exited with code 1', again_ms: 500, said: 'full' },
      '  db-0   exited with code 1: full, starts again in 500 ms',
    ],
    [
      { type: 'exited', name: 'db-0', how: 'exited with code 0', again_ms: 0, said: undefined },
      '  db-0   exited with code 0, starts again now',
    ],
    [
      {
        type: 'exited',
        name: 'a',
        how: 'exited with code 0',
        again_ms: undefined,
        said: undefined,
      },
      '  a      exited with code 0, stays down',
    ],
    [{ type: 'paused', name: 'db-0', for_ms: 10_000 }, '  db-0   paused for 10 s'],
    [{ type: 'resumed', name: 'db-0' }, '  db-0   goes on'],
    [
      { type: 'leader', name: 'db-1', term: 4, before: 'db-0' },
      '  db-1   leads (term 4, after db-0)',
    ],
    [{ type: 'failed', what: 'x', cause: 'y' }, '  local  x failed: y'],
    [{ type: 'stopping' }, undefined],
  ]
  for (const [event, line] of events) t.equal(eventLine(event, plain), line)
})

t.test('colours only where they are wanted', async (t) => {
  const event: LocalEvent = { type: 'ready', name: 'db-0', after_ms: 1 }
  t.ok(eventLine(event, coloured)?.includes(ESCAPE))
  t.notOk(eventLine(event, plain)?.includes(ESCAPE))
  t.notOk(processTable(view, plain).includes(ESCAPE))
})

t.test('the start is readable', async (t) => {
  t.equal(startText(view, plain), 'ordinal 1 replica, 1 API server, data in /data\n')
  const options = { controlUrl: 'http://127.0.0.1:8081', keys: true, after_ms: 2000 }
  const text = readyText(view, options, plain)
  t.match(text, /Not ready after 2 s: api-0\. See \/data\/logs\./)
  t.match(text, 'curl -X PUT --data-binary hello localhost:8080/v1/kv/greeting')
  t.match(text, 'http://127.0.0.1:8081/processes')
  t.match(text, "curl -X POST 'localhost:8081/processes/leader/faults/pause?for=10s'")
  t.match(text, 'Press h')
  const ready = { ...view, processes: [replica] }
  t.match(
    readyText(ready, { ...options, keys: false }, plain),
    /Ready after 2 s\.\n[\s\S]*Ctrl-C stops/,
  )
  t.match(processTable(view, plain), /db-0 +running +leader +pid 17 +restarts 2/)
  t.match(processTable(view, plain), /api-0 +not ready +API server/)
})
