import { describe, expect, it } from 'vitest'
import type { Random } from '../../../src/base/index.ts'
import { type Ask, type Asked, forward } from '../../../src/steering/forward.ts'
import { readQuery } from '../../../src/steering/query.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { queryFor, replyTo } from '../../kit/steering.ts'

const upstream = [1, 2, 3].map(last => ({ address: `192.0.2.${last}`, port: 53 }))
const limits = { steeringForwardMs: 5_000, steeringStaggerMs: 1_000 }

interface Attempt {
  readonly address: string
  readonly message: Buffer
  readonly isAnswer: (message: Buffer) => boolean
  readonly done: (result: Asked) => void
  givenUp: boolean
}

/** ids 1, 2, … */
function counting(): Random {
  let count = 0
  return { bytes: () => Uint8Array.of(0, ++count), unit: () => 0.5 }
}

function setting(message = queryFor('Montague.example', 'A')) {
  const read = readQuery(message, { steeringQueryBytes: 4_096 })
  if (!read.ok) throw new Error('not a query')
  const clock = new VirtualClock()
  const attempts: Attempt[] = []
  const ask: Ask = ({ address }, sent, isAnswer, done) => {
    const attempt = { address, message: sent, isAnswer, done, givenUp: false }
    attempts.push(attempt)
    return () => {
      attempt.givenUp = true
    }
  }
  const caller = new AbortController()
  const options = { upstream, limits, clock, random: counting() }
  const result = forward(read.query, ask, options, caller.signal)
  const at = (index: number): Attempt => {
    const attempt = attempts[index]
    if (attempt === undefined) throw new Error(`no attempt ${index}`)
    return attempt
  }
  return { clock, attempts, at, result, caller, message }
}

describe('a query goes on', () => {
  it('as it came, but for its id; and so does the answer', async () => {
    const { at, result, message, clock, attempts } = setting()
    const { message: sent, done } = at(0)
    expect(sent.readUInt16BE(0)).not.toBe(0x1234)
    expect(sent.subarray(2)).toEqual(message.subarray(2))
    const reply = replyTo(sent, {
      answers: [{ type: 'A', name: 'Montague.example', data: '192.0.2.9', ttl: 5 }],
    })
    done({ ok: true, message: reply })
    const forwarded = await result
    if (!forwarded.ok) throw new Error('failed')
    expect(forwarded.message.readUInt16BE(0)).toBe(0x1234)
    expect(forwarded.message.subarray(2)).toEqual(reply.subarray(2))
    expect([clock.pending(), attempts.length]).toEqual([0, 1])
  })

  it('to the next one when one fails, under another id', async () => {
    const { at, result, clock } = setting()
    at(0).done({ ok: false, detail: 'cannot be asked' })
    expect(at(1).address).toBe('192.0.2.2')
    expect(at(1).message.readUInt16BE(0)).not.toBe(at(0).message.readUInt16BE(0))
    at(1).done({ ok: false, detail: 'cannot be asked' })
    at(2).done({ ok: false, detail: 'cannot be asked' })
    expect(await result).toEqual({
      ok: false,
      failures: upstream.map(({ address }) => ({ upstream: `${address}:53`, detail: 'cannot be asked' })),
    })
    expect(clock.pending()).toBe(0)
  })

  it('to the next one beside a slow one, which may still answer', async () => {
    const { at, attempts, result, clock } = setting()
    clock.advance(999)
    expect(attempts).toHaveLength(1)
    clock.advance(1)
    expect(attempts).toHaveLength(2)
    clock.advance(1_000)
    expect(attempts).toHaveLength(3)
    at(0).done({ ok: true, message: replyTo(at(0).message) })
    expect((await result).ok).toBe(true)
    expect([at(1).givenUp, at(2).givenUp, clock.pending()]).toEqual([true, true, 0])
  })

  it('until the deadline', async () => {
    const { attempts, result, clock } = setting()
    clock.advance(5_000)
    const failures = upstream.map(({ address }) => ({ upstream: `${address}:53`, detail: 'no answer' }))
    expect(await result).toEqual({ ok: false, failures })
    expect(attempts.every(({ givenUp }) => givenUp)).toBe(true)
    expect(clock.pending()).toBe(0)
  })

  it('until the responder closes', async () => {
    const { at, result, clock, caller } = setting()
    caller.abort()
    expect(await result).toEqual({ ok: false, failures: [] })
    expect([at(0).givenUp, clock.pending()]).toEqual([true, 0])
  })
})

describe('what is its answer', () => {
  const changed = (message: Buffer, change: (copy: Buffer) => void) => {
    const copy = Buffer.from(message)
    change(copy)
    return copy
  }

  it('has the id and the question, in whatever case', () => {
    const { at } = setting()
    const { message, isAnswer } = at(0)
    const reply = replyTo(message)
    expect(isAnswer(reply)).toBe(true)
    expect(isAnswer(changed(reply, copy => copy.write('mONTAGUE', 13)))).toBe(true)
    // An error without answers is one too, and what is cut.
    expect(isAnswer(replyTo(message, { rcode: 2 }))).toBe(true)
    expect(isAnswer(changed(reply, copy => copy.writeUInt16BE(0x8380, 2)))).toBe(true)
  })

  it('nothing else is', () => {
    // HTTPS is 65, 'A'; 97 would be 'a'.
    const { at } = setting(queryFor('montague.example', 'UNKNOWN_65'))
    const { message, isAnswer } = at(0)
    const reply = replyTo(message)
    expect(isAnswer(reply)).toBe(true)
    const end = message.length
    expect(isAnswer(message)).toBe(false)
    expect(isAnswer(Buffer.alloc(0))).toBe(false)
    expect(isAnswer(reply.subarray(0, -1))).toBe(false)
    for (const change of [
      (copy: Buffer) => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0),
      (copy: Buffer) => copy.writeUInt16BE(0x9180, 2), // another operation
      (copy: Buffer) => copy.writeUInt16BE(0, 4), // no question
      (copy: Buffer) => copy.writeUInt16BE(2, 4),
      (copy: Buffer) => copy.write('x', 14),
      (copy: Buffer) => copy.writeUInt16BE(97, end - 4),
      (copy: Buffer) => copy.writeUInt16BE(3, end - 2),
    ])
      expect(isAnswer(changed(reply, change))).toBe(false)
  })
})
