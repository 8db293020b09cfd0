/**
 * The limit: the least that a Fastify server can do for the same requests. One process, a Map, no
 * replication, no disk. What Ordinal needs beyond this is the price of being a database.
 *
 *     node test/bench/bare-fastify.ts <port>
 */

import fastify from 'fastify'

const PUT_RESPONSE = {
  200: { type: 'object', properties: { revision: { type: 'integer' } } },
} as const

const values = new Map<string, Buffer>()
let revision = 0

const app = fastify({ logger: false, forceCloseConnections: true })
app.addContentTypeParser(
  'application/octet-stream',
  { parseAs: 'buffer' },
  (_request, body, done) => done(null, body),
)

app.put<{ Params: { key: string }; Body: Buffer }>(
  '/v1/kv/:key',
  { schema: { response: PUT_RESPONSE } },
  (request, reply) => {
    // A copy: the body is a slice of what the socket read, which would be kept whole otherwise.
    values.set(request.params.key, Buffer.from(request.body))
    revision += 1
    reply.send({ revision })
  },
)

app.get<{ Params: { key: string } }>('/v1/kv/:key', (request, reply) => {
  const value = values.get(request.params.key)
  if (value === undefined) reply.code(404).send()
  else reply.type('application/octet-stream').send(value)
})

// Both by the benchmark: asked to stop, or it is gone.
process.once('SIGTERM', () => void app.close())
process.once('disconnect', () => process.exit(1))
process.channel?.unref()

await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
