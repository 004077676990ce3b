import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FrameMeter } from '../../../src/transport/frame-meter.ts'
import { frame, OPCODE } from '../../kit/wire.ts'

const MAX = 1_000

/** A message in one to four frames, with a control frame between some of them. */
const message = fc
  .record({
    sizes: fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 4 }),
    masked: fc.boolean(),
    control: fc.boolean(),
  })
  .filter(({ sizes }) => sizes.reduce((sum, size) => sum + size, 0) <= MAX)
  .map(({ sizes, masked, control }) =>
    Buffer.concat(
      sizes.flatMap((size, index) => [
        frame({
          fin: index === sizes.length - 1,
          opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
          payload: Buffer.alloc(size, 0x81),
          masked,
        }),
        ...(control ? [frame({ opcode: OPCODE.ping, payload: 'x'.repeat(index), masked })] : []),
      ]),
    ),
  )

const messages = fc.array(message, { minLength: 1, maxLength: 6 })
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 })

function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1
    found.push(bytes.subarray(at, at + size))
    at += size
  }
  return found
}

it('counts messages alike however the bytes are cut, and knows when one is under way', () => {
  fc.assert(
    fc.property(messages, cuts, (all, sizes) => {
      const bytes = Buffer.concat(all)
      const meter = new FrameMeter(MAX)
      const ends = new Set<number>()
      let end = 0
      for (const one of all) {
        end += one.length
        ends.add(end)
      }
      let at = 0
      for (const piece of pieces(bytes, sizes)) {
        expect(meter.feed(piece)).toBe(true)
        at += piece.length
        if (ends.has(at)) expect(meter.partial).toBe(false)
      }
      expect(meter.messages).toBe(all.length)
      expect(meter.partial).toBe(false)
    }),
  )
})

it('refuses a message above the limit at its header, whatever came before and however it is cut', () => {
  fc.assert(
    fc.property(messages, cuts, fc.integer({ min: MAX + 1, max: 2 ** 40 }), (all, sizes, announce) => {
      const meter = new FrameMeter(MAX)
      const header = frame({ announce, masked: false })
      const before = Buffer.concat(all)
      let fed = 0
      for (const piece of pieces(Buffer.concat([before, header]), sizes)) {
        fed += piece.length
        const whole = fed >= before.length + header.length
        expect(meter.feed(piece)).toBe(!whole)
      }
    }),
  )
})

it('goes by the limit of the moment', () => {
  const meter = new FrameMeter(10)
  expect(meter.feed(frame({ payload: 'x'.repeat(10) }))).toBe(true)
  meter.maxMessageBytes = 20
  expect(meter.feed(frame({ payload: 'x'.repeat(20) }))).toBe(true)
  expect(meter.feed(frame({ payload: 'x'.repeat(21) }))).toBe(false)
})

it('is in the middle of a message between its fragments, and within a header', () => {
  const meter = new FrameMeter(MAX)
  meter.feed(frame({ fin: false, payload: 'x' }))
  expect(meter.partial).toBe(true)
  meter.feed(frame({ opcode: OPCODE.ping }))
  expect(meter.partial).toBe(true)
  meter.feed(frame({ opcode: OPCODE.continuation }))
  expect(meter.partial).toBe(false)
  meter.feed(Buffer.of(0x81))
  expect(meter.partial).toBe(true)
})
