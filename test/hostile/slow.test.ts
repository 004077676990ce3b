import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auth, CLOSE, conditionOf, type Depth, message, open, type Scene, scene } from '../kit/mallory.ts'
import { closeCodeOf, frame, OPCODE, rawTcp, rawTls, rawWebSocket, upgradeRequest } from '../kit/wire.ts'

// Peers that are slow, or silent: each step has its deadline, which traffic of the wrong kind does not extend.

const limits = {
  tlsHandshakeMs: 300,
  httpHeadersMs: 300,
  httpCheckMs: 50,
  openMs: 300,
  negotiationMs: 600,
  messageMs: 300,
  closeMs: 300,
  httpIdleMs: 300,
}

let stage: Scene
let port: number
beforeAll(async () => {
  stage = await scene({ limits })
  port = stage.verona.montague.federation.listening[0]?.port ?? 0
})
afterAll(() => stage.close())

async function unharmed(): Promise<void> {
  await stage.canary()
  expect(stage.strangers()).toEqual([])
  await stage.backToBaseline()
}

describe('before there is a WebSocket', () => {
  it('a TCP connection that says nothing is ended', async () => {
    const peer = await rawTcp(port)
    await peer.rest()
    await unharmed()
  })

  it('TLS and then nothing is ended', async () => {
    const peer = await rawTls(port)
    await peer.rest()
    await unharmed()
  })

  it('a request that never ends is ended, however often a byte comes', async () => {
    const peer = await rawTls(port)
    const request = upgradeRequest()
    let at = 0
    const dribble = setInterval(() => peer.write(request[at++] ?? 'x'), 20)
    await peer.rest()
    clearInterval(dribble)
    await unharmed()
  })
})

describe('before authentication', () => {
  it.each<[title: string, depth: Depth, condition: string | null]>([
    ['silence after the upgrade', 'upgraded', null], // WS-56: no stream is open that could be told
    ['silence after features', 'opened', 'connection-timeout'],
  ])('%s', async (_, depth, condition) => {
    const mallory = await stage.dial()
    await mallory.reach(depth)
    const { messages } = await mallory.rest()
    expect(conditionOf(messages)).toBe(condition)
    await unharmed()
  })

  it('silence after success', async () => {
    const mallory = await stage.dial()
    await mallory.reach('opened')
    mallory.say(auth())
    const { messages } = await mallory.rest()
    expect(conditionOf(messages)).toBe('connection-timeout')
    await unharmed()
  })

  it('pings do not extend a deadline', async () => {
    const mallory = await stage.dial()
    await mallory.reach('opened')
    const pinging = setInterval(() => mallory.transport.ping(1), 100)
    const { messages } = await mallory.rest()
    clearInterval(pinging)
    expect(conditionOf(messages)).toBe('connection-timeout')
    await unharmed()
  })

  it('a message of one byte at a time has one deadline', async () => {
    const peer = await rawWebSocket(port)
    const dribbled = frame({ payload: open() })
    let at = 0
    const dribble = setInterval(() => peer.write(dribbled.subarray(at, ++at)), 20)
    await peer.rest()
    clearInterval(dribble)
    await unharmed()
  })

  it('a message of empty fragments has one deadline', async () => {
    const peer = await rawWebSocket(port)
    peer.write(frame({ fin: false, payload: '<open' }))
    const dribble = setInterval(
      () => peer.write(frame({ opcode: OPCODE.continuation, fin: false, payload: '' })),
      20,
    )
    await peer.rest()
    clearInterval(dribble)
    await unharmed()
  })
})

describe('after authentication', () => {
  it('a peer that does not answer our close is left', async () => {
    const mallory = await stage.dial()
    await mallory.reach('authenticated')
    mallory.say(message().replace(/ to='[^']*'/, ''))
    await mallory.recorder.ended()
    expect(conditionOf(mallory.recorder.texts)).toBe('improper-addressing')
    await unharmed()
  })

  it('a peer that closes its stream and never its connection is left', async () => {
    const mallory = await stage.dial()
    await mallory.reach('authenticated')
    mallory.say(CLOSE)
    await mallory.recorder.ended()
    expect(mallory.recorder.texts.at(-1)).toMatch(/^<close /)
    await unharmed()
  })

  it('a flood of pings is refused', async () => {
    const peer = await rawWebSocket(port)
    for (let n = 0; n < 200; n++) peer.write(frame({ opcode: OPCODE.ping }))
    const close = await peer.closeFrame()
    expect(close === null ? null : closeCodeOf(close)).toBe(1008)
    peer.destroy()
    await unharmed()
  })
})
