import { createServer } from 'node:https'
import { type AddressInfo, Socket } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import {
  createTlsContext,
  dialWebSocket,
  type TransportHandler,
  webSocketAcceptor,
} from '../../../src/transport/index.ts'
import { authority, dial, testFront } from '../../kit/fronts.ts'
import { complianceLimits, transportCompliance, turns } from '../../kit/transport-compliance.ts'
import { closeFrame, frame, OPCODE, rawWebSocket } from '../../kit/wire.ts'

const server = authority.issue({ dns: ['montague.example'] })
const client = authority.issue({ dns: ['capulet.example'] })
const contextOf = (certificate: typeof server) =>
  createTlsContext({
    identity: { certificate: certificate.certificatePem, key: certificate.keyPem },
    ca: [authority.caPem],
  })
const clientContext = contextOf(client)

const https = createServer({
  cert: server.certificatePem,
  key: server.keyPem,
  requestCert: true,
  rejectUnauthorized: false,
})
const accept = webSocketAcceptor(complianceLimits, systemClock)
const sockets = new Set<Socket>()
let receiver: (handler: { attach(handler: TransportHandler): void } | null) => void = () => {}
https.on('connection', socket => {
  if (socket instanceof Socket) sockets.add(socket)
})
https.on('upgrade', (request, socket, head) => receiver(accept(request, socket, head, null)))
await new Promise<void>(resolve => https.listen(0, '127.0.0.1', resolve))
const { port } = https.address() as AddressInfo
afterAll(() => {
  https.close()
  https.closeAllConnections()
})

transportCompliance({
  name: 'websocket',
  mode: 'message',
  pings: true,
  async connect(handlers) {
    const accepted = new Promise<ReturnType<typeof accept>>(resolve => {
      receiver = transport => {
        transport?.attach(handlers.receiving)
        resolve(transport as ReturnType<typeof accept>)
      }
    })
    const dialled = await dialWebSocket({
      url: 'wss://montague.example/s2s',
      address: '127.0.0.1',
      port,
      servername: 'montague.example',
      secureContext: clientContext,
      vet: () => null,
      limits: complianceLimits,
      clock: systemClock,
      signal: new AbortController().signal,
    })
    if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
    dialled.transport.attach(handlers.initiating)
    const receiving = await accepted
    if (receiving === null) throw new Error('no transport')
    expect(receiving.facts.tls?.chain.length).toBeGreaterThan(0)
    const initiating = dialled.transport
    initiating.setMaxMessageBytes(complianceLimits.stanzaBytes)
    receiving.setMaxMessageBytes(complianceLimits.stanzaBytes)
    const [socket] = [...sockets].slice(-1)
    return {
      initiating,
      receiving,
      reset: () => {
        if (socket !== undefined) socket.resetAndDestroy()
      },
      stop: async () => {
        initiating.abort()
        receiving.abort()
      },
    }
  },
})

describe('websocket', () => {
  it('writes what one turn sends as one piece', async () => {
    const test = await testFront()
    const peer = await rawWebSocket(test.port)
    const { arrival } = await test.arrived()
    let chunks = 0
    peer.socket.on('data', () => {
      chunks += 1
    })
    for (let n = 0; n < 100; n++) arrival.transport.send(`<m n='${n}'/>`)
    for (let n = 0; n < 100; n++) expect((await peer.frame())?.payload.toString()).toBe(`<m n='${n}'/>`)
    // One write, one TLS record, one chunk.
    expect(chunks).toBe(1)
    peer.destroy()
    await test.front.close()
  })

  it('hands over in order what comes in one chunk: plain frames, messages in pieces, and control frames between', async () => {
    const test = await testFront({ limits: { pingsPerSecond: 1_000_000 } })
    const peer = await rawWebSocket(test.port)
    const { arrival, recorder } = await test.arrived()
    const pieces = [
      frame({ payload: '<m n="1"/>' }),
      frame({ opcode: OPCODE.pong, payload: '7' }),
      frame({ payload: '<m n="2"/>' }),
      frame({ fin: false, payload: '<m ' }),
      frame({ opcode: OPCODE.ping, payload: 'between' }),
      frame({ opcode: OPCODE.continuation, payload: 'n="3"/>' }),
      frame({ payload: '<m n="4"/>' }),
      frame({ payload: `<m n="5">${'x'.repeat(300)}</m>` }),
      frame({ payload: '<m n="6"/>' }),
    ]
    const bytes = Buffer.concat(pieces)
    const texts: string[] = []
    // Once as one chunk, then cut in two around each border and within each header.
    const borders = pieces.map((_, index) => Buffer.concat(pieces.slice(0, index)).length)
    const cuts = [0, ...borders.flatMap(border => [border - 1, border, border + 1, border + 3, border + 7])]
    for (const cut of cuts.filter(at => at >= 0)) {
      const before = recorder.messages.length
      await peer.flush(bytes.subarray(0, cut))
      await turns()
      await peer.flush(bytes.subarray(cut))
      await recorder.until(() => recorder.messages.length >= before + 6)
      texts.push(
        ...recorder.messages
          .slice(before)
          .map(message => /n="(.)"/.exec(Buffer.from(message).toString())?.[1] ?? ''),
      )
    }
    expect(texts.join('')).toBe('123456'.repeat(cuts.length - 1))
    arrival.transport.abort()
    peer.destroy()
    await test.front.close()
  })

  it.each([
    ['a message that is no UTF-8', frame({ payload: Buffer.from([0x41, 0x41, 0xc3, 0x28]) })],
    ['a message with a reserved bit', frame({ rsv: 4, payload: 'AAAA' })],
    [
      'a last piece that is no UTF-8',
      Buffer.concat([
        frame({ fin: false, payload: '' }),
        frame({ opcode: OPCODE.continuation, payload: Buffer.from([0x41, 0x41, 0xc3, 0x28]) }),
      ]),
    ],
    ['a ping in pieces', frame({ opcode: OPCODE.ping, fin: false, payload: 'AAAA' })],
  ])('takes nothing behind %s, wherever the chunks end', async (_, wrong) => {
    const test = await testFront()
    const bytes = Buffer.concat([frame({ payload: '<m/>' }), wrong, frame({ payload: '<late/>' })])
    for (let cut = 1; cut < bytes.length; cut++) {
      const peer = await rawWebSocket(test.port)
      const { recorder } = await test.arrived()
      await peer.flush(bytes.subarray(0, cut))
      await turns()
      await peer.flush(bytes.subarray(cut))
      expect((await peer.frame())?.opcode).toBe(OPCODE.close)
      expect(recorder.messages.map(message => Buffer.from(message).toString())).toEqual(['<m/>'])
      peer.destroy()
    }
    await test.front.close()
  })

  it('says what it was given before it answers the peer’s close', async () => {
    // Whoever loses the peer's end behind its close frame would wait for that long.
    const test = await testFront({ limits: { closeMs: 3_600_000 } })
    const peer = await rawWebSocket(test.port)
    const { arrival, recorder } = await test.arrived()
    recorder.onMessage = () => {
      arrival.transport.send('<answer/>')
    }
    // More than one TLS record, so that it comes in several chunks of one turn.
    const late = frame({ payload: `<late>${'x'.repeat(60_000)}</late>` })
    peer.write(Buffer.concat([frame({ payload: '<m/>' }), closeFrame(1000), late, late]))
    expect((await peer.frame())?.payload.toString()).toBe('<answer/>')
    expect((await peer.frame())?.opcode).toBe(OPCODE.close)
    peer.write(frame({ payload: '<later/>' }))
    await recorder.until(() => recorder.ends.length > 0)
    expect(recorder.ends).toEqual([null])
    peer.destroy()
    await test.front.close()
  })

  // docs/design/websocket-chunks.md
  it('takes the largest stanza in pieces of one TCP segment each', async () => {
    const test = await testFront()
    const peer = await rawWebSocket(test.port)
    const { arrival, recorder } = await test.arrived()
    arrival.transport.setMaxMessageBytes(defaultLimits.stanzaBytes)
    const bytes = frame({ payload: 'x'.repeat(defaultLimits.stanzaBytes) })
    const segment = 1_400
    for (let at = 0; at < bytes.length; at += segment) {
      const before = recorder.activities
      peer.write(bytes.subarray(at, at + segment))
      await recorder.until(() => recorder.activities > before || recorder.ends.length > 0)
    }
    await recorder.until(() => recorder.messages.length > 0 || recorder.ends.length > 0)
    expect(recorder.messages[0]?.length).toBe(defaultLimits.stanzaBytes)
    expect(recorder.activities).toBeGreaterThan(defaultLimits.stanzaBytes / segment)
    peer.destroy()
    await test.front.close()
  })

  it('takes no pong for an answer that carries none of its ids', async () => {
    const test = await testFront()
    const peer = await rawWebSocket(test.port)
    const { recorder } = await test.arrived()
    for (const payload of ['', 'x', '-1', '1e3', ' 1', '12345678901', '\u0661', '3'])
      peer.write(frame({ opcode: OPCODE.pong, payload }))
    await recorder.until(() => recorder.pongs.length > 0)
    expect(recorder.pongs).toEqual([3])
    peer.destroy()
    await test.front.close()
  })

  it('piles up no answers for a peer that pings and does not read', async () => {
    const limits = { sendHighWaterBytes: 1_024, pingsPerSecond: 1_000_000 }
    const test = await testFront({ limits })
    const peer = await rawWebSocket(test.port)
    const { arrival, recorder } = await test.arrived()
    peer.socket.pause()
    arrival.transport.send(Buffer.alloc(16 * 1024 * 1024, 'x'))
    const full = arrival.transport.bufferedBytes()
    const before = recorder.activities
    for (let n = 0; n < 100; n++) peer.write(frame({ opcode: OPCODE.ping, payload: 'x'.repeat(125) }))
    await recorder.until(() => recorder.activities > before)
    await turns()
    expect(arrival.transport.bufferedBytes()).toBeLessThanOrEqual(full)
    peer.destroy()
    await test.front.close()
  })

  it('is told what authenticates the receiving side’s peer', async () => {
    const test = await testFront()
    const certificate = authority.issue({ dns: ['capulet.example'] })
    const { transport } = await dial(test.port, { certificate })
    const { arrival } = await test.arrived()
    expect(arrival.target).toBe('/s2s')
    expect(arrival.transport.facts).toMatchObject({
      kind: 'websocket',
      remoteAddress: '127.0.0.1',
      tls: { protocol: 'TLSv1.3', servername: 'montague.example', nodeVerdict: 'INVALID_PURPOSE' },
    })
    const chain = arrival.transport.facts.tls?.chain.map(der => Buffer.from(der).toString('base64'))
    expect(chain).toEqual(certificate.chainDer.map(der => Buffer.from(der).toString('base64')))
    transport.abort()
    await test.front.close()
  })
})
