import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runVerify } from '../../../src/commands/verify.ts'
import { startServer, startTiny } from './tiny-server.ts'

const SETTINGS = { duration: 300, rate: 0, clients: 2, keys: 4, timeout: 500, readBack: 300 }

/** A store that lets in who shows `token`; whoever came, by the header shown. */
async function startGuarded(t: Test, token: string) {
  const { store } = await startTiny(t)
  const shown = new Set<string | undefined>()
  const url = await startServer(t, (request, response) => {
    const { authorization } = request.headers
    shown.add(authorization)
    let body = ''
    request.on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      if (authorization === `Bearer ${token}`) return store.answer(request, body, response)
      const type = 'application/problem+json'
      const problem = { code: 'unauthorized', detail: 'a token is asked for', status: 401 }
      response.writeHead(401, { 'Content-Type': type }).end(JSON.stringify(problem))
    })
  })
  return { url, shown }
}

async function verify(command: { url: string; tokenFile?: string }) {
  let err = ''
  const signal = new AbortController().signal
  const code = await runVerify(
    { ...SETTINGS, ...command, url: [command.url] },
    {
      out: () => undefined,
      err: (text) => {
        err += text
      },
      terminal: false,
      signal,
    },
  )
  return { code, last: err.trimEnd().split('\n').at(-1) }
}

t.test('the first token of the file is shown with each request', async (t) => {
  const { url, shown } = await startGuarded(t, 'sesame')
  const tokenFile = join(t.testdir({ tokens: 'sesame\nother\n' }), 'tokens')
  t.equal((await verify({ url, tokenFile })).code, 0)
  t.same([...shown], ['Bearer sesame'])
})

t.test('no token, the wrong one, or no such file: 2, one line', async (t) => {
  const { url } = await startGuarded(t, 'sesame')
  const refused = /does not serve \/v1\/cluster \(unauthorized: a token is asked for\)$/
  t.match(await verify({ url }), { code: 2, last: refused })
  const tokenFile = join(t.testdir({ tokens: 'wrong' }), 'tokens')
  t.match(await verify({ url, tokenFile }), { code: 2, last: refused })
  const absent = await verify({ url, tokenFile: '/nowhere/tokens' })
  t.match(absent, { code: 2, last: /^ordinal: could not tell: the token file \/nowhere\/tokens / })
})
