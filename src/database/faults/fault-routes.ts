/**
 * The buttons: breaks this replica on purpose, over its client port.
 *
 *   GET    /faults              all kinds: parameters, whether active, since and until when
 *   POST   /faults/{name}?…     begins one; pressed again, it begins anew
 *   DELETE /faults/{name}       ends one
 *   DELETE /faults              ends all
 *
 * Parameters stand in the query. A body is refused: what it says would be passed over in silence.
 *
 * They are there only where ORDINAL_FAULTS is on; elsewhere each answers how to switch them on. A
 * page of another site cannot press them: a browser says where a request comes from.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ClusterError } from '../../shared/errors.ts'
import { announcedBytes } from '../../shared/http/body.ts'
import type { Face } from '../../shared/http/face.ts'
import { refuseOtherMethods } from '../../shared/http/server.ts'
import type { FaultBoard } from './fault-board.ts'
import {
  type FaultRequest,
  type FaultType,
  faultType,
  ordinalIn,
  readFault,
} from './fault-kinds.ts'

const ALL = '/faults'
const ONE = '/faults/:name'
const COUNTED_AS = '/faults/{name}'

type Press = { readonly request: FastifyRequest; readonly type: FaultType }

export type FaultRoutesOptions = {
  readonly board: FaultBoard
  /** Names of all replicas, this one included; []: it does not know them yet. */
  readonly replicas: () => readonly string[]
}

/** Registers the routes. `options` undefined: they only tell how to switch them on. */
export function registerFaultRoutes(
  app: FastifyInstance,
  face: Face,
  options: FaultRoutesOptions | undefined,
): void {
  if (options === undefined) {
    refuseAll(app)
    return
  }
  const { board, replicas } = options
  const list = () => ({ faults: board.list() })
  const answer = (reply: FastifyReply, method: string, path: string, document: unknown) => {
    const headers = ['Cache-Control', 'no-store']
    face.json(reply, face.route(method, path), { status: 200, headers, document })
  }
  for (const method of ['GET', 'DELETE'] as const) {
    app.route({
      method,
      url: ALL,
      handler: (request, reply) => {
        if (method === 'DELETE') {
          refuseOtherSites(request)
          refuseBody(request)
          board.endAll()
        }
        answer(reply, method, ALL, list())
      },
    })
  }
  const one = (method: 'GET' | 'POST' | 'DELETE', act: (press: Press) => void) => {
    app.route({
      method,
      url: ONE,
      handler: (request, reply) => {
        const type = faultType((request.params as { name: string }).name)
        if (method !== 'GET') {
          refuseOtherSites(request)
          refuseBody(request)
        }
        act({ request, type })
        answer(reply, method, COUNTED_AS, board.view(type))
      },
    })
  }
  one('GET', () => undefined)
  one('POST', ({ request, type }) => {
    const wanted = readFault(type, request.raw.url as string)
    refuseStrangers(wanted, replicas())
    board.press(wanted)
  })
  one('DELETE', ({ type }) => void board.end(type))
  refuseOtherMethods(app, face, { url: ALL, allowed: ['GET', 'DELETE'] })
  refuseOtherMethods(app, face, { url: ONE, allowed: ['GET', 'POST', 'DELETE'] })
}

function refuseAll(app: FastifyInstance): void {
  for (const url of [ALL, ONE]) {
    app.route({
      method: app.supportedMethods,
      url,
      handler: () => {
        throw new ClusterError(
          'faults-disabled',
          'nobody may break this replica on purpose; start it with ORDINAL_FAULTS=on to allow it',
        )
      },
    })
  }
}

function refuseOtherSites(request: FastifyRequest): void {
  const { origin, host } = request.headers
  if (origin === undefined || URL.parse(origin)?.host === host) return
  throw new ClusterError('unauthorized', `a page of ${origin} may not break this replica`)
}

function refuseBody(request: FastifyRequest): void {
  if (announcedBytes(request.raw) === 0) return
  throw new ClusterError('bad-request', 'parameters go into the query; a body is not read')
}

/** A name that nobody has would cut off nobody, and look as if it had. */
function refuseStrangers({ fault, parameters }: FaultRequest, replicas: readonly string[]): void {
  if (!('peers' in fault) || fault.peers === 'all' || replicas.length === 0) return
  const known = new Set(replicas.map(ordinalIn))
  const names = parameters['peers']?.split(',') ?? []
  const strangers = names.filter((name) => !known.has(ordinalIn(name)))
  if (strangers.length === 0) return
  throw new ClusterError(
    'bad-request',
    `peers: there is no ${strangers.join(', ')}; known are ${replicas.join(', ')}`,
  )
}
