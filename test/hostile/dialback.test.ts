import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { createTrustStore } from '../../src/identity/index.ts'
import { type SessionHandler, startReceiving } from '../../src/session/index.ts'
import { type DialbackOutcome, dialbackSecret, type Verification } from '../../src/stream/index.ts'
import { listenTcp, type TcpListener, type Transport } from '../../src/transport/index.ts'
import { message, NS } from '../../src/xmpp/index.ts'
import { backTo, resources } from '../kit/fronts.ts'
import { CAPULET, MONTAGUE, TCP_OPEN } from '../kit/sessions.ts'

// Whoever can reach the TCP port where streams in the clear are taken: strangers who show keys, ask about them, or say
// anything at all. Nothing of theirs reaches the handler, and a server that is no stranger is served beside them.

const limits = {
  ...defaultLimits,
  openMs: 300,
  negotiationMs: 1_500,
  dialbackMs: 1_500,
  closeMs: 300,
  messageMs: 300,
  pingIntervalMs: 100,
  pingJitterMs: 10,
  sendHighWaterBytes: 16 * 1024,
  sendMaxBytes: 256 * 1024,
  sendMaxMs: 300,
}

const secret = dialbackSecret(systemRandom.bytes(32))
const trust = createTrustStore({ roots: [] })
const KEY = 'the key of capulet.example'

/** what has reached the handlers, of all streams */
const taken: string[] = []
/** how many of them should have */
let sent = 0
const asked: Verification[] = []
let waiting = 0
let most = 0

/** Its own server knows its key; everybody else's is never heard of. */
function verify(verification: Verification, signal: AbortSignal): Promise<DialbackOutcome> {
  asked.push(verification)
  if (verification.pair.remote === CAPULET && verification.key === KEY)
    return Promise.resolve({ type: 'valid', evidence: 'its own server' })
  waiting += 1
  most = Math.max(most, waiting)
  const onAbort = () => {
    waiting -= 1
  }
  return new Promise(() => signal.addEventListener('abort', onAbort, { once: true }))
}

const handler: SessionHandler = {
  onEstablished: () => null,
  onStanza: stanza => void taken.push(stanza.from.domain),
  onDrain: () => {},
  onEnded: () => {},
}

const receive = (transport: Transport) =>
  startReceiving({
    transport,
    handler,
    observer: new Observer(),
    clock: systemClock,
    random: systemRandom,
    limits,
    isLocal: name => name === MONTAGUE,
    trust,
    dialback: { secret, verify },
    legacy: true,
  })

let listener: TcpListener
let port = 0
let baseline: Record<string, number> = {}
beforeAll(async () => {
  listener = await listenTcp({
    listen: [{ address: '127.0.0.1', port: 0 }],
    allow: ['127.0.0.1/32'],
    sniffTls: true,
    maxConnections: 1_000,
    limits,
    clock: systemClock,
    onTransport: receive,
    onRefused: () => {},
  })
  port = listener.listening[0]?.port ?? 0
  await served()
  baseline = resources()
})
afterAll(() => listener.close())

interface Peer {
  readonly socket: Socket
  say(said: string | Uint8Array): void
  heard(): string
  until(ready: () => boolean): Promise<void>
  /** the other side has ended */
  rest(): Promise<void>
}

function dial(): Promise<Peer> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    let isOver = false
    const socket = connect(port, '127.0.0.1', () => {
      const heard = () => Buffer.concat(chunks).toString('latin1')
      const until = async (ready: () => boolean) => {
        while (!ready()) await new Promise(next => setTimeout(next, 2))
      }
      resolve({
        socket,
        say: said => void socket.write(said),
        heard,
        until,
        rest: () => until(() => isOver),
      })
    })
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      isOver = true
    })
  })
}

const shows = (from: string, key = 'a key', to = 'montague.example') =>
  `<db:result xmlns:db='${NS.dialback}' from='${from}' to='${to}'>${key}</db:result>`
const asks = (id: string) =>
  `<db:verify xmlns:db='${NS.dialback}' from='verona.example' to='montague.example' id='${id}'>a key</db:verify>`

/** A server that is no stranger proves itself and sends a stanza. */
async function served(): Promise<void> {
  sent += 1
  const peer = await dial()
  peer.say(TCP_OPEN.capulet + shows('capulet.example', KEY))
  await peer.until(() => peer.heard().includes(`type='valid'`))
  const stanza = message({ from: 'juliet@capulet.example', to: 'romeo@montague.example', body: 'now' })
  peer.say(stanza.bytes)
  await peer.until(() => taken.length >= sent)
  peer.say('</stream:stream>')
  await peer.until(() => peer.heard().endsWith('</stream:stream>'))
  peer.socket.end()
  await peer.rest()
}

/** Only what the server that is no stranger has sent was ever taken, and nothing is left of anybody. */
async function unharmed(): Promise<void> {
  await served()
  expect(taken).toEqual(Array.from({ length: sent }, () => 'capulet.example'))
  await backTo(baseline)
  expect(waiting).toBe(0)
}

/** The same pseudo-random numbers each time. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

describe('strangers who show keys', () => {
  it('of a thousand domains on one stream have sixteen asked about, and the rest refused', async () => {
    const before = asked.length
    const peer = await dial()
    const domains = Array.from({ length: 1_000 }, (_, index) => `d${index}.example`)
    peer.say(TCP_OPEN.capulet + domains.map(name => shows(name)).join(''))
    await peer.until(() => peer.heard().split('resource-constraint').length === 1_000 - 16 + 1)
    expect(asked.length - before).toBe(16)
    await served()
    // Its time is over however many it shows; then nobody waits for the answers.
    await peer.rest()
    expect(peer.heard()).toContain('connection-timeout')
    await unharmed()
  })

  it('on a hundred streams at once, and go, leave nothing behind', async () => {
    const peers = await Promise.all(Array.from({ length: 100 }, dial))
    for (const [index, peer] of peers.entries()) {
      peer.say(
        TCP_OPEN.capulet + Array.from({ length: 20 }, (_, n) => shows(`d${index}-${n}.example`)).join(''),
      )
    }
    await served()
    for (const { socket } of peers) socket.resetAndDestroy()
    await unharmed()
    expect(most).toBeLessThanOrEqual(100 * 16)
  })

  it('with a stanza right behind the key, or instead of it, are not believed', async () => {
    for (const said of [
      shows('verona.example') + stanzaFrom('verona.example'),
      stanzaFrom('capulet.example'),
      `<db:result xmlns:db='${NS.dialback}' from='montague.example' to='capulet.example' type='valid'/>${stanzaFrom('capulet.example')}`,
      shows('capulet.example', 'another key') + stanzaFrom('capulet.example'),
      shows('capulet.example', KEY, 'verona.example') + stanzaFrom('capulet.example'),
      `<starttls xmlns='${NS.tls}'/>${shows('capulet.example', KEY)}${stanzaFrom('capulet.example')}`,
      `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>${TCP_OPEN.capulet}${stanzaFrom('capulet.example')}`,
    ]) {
      const peer = await dial()
      peer.say(TCP_OPEN.capulet + said)
      await peer.rest()
      expect([said, taken.length]).toEqual([said, sent])
    }
    await unharmed()
  })

  it('who are believed for one domain are not for another', async () => {
    const peer = await dial()
    peer.say(TCP_OPEN.capulet + shows('capulet.example', KEY))
    await peer.until(() => peer.heard().includes(`type='valid'`))
    peer.say(shows('verona.example') + stanzaFrom('verona.example'))
    await peer.rest()
    expect(peer.heard()).toContain('invalid-from')
    await unharmed()
  })
})

describe('strangers who ask about keys', () => {
  it('without end, and read nothing of the answers, are ended', async () => {
    const peer = await dial()
    peer.socket.pause()
    peer.say(TCP_OPEN.capulet)
    const question = Buffer.from(asks('x'.repeat(1_000)).repeat(50))
    let isOver = false
    peer.socket.on('close', () => {
      isOver = true
    })
    // As fast as it is taken from us.
    const flood = () => {
      while (!isOver && peer.socket.write(question));
    }
    peer.socket.on('drain', flood)
    flood()
    await served()
    await peer.rest()
    await unharmed()
  })

  it('a thousand times, and read, have as many answers', async () => {
    const peer = await dial()
    peer.say(TCP_OPEN.capulet + Array.from({ length: 1_000 }, (_, index) => asks(`id-${index}`)).join(''))
    await peer.until(() => peer.heard().split(`type='invalid'`).length === 1_001)
    expect(peer.heard()).not.toContain(`type='valid'`)
    peer.say('</stream:stream>')
    await peer.until(() => peer.heard().endsWith('</stream:stream>'))
    peer.socket.end()
    await unharmed()
  })
})

describe('strangers who say anything', () => {
  it('have no stream by it, in a thousand cuts of what servers say', async () => {
    const random = generator(468)
    const words = [
      TCP_OPEN.capulet,
      `<stream:stream xmlns='jabber:server' xmlns:stream='${NS.stream}' xmlns:db='${NS.dialback}'>`,
      shows('verona.example'),
      shows('capulet.example', 'no key'),
      asks('x'),
      `<db:verify xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example' id='x' type='valid'/>`,
      `<db:result xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example' type='valid'/>`,
      `<starttls xmlns='${NS.tls}'/>`,
      `<bidi xmlns='urn:xmpp:bidi'/>`,
      stanzaFrom('capulet.example'),
      '</stream:stream>',
      '<!DOCTYPE x>',
      '\u0000\u00ff',
    ]
    for (let round = 0; round < 40; round++) {
      const peers = await Promise.all(Array.from({ length: 25 }, dial))
      for (const peer of peers) {
        const said = Buffer.from(
          Array.from(
            { length: 1 + random(6) },
            (_, index) => words[index === 0 ? 0 : random(words.length)],
          ).join(''),
        )
        const changed = Uint8Array.from(said)
        for (let change = random(3); change > 0; change--) changed[random(changed.length)] = random(256)
        peer.say(changed.subarray(0, 1 + random(changed.length)))
        peer.socket.end()
      }
      await Promise.all(peers.map(peer => peer.rest()))
    }
    await unharmed()
  })

  it.each([
    ['nothing', []],
    ['a header, a byte at a time', [...TCP_OPEN.capulet]],
    ['a header and then nothing', [TCP_OPEN.capulet]],
    ['a key, a byte at a time', [TCP_OPEN.capulet, ...shows('verona.example', 'k'.repeat(2_000))]],
    ['TLS, and then nothing', [TCP_OPEN.capulet, `<starttls xmlns='${NS.tls}'/>`]],
  ])('have their time, and no more: %s', async (_, said) => {
    const peer = await dial()
    let at = 0
    const dribble = setInterval(() => {
      const next = said[at++]
      if (next !== undefined && !peer.socket.destroyed) peer.say(next)
    }, 5)
    await peer.rest()
    clearInterval(dribble)
    await unharmed()
  })
})

function stanzaFrom(domain: string): string {
  return `<message from='a@${domain}' to='romeo@montague.example'><body>x</body></message>`
}
