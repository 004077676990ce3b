import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Limits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { createTrustStore } from '../../src/identity/index.ts'
import { startReceiving } from '../../src/session/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import { type TestCertificateOptions, testAuthority } from '../kit/authority.ts'
import { authority, testFront } from '../kit/fronts.ts'
import {
  established,
  MONTAGUE,
  RecordingHandler,
  receivingAgainst,
  STEPS,
  say,
  standingAgainst,
  takenAgainst,
  tlsFacts,
} from '../kit/sessions.ts'
import { frame, OPCODE, type RawFrame, rawWebSocket } from '../kit/wire.ts'

// What only shows where a stream meets its transport and time passes. The streams themselves: streams.test.ts.

const { deadMs, openMs, negotiationMs, closeMs } = defaultLimits
/** HTTP proxies commonly cut what is idle for so long. */
const PROXY_MS = 60_000

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Our receiving side over real wss, with a peer by hand. */
async function overWss(limits: Partial<Limits>, certificate = authority.issue({ dns: ['capulet.example'] })) {
  const handler = new RecordingHandler()
  const test = await testFront({
    limits,
    onTransport: ({ transport }) => {
      startReceiving({
        transport,
        handler,
        observer: new Observer(),
        clock: systemClock,
        random: systemRandom,
        limits: { ...defaultLimits, ...limits },
        trust: createTrustStore({ roots: [authority.caPem] }),
        isLocal: name => name === MONTAGUE,
      })
    },
  })
  closing.push(() => test.front.close())
  const peer = await rawWebSocket(test.port, { cert: certificate.certificatePem, key: certificate.keyPem })
  closing.push(() => peer.destroy())
  return { handler, peer }
}

const text = (read: RawFrame | null) => read?.payload.toString() ?? null

describe('a stream over wss', () => {
  it('[WS-60 WS-61 WS-62] is kept alive by pings alone: no text, and no pong that nobody asked for', async () => {
    const { handler, peer } = await overWss({ pingIntervalMs: 10, pingJitterMs: 0 })
    const [open, auth, again] = STEPS.initiating
    peer.write(frame({ payload: open }))
    expect(text(await peer.frame())).toContain('<open ')
    expect(text(await peer.frame())).toContain('EXTERNAL')
    peer.write(frame({ payload: auth }))
    expect(text(await peer.frame())).toContain('<success ')
    peer.write(frame({ payload: again }))
    expect(text(await peer.frame())).toContain('<open ')
    expect(text(await peer.frame())).toContain('features')
    for (let count = 0; count < 5; count++) {
      const read = await peer.frame()
      expect(read?.opcode).toBe(OPCODE.ping)
      peer.write(frame({ opcode: OPCODE.pong, payload: read?.payload ?? '' }))
    }
    expect(handler.ends).toEqual([])
  })
})

describe('an idle stream', () => {
  it('[WS-61] never leaves a proxy without a sign of life in either direction', async () => {
    const { initiating, receiving, clock } = await established()
    for (const { transport } of [initiating, receiving]) {
      let lastMs = clock.monotonicMs()
      const ping = transport.ping.bind(transport)
      transport.ping = id => {
        expect(clock.monotonicMs() - lastMs).toBeLessThan(PROXY_MS)
        lastMs = clock.monotonicMs()
        return ping(id)
      }
    }
    await clock.pass(20 * PROXY_MS, 1_000)
    expect(initiating.handler.ends).toEqual([])
    expect(receiving.handler.ends).toEqual([])
  })
})

describe('a peer of which nothing is heard', () => {
  it('[WS-63] is dead: its transport ends without a stream error, which could not arrive', async () => {
    for (const make of [standingAgainst, takenAgainst]) {
      const against = await make()
      const before = against.seen.messages.length
      against.peer.pause()
      await against.clock.pass(deadMs + 1, 500)
      against.peer.resume()
      expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
      expect(against.seen.messages).toHaveLength(before)
      expect(against.seen.ends).toMatchObject([{ by: 'network', kind: 'closed' }])
    }
  })

  it('[WS-63 WS-56 SE-04] is told connection-timeout where its socket lives and its stream does not', async () => {
    const against = receivingAgainst()
    await say(against, STEPS.initiating, 1)
    for (let spentMs = 0; spentMs <= negotiationMs; spentMs += 1_000) {
      against.peer.ping(1)
      await against.clock.pass(1_000)
    }
    expect(against.seen.texts.at(-2)).toContain(`<connection-timeout xmlns='${NS.streamErrors}'`)
    await against.clock.pass(closeMs)
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
  })

  it('[WS-56] before its header is dropped without a word', async () => {
    const against = receivingAgainst()
    await against.clock.pass(openMs)
    expect(against.seen.texts).toEqual([])
    expect(against.seen.ends).toHaveLength(1)
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
  })
})

describe('who opens a stream to us', () => {
  const { issue, caPem } = testAuthority()
  const [open] = STEPS.initiating

  async function judged(certificate: TestCertificateOptions, from = 'capulet.example') {
    const against = receivingAgainst({ tls: tlsFacts(issue(certificate)), roots: [caPem] })
    await say(against, [open.replace('capulet.example', from)])
    return against.events.find(({ type }) => type === 'identity')
  }

  it('[CT-13] is proven by its from: as DNS-ID, as SRV-ID, or as XmppAddr', async () => {
    for (const [via, certificate] of [
      ['dns-id', { dns: ['capulet.example'] }],
      ['dns-id', { dns: ['other.example', 'capulet.example'] }],
      ['srv-id', { srv: ['_xmpp-server.capulet.example'] }],
      ['xmpp-addr', { xmpp: ['capulet.example'] }],
    ] as const) {
      expect(await judged(certificate)).toMatchObject({
        ok: true,
        role: 'receiving',
        domain: 'capulet.example',
        via,
      })
    }
    expect(await judged({ dns: ['*.capulet.example'] }, 'rooms.capulet.example')).toMatchObject({ ok: true })
  })

  it('[CT-13] is not proven by anything else that it may hold', async () => {
    for (const certificate of [
      { dns: ['rooms.capulet.example'] },
      { dns: ['*.capulet.example'] },
      { dns: ['montague.example'] },
      { srv: ['_xmpp-client.capulet.example'] },
      { xmpp: ['juliet@capulet.example'] },
    ]) {
      expect(await judged(certificate), JSON.stringify(certificate)).toMatchObject({
        ok: false,
        reason: 'name-mismatch',
      })
    }
    // Of an authority that nobody trusts.
    const against = receivingAgainst({ tls: tlsFacts(issue({ dns: ['capulet.example'] })) })
    await say(against, [open])
    expect(against.events).toContainEqual(
      expect.objectContaining({ type: 'identity', ok: false, reason: 'untrusted' }),
    )
  })

  it('[CT-15] may hold no certificate: it is told so by its stream', async () => {
    const against = receivingAgainst({ tls: tlsFacts(null) })
    await say(against, [open])
    expect(against.seen.texts[0]).toContain('<open ')
    expect(against.seen.texts.join('')).toContain('policy-violation')
  })
})

describe('a certificate that ends while its stream lives', () => {
  it('[CT-09 SE-16] ends the stream by reset, on either side', async () => {
    const lifeMs = 3_600_000
    const certificate = authority.issue({ dns: ['capulet.example'], notAfterMs: Date.now() + lifeMs })
    const receiving = await takenAgainst({ tls: tlsFacts(certificate), roots: [authority.caPem] })
    const verdict = {
      ok: true,
      domain: MONTAGUE,
      via: 'dns-id',
      name: 'montague.example',
      notAfterMs: Date.now() + lifeMs,
    } as const
    const initiating = await standingAgainst({ verdict })
    for (const against of [receiving, initiating]) {
      await against.clock.pass(lifeMs - 60_000, 20_000)
      expect(against.handler.ends).toEqual([])
      await against.clock.pass(120_000, 20_000)
      expect(against.seen.texts.join('')).toContain(`<reset xmlns='${NS.streamErrors}'`)
      expect(against.handler.ends).toMatchObject([{ failure: { condition: 'reset', rule: 'CT-09' } }])
    }
  })

  it('[CT-09] is seen where the clock steps, too', async () => {
    const verdict = {
      ok: true,
      domain: MONTAGUE,
      via: 'dns-id',
      name: 'montague.example',
      notAfterMs: Date.now() + 3_600_000,
    } as const
    const { clock, handler } = await standingAgainst({ verdict })
    clock.stepWall(4_000_000)
    await clock.pass(60_000, 5_000)
    expect(handler.ends).toMatchObject([{ failure: { condition: 'reset' } }])
  })
})
