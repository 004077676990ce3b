import { expect, it } from 'vitest'
import { FrameBatch } from '../../../src/transport/frame-batch.ts'
import { frame } from '../../kit/wire.ts'

/** around each border of the header's length, and each phase of a word */
const SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 124, 125, 126, 127, 128, 1_000, 1_001, 65_535, 65_536, 65_537]
const payloads = SIZES.map(size => Buffer.alloc(size, 'stanza '))

interface Read {
  readonly header: Buffer
  readonly key: Buffer
  readonly payload: Buffer
}

/** What stands in bytes of final text frames, byte by byte (RFC 6455 §§5.2, 5.3). */
function read(bytes: Buffer, masked: boolean): Read[] {
  const frames: Read[] = []
  for (let at = 0; at < bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const keyAt = at + 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
    const length =
      short === 126
        ? bytes.readUInt16BE(at + 2)
        : short === 127
          ? Number(bytes.readBigUInt64BE(at + 2))
          : short
    const key = bytes.subarray(keyAt, masked ? keyAt + 4 : keyAt)
    const start = keyAt + key.length
    const payload = bytes.subarray(start, start + length).map((byte, i) => byte ^ (key[i % 4] ?? 0))
    frames.push({ header: bytes.subarray(at, keyAt), key, payload: Buffer.from(payload) })
    at = start + length
  }
  return frames
}

it.each([true, false])('writes each message as the frame that RFC 6455 says, masked: %s', masked => {
  const batch = new FrameBatch(masked)
  for (const payload of payloads) batch.add(payload)
  batch.add('zwölf')
  const { bytes } = batch
  const whole = batch.take()
  expect(whole.length).toBe(bytes)
  expect(batch.bytes).toBe(0)
  const frames = read(whole, masked)
  const expected = [...payloads, Buffer.from('zwölf')]
  expect(frames.map(({ payload }) => payload.equals(expected.shift() ?? Buffer.alloc(0)))).not.toContain(
    false,
  )
  expect(frames.length).toBe(payloads.length + 1)
  for (const [index, { header }] of frames.slice(0, -1).entries())
    expect(header).toEqual(frame({ payload: payloads[index] ?? '', masked }).subarray(0, header.length))
})

it('takes a fresh key for each frame', () => {
  const batch = new FrameBatch(true)
  const keys = new Set<string>()
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 1_500; n++) batch.add('<m/>')
    for (const { key } of read(batch.take(), true)) keys.add(key.toString('hex'))
  }
  // Of 4 500 draws from 2^32 two or three may be equal; a key that is used again would show a thousand times.
  expect(keys.size).toBeGreaterThan(4_490)
})

it('leaves what it was given as it was', () => {
  const batch = new FrameBatch(true)
  const message = Buffer.from('<m/>'.repeat(100))
  batch.add(message)
  batch.take()
  expect(message.toString()).toBe('<m/>'.repeat(100))
})
