import fc from 'fast-check'
import t from 'tap'
import { SequenceFloor } from '../../../src/api/floor.ts'
import { SESSION_RESULTS_MAX } from '../../../src/shared/limits.ts'
import { seedOf } from '../http/seed.ts'

t.test('floor: never passes an undecided sequence, in any order of decisions', async (t) => {
  // A number is either "issue one" or picks which of the open sequences is decided next.
  const steps = fc.array(fc.option(fc.nat(), { nil: undefined }), { maxLength: 200 })
  let checked = 0
  fc.assert(
    fc.property(steps, (plan) => {
      const sequences = new SequenceFloor()
      const seen = new Set<number>()
      const open: number[] = []
      for (const step of plan) {
        if (step === undefined || open.length === 0) {
          const sequence = sequences.issue()
          if (seen.has(sequence)) throw new Error(`${sequence} was issued twice`)
          seen.add(sequence)
          open.push(sequence)
        } else {
          const [sequence] = open.splice(step % open.length, 1)
          sequences.decide(sequence as number)
        }
        const lowestOpen = Math.min(...open, seen.size + 1)
        if (sequences.floor !== lowestOpen - 1) {
          throw new Error(`floor ${sequences.floor} with ${lowestOpen} the lowest open`)
        }
        checked++
      }
      for (const sequence of open) sequences.decide(sequence)
      if (sequences.floor !== seen.size || sequences.span !== 0) throw new Error('not at the end')
    }),
    { seed: seedOf(t) },
  )
  t.ok(checked > 0, 'some steps were checked')
})

t.test('floor: a sequence is decided once only, and only after it was issued', async (t) => {
  const sequences = new SequenceFloor()
  t.throws(() => sequences.decide(1), /not open/)
  sequences.issue()
  sequences.issue()
  sequences.decide(2)
  t.throws(() => sequences.decide(2), /not open/)
  t.equal(sequences.floor, 0)
  sequences.decide(1)
  t.equal(sequences.floor, 2)
  t.throws(() => sequences.decide(1), /not open/)
})

t.test('floor: one stuck sequence cannot make the table of results overflow', async (t) => {
  const sequences = new SequenceFloor()
  const stuck = sequences.issue()
  for (let count = 1; count < SESSION_RESULTS_MAX; count++) sequences.decide(sequences.issue())
  t.equal(sequences.hasRoom, false)
  t.throws(() => sequences.issue(), /full/)
  sequences.decide(stuck)
  t.equal(sequences.hasRoom, true)
})
