/**
 * Stands in for a replica or an API server: answers what the supervisor asks, and little else.
 * `/exit` ends it with code 3 after a last line; `/whoami` tells its name and its process;
 * `/faults` says what was asked.
 */

import { createServer, type Server } from 'node:http'
import { followSupervisor } from '../../../src/local/follow-supervisor.ts'

const { env } = process
const name = env['ORDINAL_NAME'] ?? ''
followSupervisor()
process.title = `ordinal ${name}`

function serve(): Server {
  return createServer((request, response) => {
    if (request.url === '/exit') {
      process.stderr.write('{"level":"error","msg":"asked to end"}\n', () => process.exit(3))
      return
    }
    if (request.url === '/status') {
      const role = name === (env['FAKE_LEADER'] ?? 'db-0') ? 'leader' : 'follower'
      response.end(JSON.stringify({ role, term: Number(env['FAKE_TERM'] ?? 1) }))
      return
    }
    if (request.url?.startsWith('/faults')) {
      response.statusCode = request.method === 'DELETE' ? 400 : 200
      response.end(JSON.stringify({ name, method: request.method, path: request.url }))
      return
    }
    if (request.url === '/readyz' && env['FAKE_UNREADY'] === name) response.statusCode = 503
    response.end(JSON.stringify({ name, pid: process.pid, env: Object.keys(env) }))
  })
}

const ports = [env['ORDINAL_CLIENT_PORT'], env['ORDINAL_METRICS_PORT']]
const servers = ports.map((port) => serve().listen(Number(port), '127.0.0.1'))
const shared = env['ORDINAL_SHARED_PORT']
if (shared !== undefined) {
  servers.push(serve().listen({ port: Number(shared), host: '127.0.0.1', reusePort: true }))
}
process.on('SIGTERM', () => {
  if (env['FAKE_STUBBORN'] === name) return
  process.stdout.write('stopped in order\n', () => process.exit(0))
})
