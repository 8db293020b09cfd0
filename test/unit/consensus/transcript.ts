/**
 * Transcripts in the manner of etcd's datadriven tests: a command, `----`, and everything that
 * happened. Lines that begin with `#` explain; a blank line ends the output.
 *
 * Commands are in commands.ts and network-commands.ts. `run` and `settle` tell only what matters
 * (events, commits, reads); the others tell every message and every write.
 */

import type { Effects, Input } from '../../../src/database/consensus/types.ts'
import { COMMANDS } from './commands.ts'
import { formatEvent, formatMessage, formatWrite, name, positions } from './format.ts'
import { Harness, type Replica } from './harness.ts'

type Block = { readonly lead: string[]; readonly command: string; readonly expected: string[] }

function parse(text: string): { blocks: Block[]; tail: string[] } {
  const blocks: Block[] = []
  let lead: string[] = []
  const lines = text.split('\n')
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] as string
    if (line === '') continue
    if (line.startsWith('#')) {
      lead.push(line)
      continue
    }
    const expected: string[] = []
    if (lines[at + 1] === '----') {
      at += 2
      while (at < lines.length && lines[at] !== '') expected.push(lines[at++] as string)
      at -= 1
    }
    blocks.push({ lead, command: line, expected })
    lead = []
  }
  return { blocks, tail: lead }
}

/** Runs a transcript and returns it with what really happened as its outputs. */
export function replay(text: string): string {
  const { blocks, tail } = parse(text)
  const script = new Script()
  const paragraphs = blocks.map(({ lead, command }) => {
    const lines = script.run(command)
    return [...lead, command, '----', ...(lines.length === 0 ? ['ok'] : lines)].join('\n')
  })
  if (tail.length > 0) paragraphs.push(tail.join('\n'))
  return `${paragraphs.join('\n\n')}\n`
}

class Script {
  #lines: string[] = []
  #quiet = false
  #harness: Harness

  constructor() {
    this.#harness = this.#make(1)
  }

  #make(seed: number): Harness {
    return new Harness({
      seed,
      observer: {
        input: (replica, input) => this.#input(replica, input),
        effects: (replica, effects) => this.#effects(replica, effects),
        lost: (message) => {
          if (!this.#quiet) this.#say(`lost ${formatMessage(message)}`)
        },
      },
    })
  }

  run(line: string): string[] {
    this.#lines = []
    this.#quiet = false
    const [verb, ...args] = line.split(' ').filter((word) => word !== '') as [string]
    const command = COMMANDS[verb]
    if (command === undefined) throw new Error(`unknown command: ${line}`)
    const said = command({
      harness: this.#harness,
      args,
      quietly: (what) => {
        this.#quiet = true
        what()
      },
      forget: () => {
        this.#lines = []
      },
      reseed: (seed) => {
        this.#harness = this.#make(seed)
      },
      say: (text) => this.#say(text),
    })
    if (said !== undefined) this.#say(said)
    return this.#lines
  }

  #say(text: string): void {
    this.#lines.push(text)
  }

  #input(replica: Replica, input: Input): void {
    if (this.#quiet) return
    if (input.type === 'message') this.#say(`> ${formatMessage(input.message)}`)
    else if (input.type === 'persisted')
      this.#say(`> ${name(replica.member)} synced #${input.write}`)
    else if (input.type === 'snapshot-received') {
      this.#say(
        `> ${name(replica.member)} received snapshot ${input.meta.index}/${input.meta.term}` +
          ` of ${name(input.from)} in t${input.term}`,
      )
    } else if (input.type === 'snapshot-sent') {
      const result = input.ok ? 'sent' : 'NOT sent'
      this.#say(`> ${name(replica.member)} ${result} snapshot ${input.index} to ${name(input.to)}`)
    } else if (input.type === 'loaded') {
      this.#say(
        `> ${name(replica.member)} loaded ${positions(input.entries)} for ${name(input.to)}`,
      )
    } else if (input.type === 'heard') {
      this.#say(`> ${name(replica.member)} heard ${name(input.member)}`)
    }
  }

  #effects(replica: Replica, effects: Effects): void {
    const who = name(replica.member)
    for (const event of effects.events) this.#say(`  ${who} ${formatEvent(event)}`)
    if (!this.#quiet) {
      if (effects.write !== undefined) this.#say(`  ${who} ${formatWrite(effects.write)}`)
      for (const { after, message } of effects.messages) {
        this.#say(`  ${formatMessage(message)}${after > 0 ? ` (after #${after})` : ''}`)
      }
      for (const { to, from } of effects.load)
        this.#say(`  ${who} loads from ${from} for ${name(to)}`)
      for (const { to } of effects.snapshots)
        this.#say(`  ${who} streams a snapshot to ${name(to)}`)
    }
    if (effects.committed.length > 0 && !(this.#quiet && effects.committed.length > 20)) {
      this.#say(`  ${who} commits ${positions(effects.committed)}`)
    }
    for (const read of effects.reads) {
      const result = 'refused' in read ? 'refused' : `index ${read.index}`
      this.#say(`  ${who} read ${read.id}: ${result}`)
    }
  }
}
