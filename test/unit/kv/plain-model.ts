/** The rules of the state machine written down again, as plainly as they can be. */

import type { Command, Condition, ResultStatus, Segment } from '../../../src/database/kv/types.ts'

type ModelRecord = {
  created: number
  revision: number
  version: number
  expires_ms: number
  value: string
  contentType: string
}

/** Its state; results are told as the test of the model compares them. */
export class Model {
  records = new Map<string, ModelRecord>()
  sessions = new Map<
    number,
    { floor: number; lastUse_ms: number; results: Map<number, [ResultStatus, number]> }
  >()
  revision = 0
  now_ms = 0

  segment(segment: Segment): string[] {
    const session = this.sessions.get(segment.session)
    if (session !== undefined) {
      session.lastUse_ms = this.now_ms
      session.floor = Math.max(session.floor, segment.floor)
    }
    return segment.commands.map(({ sequence, command }) => {
      this.revision++
      if (segment.session === 0) return this.run(command).join(' ')
      if (session === undefined) return 'session-unknown 0'
      if (sequence <= session.floor) return 'below-floor 0'
      const known = session.results.get(sequence)
      if (known !== undefined) return `${known.join(' ')} again`
      const result = this.run(command)
      session.results.set(sequence, result)
      return result.join(' ')
    })
  }

  holds(name: Uint8Array, { match, noneMatch }: Condition): boolean {
    const present = this.records.get(Buffer.from(name).toString())?.revision
    if (match === 'any' && present === undefined) return false
    if (Array.isArray(match) && (present === undefined || !match.includes(present))) return false
    if (noneMatch === 'any' && present !== undefined) return false
    return !(Array.isArray(noneMatch) && present !== undefined && noneMatch.includes(present))
  }

  run(command: Command): [ResultStatus, number] {
    const { revision, now_ms } = this
    if (command.type === 'transaction') {
      const success = command.compare.every((one) => this.holds(one.key, one.condition))
      for (const one of success ? command.success : command.failure) this.run(one)
      return [success ? 'done' : 'done-failure', revision]
    }
    if (command.type === 'open-session') {
      this.sessions.set(revision, { floor: 0, lastUse_ms: now_ms, results: new Map() })
      return ['done', revision]
    }
    if (command.type === 'close-session') {
      return this.sessions.delete(command.session) ? ['done', revision] : ['unchanged', 0]
    }
    if (command.type === 'expire-session') {
      if (this.sessions.get(command.session)?.lastUse_ms !== command.lastUse_ms)
        return ['unchanged', 0]
      this.sessions.delete(command.session)
      return ['done', revision]
    }
    const name = Buffer.from(command.key).toString()
    const old = this.records.get(name)
    if (command.type === 'expire') {
      const due = old !== undefined && old.expires_ms > 0 && old.expires_ms <= now_ms
      if (!due || old.revision !== command.revision) return ['unchanged', 0]
      this.records.delete(name)
      return ['done', revision]
    }
    if (!this.holds(command.key, command.condition ?? {}))
      return ['condition-failed', old?.revision ?? 0]
    if (command.type === 'delete') {
      if (!this.records.delete(name)) return ['absent', 0]
      return ['deleted', revision]
    }
    this.records.set(name, {
      created: old?.created ?? revision,
      revision,
      version: (old?.version ?? 0) + 1,
      expires_ms: command.ttl_ms === 0 ? 0 : now_ms + command.ttl_ms,
      value: Buffer.from(command.value).toString(),
      contentType: command.contentType,
    })
    return [old === undefined ? 'created' : 'updated', revision]
  }
}
