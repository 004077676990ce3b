import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Clock } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import type { Transport } from '../../src/transport/index.ts'
import { backTo, dial, resources, type TestFront, testFront } from '../kit/fronts.ts'
import type { Recorder } from '../kit/transport-compliance.ts'
import { closeCodeOf, closeFrame, frame, OPCODE, rawWebSocket } from '../kit/wire.ts'

// What a peer may put on a WebSocket that is wrong, and the close code that it gets (WS-48). Before authentication
// a message may have 10 000 bytes.

const MAX = 10_000
const TOO_MANY = 65
const ping = frame({ opcode: OPCODE.ping })
const pong = frame({ opcode: OPCODE.pong })
const fragment = (payload: string | Uint8Array, more: Parameters<typeof frame>[0] = {}) =>
  frame({ fin: false, payload, ...more })
const next = (payload: string | Uint8Array, more: Parameters<typeof frame>[0] = {}) =>
  frame({ opcode: OPCODE.continuation, payload, ...more })

const refused: readonly (readonly [title: string, code: number, ...bytes: Uint8Array[]])[] = [
  ['an unmasked text frame', 1002, frame({ payload: '<open/>', masked: false })],
  ['an unmasked ping', 1002, frame({ opcode: OPCODE.ping, masked: false })],
  ['RSV1 without an extension', 1002, frame({ payload: '<open/>', rsv: 4 })],
  ['RSV2', 1002, frame({ payload: '<open/>', rsv: 2 })],
  ['RSV3', 1002, frame({ payload: '<open/>', rsv: 1 })],
  ['RSV1 on a ping', 1002, frame({ opcode: OPCODE.ping, rsv: 4 })],
  ['RSV1 on a continuation', 1002, fragment('<op'), next('en/>', { rsv: 4 })],
  ...[3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map(
    opcode => [`reserved opcode ${opcode}`, 1002, frame({ opcode, payload: '<open/>' })] as const,
  ),
  ['a continuation of nothing', 1002, next('<open/>')],
  ['a continuation after a whole message', 1002, frame({ payload: '<a/>' }), next('<b/>')],
  ['text within a fragmented message', 1002, fragment('<op'), frame({ payload: '<a/>' })],
  [
    'binary within a fragmented message',
    1002,
    fragment('<op'),
    frame({ opcode: OPCODE.binary, payload: 'x' }),
  ],
  ['a fragmented ping', 1002, frame({ opcode: OPCODE.ping, fin: false })],
  ['a fragmented pong', 1002, frame({ opcode: OPCODE.pong, fin: false })],
  ['a fragmented close', 1002, frame({ opcode: OPCODE.close, fin: false })],
  ['a ping of 126 bytes', 1002, frame({ opcode: OPCODE.ping, payload: 'x'.repeat(126) })],
  ['a pong of 126 bytes', 1002, frame({ opcode: OPCODE.pong, payload: 'x'.repeat(126) })],
  ['a close of 126 bytes', 1002, closeFrame(1000, 'x'.repeat(124))],
  ['a ping that announces 2^63 bytes', 1002, frame({ opcode: OPCODE.ping, announce: 1n << 63n })],
  ['a close of one byte', 1002, frame({ opcode: OPCODE.close, payload: 'x' })],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map(
    code => [`close code ${code}`, 1002, closeFrame(code)] as const,
  ),
  ['a close reason that is no UTF-8', 1007, closeFrame(1000, Buffer.of(0xc3, 0x28))],
  ['a broken two-byte sequence', 1007, frame({ payload: Buffer.of(0x3c, 0xc3, 0x28) })],
  ['an overlong sequence', 1007, frame({ payload: Buffer.of(0x3c, 0xc0, 0xaf) })],
  ['a surrogate', 1007, frame({ payload: Buffer.of(0x3c, 0xed, 0xa0, 0x80) })],
  ['a surrogate pair (CESU-8)', 1007, frame({ payload: Buffer.of(0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80) })],
  ['a code point above U+10FFFF', 1007, frame({ payload: Buffer.of(0xf4, 0x90, 0x80, 0x80) })],
  ['a lone continuation byte', 1007, frame({ payload: Buffer.of(0x80) })],
  ['0xFE', 1007, frame({ payload: Buffer.of(0xfe) })],
  ['a message that ends within a character', 1007, frame({ payload: Buffer.of(0x3c, 0xf0, 0x9d, 0x84) })],
  ['broken UTF-8 over two fragments', 1007, fragment(Buffer.of(0xc3)), next(Buffer.of(0x28))],
  ['the header of a message one byte too long', 1009, frame({ announce: MAX + 1 })],
  ['the header of a message of 512 KiB + 1', 1009, frame({ announce: 512 * 1024 + 1 })],
  ['the header of a message of 2^53 bytes', 1009, frame({ announce: 1n << 53n })],
  ['the header of a message of 2^63 bytes', 1009, frame({ announce: 1n << 63n })],
  ['a message one byte too long', 1009, frame({ payload: 'x'.repeat(MAX + 1) })],
  ['fragments that sum up to one byte too many', 1009, fragment('x'.repeat(MAX)), next('y', { fin: false })],
  ['a last fragment that is announced too long', 1009, fragment('x'), next('', { announce: MAX })],
  [
    'more fragments than allowed',
    1008,
    fragment('<'),
    ...Array.from({ length: TOO_MANY }, () => next('x', { fin: false })),
  ],
  [
    'more empty fragments than allowed',
    1008,
    fragment(''),
    ...Array.from({ length: TOO_MANY }, () => next('', { fin: false })),
  ],
  ['a binary message', 1003, frame({ opcode: OPCODE.binary, payload: '<open/>' })],
  ['an empty binary message', 1003, frame({ opcode: OPCODE.binary })],
  [
    'a fragmented binary message',
    1003,
    frame({ opcode: OPCODE.binary, fin: false, payload: '<o' }),
    next('pen/>'),
  ],
  ['21 pings in a second', 1008, ...Array.from({ length: 21 }, () => ping)],
  ['21 unsolicited pongs in a second', 1008, ...Array.from({ length: 21 }, () => pong)],
  ['200 pings at once', 1008, ...Array.from({ length: 200 }, () => ping)],
]

const accepted: readonly (readonly [title: string, messages: readonly string[], ...bytes: Uint8Array[]])[] = [
  ['a message of exactly the limit', ['x'.repeat(MAX)], frame({ payload: 'x'.repeat(MAX) })],
  ['an empty message', [''], frame()],
  ['three fragments', ['<open/>'], fragment('<op'), next('en', { fin: false }), next('/>')],
  [
    'a character split over fragments',
    ['<é/>'],
    fragment(Buffer.of(0x3c, 0xc3)),
    next(Buffer.of(0xa9, 0x2f, 0x3e)),
  ],
  ['empty fragments within a message', ['<a/>'], fragment(''), next('<a/>', { fin: false }), next('')],
  ['a ping between fragments', ['<open/>'], fragment('<op'), ping, next('en/>')],
  ['as many fragments as allowed', ['x'.repeat(64)], fragment('x'), ...manyNext(62), next('x')],
  ['20 pings in a second', ['<a/>'], ...Array.from({ length: 20 }, () => ping), frame({ payload: '<a/>' })],
  ['an unsolicited pong', ['<a/>'], pong, frame({ payload: '<a/>' })],
  ['messages before a close', ['<a/>', '<b/>'], frame({ payload: '<a/>' }), frame({ payload: '<b/>' })],
]

function manyNext(count: number): Uint8Array[] {
  return Array.from({ length: count }, () => next('x', { fin: false }))
}

describe('WebSocket frames of a hostile peer', () => {
  let test: TestFront
  let canary: Transport
  let atFront: Recorder
  let skewMs = 0
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + skewMs }
  const limits = { closeMs: 200 }

  beforeAll(async () => {
    test = await testFront({ clock, limits })
    ;({ transport: canary } = await dial(test.port))
    atFront = (await test.arrived()).recorder
  })

  afterAll(async () => {
    canary.abort()
    await test.front.close()
  })

  async function canarySings(): Promise<void> {
    const before = atFront.messages.length
    canary.send('<canary/>')
    await atFront.until(() => atFront.messages.length > before)
    expect(atFront.ends).toEqual([])
  }

  for (const [title, code, ...bytes] of refused) {
    it(`${title}: ${code}`, async () => {
      const baseline = resources()
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      peer.write(Buffer.concat(bytes))
      const close = await peer.closeFrame()
      expect(close === null ? null : closeCodeOf(close)).toBe(code)
      expect(close?.masked).toBe(false)
      expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
      await peer.ended()
      expect(recorder.late).toEqual([])
      // Only what came before the offence was delivered.
      expect(recorder.texts.filter(text => text !== '<a/>')).toEqual([])
      await canarySings()
      await backTo(baseline)
    })
  }

  for (const [title, messages, ...bytes] of accepted) {
    it(`${title}: delivered`, async () => {
      const baseline = resources()
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      peer.write(Buffer.concat([...bytes, closeFrame(1000)]))
      expect(await recorder.ended()).toBeNull()
      expect(recorder.texts).toEqual(messages)
      const close = await peer.closeFrame()
      expect(close === null ? null : closeCodeOf(close)).toBe(1000)
      await peer.ended()
      await canarySings()
      await backTo(baseline)
    })
  }

  it('each case is delivered alike when it arrives byte by byte', async () => {
    for (const [title, messages, ...bytes] of accepted) {
      if (bytes.length > 20) continue
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      const all = Buffer.concat(bytes)
      const step = all.length > 500 ? 997 : 1
      for (let at = 0; at < all.length; at += step) await peer.flush(all.subarray(at, at + step))
      peer.write(closeFrame(1000))
      expect(await recorder.ended(), title).toBeNull()
      expect(recorder.texts, title).toEqual(messages)
      peer.destroy()
    }
    await canarySings()
  })

  it('a message that dribbles beyond its deadline: 1008', async () => {
    for (const dribble of [
      // within a payload, within a header, between fragments
      [frame({ payload: 'x'.repeat(100) }).subarray(0, 50), Buffer.of(0)],
      [Buffer.of(0x81), Buffer.of(0xfe)],
      [fragment('<op'), next('en', { fin: false })],
    ]) {
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      const [first, second] = dribble
      if (first === undefined || second === undefined) throw new Error('two pieces')
      peer.write(first)
      await recorder.until(() => recorder.activities === 1)
      skewMs += 30_001
      peer.write(second)
      const close = await peer.closeFrame()
      expect(close === null ? null : closeCodeOf(close)).toBe(1008)
      await recorder.ended()
      expect(recorder.messages).toEqual([])
    }
    await canarySings()
  })

  it('many messages in a row have a deadline each, and our own pause is not the peer’s dribbling', async () => {
    const peer = await rawWebSocket(test.port)
    const { recorder, arrival } = await test.arrived()
    const whole = frame({ payload: '<a/>' })
    for (let n = 1; n <= 3; n++) {
      // The end of one message and the beginning of the next arrive together.
      peer.write(n === 1 ? whole.subarray(0, 5) : Buffer.concat([whole.subarray(5), whole.subarray(0, 5)]))
      await recorder.until(() => recorder.activities === n)
      skewMs += 20_000
    }
    arrival.transport.pause()
    skewMs += 60_000
    arrival.transport.resume()
    peer.write(whole.subarray(5, 6))
    await recorder.until(() => recorder.activities === 4)
    peer.write(Buffer.concat([whole.subarray(6), closeFrame(1000)]))
    expect(await recorder.ended()).toBeNull()
    expect(recorder.texts).toEqual(['<a/>', '<a/>', '<a/>'])
  })

  it('a peer that broke a rule is let go at once, however long the close deadline is', async () => {
    const patient = await testFront({ limits: { closeMs: 3_600_000 } })
    for (const bytes of [
      frame({ opcode: OPCODE.binary }),
      frame({ announce: MAX + 1 }),
      frame({ masked: false }),
      Buffer.concat(Array.from({ length: 21 }, () => ping)),
    ]) {
      const peer = await rawWebSocket(patient.port)
      const { recorder } = await patient.arrived()
      peer.write(bytes)
      expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
      await peer.ended()
    }
    await patient.front.close()
  })

  it('a peer that ignores our close is cut off after the close deadline', async () => {
    const baseline = resources()
    const peer = await rawWebSocket(test.port)
    const { recorder, arrival } = await test.arrived()
    arrival.transport.close(1000)
    expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
    await peer.ended()
    await canarySings()
    await backTo(baseline)
  })

  it('a peer that sends on after our close, and after its own, is not heard', async () => {
    const peer = await rawWebSocket(test.port)
    const { recorder, arrival } = await test.arrived()
    arrival.transport.close(1000)
    peer.write(
      Buffer.concat([frame({ payload: '<late/>' }), closeFrame(1000), frame({ payload: '<later/>' })]),
    )
    expect(await recorder.ended()).toBeNull()
    expect(recorder.messages).toEqual([])
    await peer.ended()
  })

  it('a peer that floods after our close is cut off, and its bytes are not kept', async () => {
    const peer = await rawWebSocket(test.port)
    const { recorder, arrival } = await test.arrived()
    arrival.transport.close(1000)
    const flood = setInterval(() => peer.write(frame({ payload: 'x'.repeat(9_000) })), 1)
    await recorder.ended()
    await peer.ended()
    clearInterval(flood)
    expect(recorder.messages).toEqual([])
    await canarySings()
  })

  it('a frame in more pieces than are kept: 1008', async () => {
    const small = await testFront({ limits: { ...limits, bufferedChunks: 8 } })
    const peer = await rawWebSocket(small.port)
    const { recorder } = await small.arrived()
    const bytes = frame({ payload: 'x'.repeat(100) })
    for (let piece = 0; piece < 20 && !peer.isEnded && recorder.ends.length === 0; piece++) {
      const before = recorder.activities
      peer.write(bytes.subarray(piece, piece + 1))
      await recorder.until(() => recorder.activities > before || recorder.ends.length > 0)
    }
    const close = await peer.closeFrame()
    expect(close === null ? null : closeCodeOf(close)).toBe(1008)
    expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
    await small.front.close()
  })

  it('a reset in the middle of a frame is an end like any other', async () => {
    const baseline = resources()
    for (const bytes of [
      frame({ payload: 'x'.repeat(100) }).subarray(0, 30),
      Buffer.of(0x81),
      fragment('<op'),
    ]) {
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      await peer.flush(bytes)
      peer.destroy()
      expect(await recorder.ended()).toMatchObject({ by: 'network', kind: 'closed' })
      expect(recorder.messages).toEqual([])
    }
    await canarySings()
    await backTo(baseline)
  })
})
