import fc from 'fast-check'
import { expect, it } from 'vitest'
import { forTcp, TcpMessages } from '../../../src/steering/tcp-messages.ts'

function readAll(messages: TcpMessages, chunk: Buffer): Buffer[] | null {
  const whole: Buffer[] = []
  let rest = chunk
  while (rest.length > 0) {
    const read = messages.read(rest)
    if (read === null) return null
    if (read.message !== null) whole.push(read.message)
    rest = rest.subarray(read.taken)
  }
  return whole
}

it('messages come out as they went in, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      (sent, sizes) => {
        const bytes = Buffer.concat(sent.map(message => forTcp(Buffer.from(message))))
        const messages = new TcpMessages(65_535)
        const read: Buffer[] = []
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1
          read.push(...(readAll(messages, bytes.subarray(at, at + size)) ?? []))
          at += size
        }
        expect(read.map(message => [...message])).toEqual(sent.map(message => [...message]))
      },
    ),
  )
})

it('one that is announced too large is not waited for', () => {
  expect(readAll(new TcpMessages(10), Buffer.from([0, 10, 1]))).toEqual([])
  expect(readAll(new TcpMessages(10), Buffer.from([0, 11]))).toBeNull()
})
