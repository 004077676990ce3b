import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PlainFrames } from '../../../src/transport/plain-frames.ts'
import { frame, OPCODE } from '../../kit/wire.ts'

const MAX = 70_000

/** The messages that are read from the chunk, and where the reader stopped. */
function read(chunk: Buffer, { masked = true, from = 0, max = MAX } = {}) {
  const frames = new PlainFrames(masked)
  frames.begin(chunk, from)
  const messages: string[] = []
  for (let next = frames.next(max); next !== null; next = frames.next(max)) messages.push(next.toString())
  frames.end()
  return { messages, position: frames.position }
}

/** The same bytes at another place of a word. */
function shifted(bytes: Buffer, by: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(bytes.length + by)
  bytes.copy(larger, by)
  return larger.subarray(by)
}

it('reads every message, wherever it lies, and changes no byte of the chunk', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc.string({ unit: 'grapheme', maxLength: 300 }),
    fc.string({ minLength: 4_000, maxLength: 9_000 }),
  )
  const texts = fc.array(text, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      texts,
      fc.boolean(),
      fc.nat({ max: 9 }),
      fc.nat({ max: 9 }),
      (messages, masked, shift, from) => {
        const frames = messages.map(payload => frame({ payload: Buffer.from(payload), masked }))
        const chunk = shifted(Buffer.concat([Buffer.alloc(from), ...frames]), shift)
        const before = Buffer.from(chunk)
        const expected = messages.map(message => Buffer.from(message).toString())
        expect(read(chunk, { masked, from })).toEqual({ messages: expected, position: chunk.length })
        expect(chunk.equals(before)).toBe(true)
      },
    ),
  )
})

it('keeps messages apart that share memory', () => {
  const chunk = Buffer.concat(
    Array.from({ length: 50 }, (_, n) => frame({ payload: `<m n='${n}'/>`.repeat(n) })),
  )
  expect(read(chunk).messages).toEqual(Array.from({ length: 50 }, (_, n) => `<m n='${n}'/>`.repeat(n)))
})

const plain = frame({ payload: '<m/>' })

it.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['a header that is cut', frame({ payload: 'x'.repeat(200) }).subarray(0, 3)],
  ['a payload that is cut', frame({ payload: 'x'.repeat(200) }).subarray(0, -1)],
  ['the first part of a message', frame({ fin: false, payload: 'x' })],
  ['a continuation', frame({ opcode: OPCODE.continuation, payload: 'x' })],
  ['binary', frame({ opcode: OPCODE.binary, payload: 'x' })],
  ['a ping', frame({ opcode: OPCODE.ping, payload: 'x' })],
  ['a close', frame({ opcode: OPCODE.close, payload: '' })],
  ['a reserved bit', frame({ rsv: 4, payload: 'x' })],
  ['no mask', frame({ masked: false, payload: 'xxxx' })],
  ['a length of 64 bits', frame({ announce: 65_536, payload: 'x'.repeat(65_536) })],
  ['more than the limit', frame({ payload: 'x'.repeat(1_001) })],
  ['bytes that are no UTF-8', frame({ payload: Buffer.from([0xc3, 0x28]) })],
])('leaves %s to others, where it begins', (_, bytes) => {
  expect(read(Buffer.concat([plain, plain, bytes]), { max: 1_000 })).toEqual({
    messages: ['<m/>', '<m/>'],
    position: 2 * plain.length,
  })
})

it('leaves a mask to others where none may be', () => {
  expect(read(plain, { masked: false })).toEqual({ messages: [], position: 0 })
})
