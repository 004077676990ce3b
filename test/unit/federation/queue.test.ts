import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Room, StanzaQueue } from '../../../src/federation/queue.ts'
import { numbered, numbers } from '../../kit/scripted-network.ts'

const LIMITS = { ...defaultLimits, queueStanzas: 600, queueBytes: 50_000, queueTotalBytes: 70_000 }

describe('a queue', () => {
  it('is a bounded list in order, whatever is done to it', () => {
    const act = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          push: fc.integer({ min: 1, max: 400 }),
          spare: fc.constantFrom(null, null, 20_000),
        }),
      },
      { weight: 3, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 40 }) }) },
      { weight: 1, arbitrary: fc.constantFrom('takeAll', 'put') },
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 1_500, size: 'max' }), acts => {
        const total = { bytes: 0 }
        const queue = new StanzaQueue(LIMITS, total)
        let model: { number: number; bytes: number }[] = []
        let next = 0
        let held = 0
        for (const drawn of acts) {
          if (drawn === 'takeAll') {
            expect(numbers(queue.takeAll())).toEqual(model.map(({ number }) => number))
            model = []
          } else if (drawn === 'put') {
            queue.put(numbered(next, { bytes: 7 }), next)
            model.push({ number: next++, bytes: 7 })
          } else if ('push' in drawn) {
            const { push: bytes, spare } = drawn
            const fits =
              model.length < 600 &&
              held + bytes <= 70_000 &&
              (spare === null ? model.length === 0 || held + bytes <= 50_000 : held + bytes <= spare)
            expect(queue.push(numbered(next, { bytes }), next, spare)).toBe(fits)
            if (fits) model.push({ number: next, bytes })
            next++
          } else {
            for (let left = drawn.shift; left > 0; left--) {
              const stanza = queue.shift()
              const expected = model.shift()?.number
              if (stanza?.id !== expected?.toString()) expect(stanza?.id).toBe(expected)
            }
          }
          held = model.reduce((sum, { bytes }) => sum + bytes, 0)
          const oldest = model[0]?.number ?? Number.POSITIVE_INFINITY
          if (queue.size !== model.length || queue.bytes !== held || queue.oldestMs !== oldest) {
            expect([queue.size, queue.bytes, queue.oldestMs]).toEqual([model.length, held, oldest])
          }
          if (total.bytes !== held) expect(total.bytes).toBe(held)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('takes a single stanza of any size where there is no stream, and keeps to what is spare where there is one', () => {
    const queue = new StanzaQueue(LIMITS, { bytes: 0 })
    expect(queue.push(numbered(1, { bytes: 60_000 }), 0, 20_000)).toBe(false)
    expect(queue.push(numbered(1, { bytes: 60_000 }), 0, null)).toBe(true)
    expect(queue.push(numbered(2, { bytes: 1 }), 0, null)).toBe(false)
  })

  it('shares its total with the others', () => {
    const total = { bytes: 0 }
    const [one, other] = [new StanzaQueue(LIMITS, total), new StanzaQueue(LIMITS, total)]
    expect(one.push(numbered(1, { bytes: 45_000 }), 0, null)).toBe(true)
    expect(other.push(numbered(2, { bytes: 30_000 }), 0, null)).toBe(false)
    one.shift()
    expect(other.push(numbered(2, { bytes: 30_000 }), 0, null)).toBe(true)
  })

  it('is crowded long before it is full, and full before it refuses', () => {
    const queue = new StanzaQueue({ ...LIMITS, queueStanzas: 100, queueSlowStanzas: 50 }, { bytes: 0 })
    const seen: Record<string, number> = {}
    for (let number = 1; number <= 101; number++) {
      if (!queue.push(numbered(number, { bytes: 1 }), 0, null)) seen.refused ??= number
      if (queue.crowded) seen.crowded ??= number
      if (queue.isFull(null)) seen.full ??= number
    }
    expect(seen).toEqual({ crowded: 50, full: 100, refused: 101 })
    const large = new StanzaQueue({ ...LIMITS, sendHighWaterBytes: 20_000 }, { bytes: 0 })
    const bytes: Record<string, number> = {}
    for (let number = 1; number <= 51; number++) {
      if (!large.push(numbered(number, { bytes: 1_000 }), 0, null)) bytes.refused ??= number
      if (large.crowded) bytes.crowded ??= number
      if (large.isFull(null)) bytes.full ??= number
    }
    expect(bytes).toEqual({ crowded: 20, full: 38, refused: 51 })
  })
})

describe('room', () => {
  it('is one promise for all who wait, and another one the next time', async () => {
    const room = new Room()
    room.open()
    const waiting = room.wait()
    expect(room.wait()).toBe(waiting)
    room.open()
    room.open()
    await waiting
    expect(room.wait()).not.toBe(waiting)
  })
})
