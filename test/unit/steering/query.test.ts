import { decode, encode } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readQuery } from '../../../src/steering/query.ts'
import { queryFor, rcodeOf, withOpt } from '../../kit/steering.ts'

const limits = { steeringQueryBytes: 4_096 }
const read = (message: Buffer) => readQuery(message, limits)

function refusalOf(message: Buffer): number | null {
  const result = read(message)
  if (result.ok) throw new Error('it was read')
  if (result.answer === null) return null
  expect(result.answer.subarray(0, 2)).toEqual(message.subarray(0, 2))
  return rcodeOf(result.answer)
}

/** A query whose question section is these bytes. */
function raw(question: readonly number[], counts = [1, 0, 0, 0]): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt16BE(0x0100, 2)
  for (const [index, count] of counts.entries()) head.writeUInt16BE(count, 4 + 2 * index)
  return Buffer.concat([head, Buffer.from(question)])
}

const SRV_IN = [0, 33, 0, 1]

describe('a query', () => {
  it('is understood', () => {
    const message = queryFor('_xmpp-server._tcp.Montague.Example')
    expect(read(message)).toEqual({
      ok: true,
      query: {
        message,
        questionEnd: message.length,
        asked: { name: '_xmpp-server._tcp.montague.example', type: 'SRV' },
        edns: null,
      },
    })
  })

  it('may say that it knows EDNS', () => {
    const message = queryFor('montague.example', 'A', withOpt(1400, 1))
    const result = read(message)
    expect(result.ok && result.query.edns).toEqual({ udpBytes: 1400, version: 1, dnssec: false })
    message.writeUInt16BE(0x8000, message.length - 4)
    const secure = read(message)
    expect(secure.ok && secure.query.edns?.dnssec).toBe(true)
  })

  it('has its EDNS among the additional records only', () => {
    const { additionals = [] } = withOpt()
    const result = read(queryFor('montague.example', 'A', { answers: additionals, additionals }))
    expect(result.ok && result.query.edns).toBeNull()
  })

  it('with an odd record behind the question is still read', () => {
    const question = queryFor('montague.example', 'A')
    question.writeUInt16BE(1, 10)
    // HINFO whose data is not there
    const odd = Buffer.concat([question, Buffer.from([0, 0, 13, 0, 1, 0, 0, 0, 0, 0, 9])])
    const result = read(odd)
    expect(result.ok && result.query).toMatchObject({ asked: { type: 'A' }, edns: null })
  })

  it.each<[string, Buffer]>([
    ['a dot inside a label', raw([3, 0x61, 0x2e, 0x62, 1, 0x63, 0, ...SRV_IN])],
    ['bytes that are no text', raw([2, 0xff, 0xfe, 1, 0x63, 0, ...SRV_IN])],
    ['another class', raw([1, 0x61, 0, 0, 33, 0, 3])],
    ['an unknown class', raw([1, 0x61, 0, 0, 33, 0x12, 0x34])],
  ])('is nothing that we could know: %s', (_, message) => {
    const result = read(message)
    expect(result.ok && result.query.asked).toBeNull()
    expect(result.ok && result.query.questionEnd).toBe(message.length)
  })
})

describe('no query', () => {
  it('nothing is answered to what is too short or an answer itself', () => {
    expect(refusalOf(Buffer.alloc(0))).toBeNull()
    expect(refusalOf(Buffer.alloc(11))).toBeNull()
    const response = encode({ type: 'response', id: 1, questions: [{ type: 'A', name: 'a.example' }] })
    expect(refusalOf(response)).toBeNull()
  })

  it('other operations are not implemented', () => {
    for (const opcode of [1, 2, 4, 5, 15]) {
      const message = queryFor('montague.example')
      message.writeUInt16BE(opcode << 11, 2)
      expect(refusalOf(message)).toBe(4)
      const result = read(message)
      // The opcode comes back.
      expect(!result.ok && result.answer !== null && (result.answer.readUInt16BE(2) >> 11) & 0xf).toBe(opcode)
    }
  })

  it.each<[string, Buffer]>([
    ['no question', raw([], [0, 0, 0, 0])],
    ['two questions', raw([1, 0x61, 0, ...SRV_IN, 1, 0x61, 0, ...SRV_IN], [2, 0, 0, 0])],
    ['65 535 questions', raw([1, 0x61, 0, ...SRV_IN], [65_535, 0, 0, 0])],
    ['a question that is not there', raw([])],
    ['a question that is cut', raw([1, 0x61, 0, 0, 33, 0])],
    ['a label that is cut', raw([9, 0x61])],
    ['a name in a circle', raw([0xc0, 12, ...SRV_IN])],
    ['a name that points ahead', raw([0xc0, 16, 0, 33, 0, 1, 0])],
    ['a name that points into the head', raw([1, 0x61, 0xc0, 7, ...SRV_IN])],
    ['a label of a kind that is gone', raw([0x41, 0, ...SRV_IN])],
    [
      'a name above 255 octets',
      raw([
        ...Array(5)
          .fill([63, ...Array(63).fill(0x61)])
          .flat(),
        0,
        ...SRV_IN,
      ]),
    ],
    ['more than a question needs', Buffer.concat([queryFor('a.example'), Buffer.alloc(4_096)])],
  ])('is malformed: %s', (_, message) => {
    expect(refusalOf(message)).toBe(1)
  })

  it('never throws, and what it reads is what a whole decoder reads', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, plausible) => {
        const message = Buffer.from(bytes)
        if (plausible && message.length >= 12) Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]).copy(message)
        const result = read(message)
        if (!result.ok || result.query.asked === null) return
        const [question] = decode(message).questions ?? []
        expect(question?.name.toLowerCase()).toBe(result.query.asked.name)
      }),
      { numRuns: 2_000 },
    )
  })
})
