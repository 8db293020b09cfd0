/** The shapes of `/v1`: what each route takes in its query, and the documents it answers. */

import Type, { type Static } from 'typebox'
import { DURATION_PATTERN } from '../duration.ts'

const strict = { additionalProperties: false } as const

const Duration = Type.String({
  pattern: DURATION_PATTERN,
  description: 'a duration such as 500ms, 5s or 2m',
})
const Whole = Type.String({ pattern: '^[0-9]{1,16}$', description: 'a whole number' })

const readMembers = {
  consistency: Type.Optional(Type.Union([Type.Literal('linearizable'), Type.Literal('stale')])),
  maxStale: Type.Optional(Duration),
  minRevision: Type.Optional(Whole),
  timeout: Type.Optional(Duration),
}

/** `GET /v1/kv/{key}` */
export const ReadQuery = Type.Object(readMembers, strict)
/** `GET /v1/key?name=` */
export const NamedReadQuery = Type.Object({ ...readMembers, name: Type.String() }, strict)
/** `GET /v1/kv` */
export const ListQuery = Type.Object(
  {
    ...readMembers,
    prefix: Type.Optional(Type.String()),
    after: Type.Optional(Type.String()),
    limit: Type.Optional(Whole),
  },
  strict,
)
/** `PUT /v1/kv/{key}` */
export const PutQuery = Type.Object(
  { timeout: Type.Optional(Duration), ttl: Type.Optional(Duration) },
  strict,
)
export const NamedPutQuery = Type.Object(
  { timeout: Type.Optional(Duration), ttl: Type.Optional(Duration), name: Type.String() },
  strict,
)
/** `DELETE /v1/kv/{key}` */
export const DeleteQuery = Type.Object({ timeout: Type.Optional(Duration) }, strict)
export const NamedDeleteQuery = Type.Object(
  { timeout: Type.Optional(Duration), name: Type.String() },
  strict,
)

/** One key of a listing. */
export const ListedKeyDocument = Type.Object({
  key: Type.String(),
  revision: Type.Integer(),
  createRevision: Type.Integer(),
  version: Type.Integer(),
  size_bytes: Type.Integer(),
  contentType: Type.String(),
})
export type ListedKeyDocument = Static<typeof ListedKeyDocument>

/** A page of a listing; `next` is there when more keys follow. */
export const ListDocument = Type.Object({
  history: Type.String(),
  revision: Type.Integer(),
  keys: Type.Array(ListedKeyDocument),
  next: Type.Optional(Type.String()),
})
export type ListDocument = Static<typeof ListDocument>

const maybe = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Undefined()])

/** One replica of the cluster; figures nobody knows are left out. */
export const ReplicaDocument = Type.Object({
  name: Type.String(),
  ordinal: Type.Integer(),
  role: Type.Union([
    Type.Literal('leader'),
    Type.Literal('follower'),
    Type.Literal('candidate'),
    Type.Literal('learner'),
    Type.Literal('unreachable'),
  ]),
  incarnation: maybe(Type.String()),
  term: maybe(Type.Integer()),
  lastIndex: maybe(Type.Integer()),
  commitIndex: maybe(Type.Integer()),
  appliedIndex: maybe(Type.Integer()),
  lag: maybe(Type.Integer()),
  revision: maybe(Type.Integer()),
  diskUsedBytes: maybe(Type.Integer()),
  diskFreeBytes: maybe(Type.Integer()),
  hash: maybe(
    Type.Object({ index: Type.Integer(), value: Type.String() }, { description: 'content hash' }),
  ),
  electable: maybe(Type.Boolean()),
  notes: Type.Readonly(Type.Array(Type.String())),
})
export type ReplicaDocument = Readonly<Static<typeof ReplicaDocument>>

/** `GET /v1/cluster` */
export const ClusterDocument = Type.Object({
  clusterId: Type.String(),
  name: Type.String(),
  history: Type.String(),
  revision: Type.Integer(),
  term: Type.Integer(),
  leader: maybe(
    Type.Object({
      name: Type.String(),
      ordinal: Type.Integer(),
      why: Type.Union([Type.Literal('lowest ordinal'), Type.Literal('stand-in')]),
    }),
  ),
  problem: maybe(Type.String({ description: 'what keeps the cluster from working' })),
  missing: Type.Array(Type.String(), { description: 'members that nobody hears' }),
  replicas: Type.Array(ReplicaDocument),
})
/** The document with its lists read-only, as the server hands it on. */
export type ClusterDocument = Readonly<
  Omit<Static<typeof ClusterDocument>, 'replicas' | 'leader' | 'missing'>
> & {
  readonly missing: readonly string[]
  readonly leader: Readonly<NonNullable<Static<typeof ClusterDocument>['leader']>> | undefined
  readonly replicas: readonly (Omit<ReplicaDocument, 'notes'> & {
    readonly notes: readonly string[]
  })[]
}
