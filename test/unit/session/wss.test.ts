import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, type Limits, Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import { createTrustStore } from '../../../src/identity/index.ts'
import { startInitiating, startReceiving } from '../../../src/session/index.ts'
import { createTlsContext, dialWebSocket } from '../../../src/transport/index.ts'
import { authority, backTo, resources, testFront } from '../../kit/fronts.ts'
import { MONTAGUE, numbered, PAIR, RecordingHandler, range, text, verdict } from '../../kit/sessions.ts'

const certificate = authority.issue({ dns: ['capulet.example'] })
const secureContext = createTlsContext({
  identity: { certificate: certificate.certificatePem, key: certificate.keyPem },
  ca: [authority.caPem],
})
const trust = createTrustStore({ roots: [authority.caPem] })

/** Remembers, and lets a test wait for what it remembers. */
class WaitingHandler extends RecordingHandler {
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise(resolve => setTimeout(resolve, 1))
  }
}

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function overWss(more: Partial<Limits> = {}) {
  const limits = { ...defaultLimits, ...more }
  const common = { observer: new Observer(), clock: systemClock, random: systemRandom, limits }
  const handlers = { initiating: new WaitingHandler(), receiving: new WaitingHandler() }
  const isLocal = (name: string) => name === MONTAGUE
  const test = await testFront({
    limits: more,
    onTransport: ({ transport }) => {
      startReceiving({ ...common, transport, handler: handlers.receiving, trust, isLocal })
    },
  })
  closing.push(() => test.front.close())
  const dialled = await dialWebSocket({
    url: 'wss://montague.example/s2s',
    address: '127.0.0.1',
    port: test.port,
    servername: 'montague.example',
    secureContext,
    vet: () => null,
    limits,
    clock: systemClock,
    signal: new AbortController().signal,
  })
  if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
  const { transport } = dialled
  const session = startInitiating({
    ...common,
    transport,
    handler: handlers.initiating,
    pair: PAIR,
    verdict: verdict(),
  })
  closing.push(() => transport.abort())
  const { initiating, receiving } = handlers
  await initiating.until(() => initiating.session !== null && receiving.session !== null)
  return { session, transport, initiating, receiving }
}

describe('over real wss', () => {
  it('stanzas arrive unchanged and in order, and are known to have been read', async () => {
    const { session, initiating, receiving } = await overWss()
    expect(receiving.standing.proof.evidence).toBe('dns-id capulet.example')
    const sent = range(1, 2_000).map(number => numbered(number, 1 + ((number * 7) % 900)))
    for (const stanza of sent) {
      const drains = initiating.drains
      if (!initiating.standing.send(stanza)) await initiating.until(() => initiating.drains > drains)
    }
    await receiving.until(() => receiving.stanzas.length === sent.length)
    expect(receiving.stanzas.map(text)).toEqual(sent.map(text))
    await initiating.until(() => initiating.standing.confirmedCount() === sent.length)
    session.end(null)
    await initiating.until(() => initiating.ends.length > 0 && receiving.ends.length > 0)
    expect(initiating.ends).toEqual([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    expect(receiving.ends).toMatchObject([{ failure: null }])
  })

  it('an end right behind the stanzas leaves none in doubt', async () => {
    const { session, initiating, receiving } = await overWss()
    for (const number of range(1, 500)) initiating.standing.send(numbered(number, 500))
    session.end(null)
    await initiating.until(() => initiating.ends.length > 0)
    expect(receiving.numbers).toEqual(range(1, 500))
    expect(initiating.ends).toEqual([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
  })

  it('a handler that is slow slows the sender, whose memory is bounded; then all comes, in order', async () => {
    const limits = { sendHighWaterBytes: 64 * 1024, sendMaxBytes: 256 * 1024 }
    const { transport, initiating, receiving } = await overWss(limits)
    let goOn = () => {}
    receiving.react = ({ id }) =>
      id === '1'
        ? new Promise(resolve => {
            goOn = resolve
          })
        : undefined
    // Kernels take some megabytes before anything stays here.
    let number = 0
    let drains: number
    do {
      drains = initiating.drains
      do number += 1
      while (initiating.standing.send(numbered(number, 20_000)))
      expect(transport.bufferedBytes()).toBeLessThan(limits.sendHighWaterBytes + 50_000)
      await new Promise(resolve => setTimeout(resolve, 50))
    } while (initiating.drains > drains)
    expect(transport.bufferedBytes()).toBeGreaterThan(limits.sendHighWaterBytes / 2)
    expect(receiving.numbers).toEqual([1])
    goOn()
    await initiating.until(() => initiating.drains > drains)
    await receiving.until(() => receiving.stanzas.length === number)
    expect(receiving.numbers).toEqual(range(1, number))
    expect(receiving.ends).toEqual([])
  })

  it('more than the burst is slowed to the rate, with nothing lost', async () => {
    const limits = { inboundBytesPerSecond: 1024 * 1024, inboundBurstBytes: 64 * 1024 }
    const { initiating, receiving } = await overWss(limits)
    for (const number of range(1, 300)) initiating.standing.send(numbered(number, 1_000))
    await receiving.until(() => receiving.stanzas.length === 300)
    expect(receiving.numbers).toEqual(range(1, 300))
    expect(receiving.ends).toEqual([])
  })

  it('a connection that breaks ends both, and says what is in doubt', async () => {
    const { transport, initiating, receiving } = await overWss()
    for (const number of range(1, 10)) initiating.standing.send(numbered(number))
    transport.abort()
    await initiating.until(() => initiating.ends.length > 0 && receiving.ends.length > 0)
    expect(initiating.unconfirmed).toEqual(range(1, 10))
    expect(receiving.ends).toMatchObject([{ failure: { by: 'network', kind: 'closed' } }])
  })

  it('leaves nothing behind', async () => {
    const baseline = resources()
    for (let count = 0; count < 5; count++) {
      const { session, initiating } = await overWss()
      initiating.standing.send(numbered(1))
      if (count % 2 === 0) session.end(null)
      else session.abort({ by: 'us', kind: 'aborted', detail: '' })
      await initiating.until(() => initiating.ends.length > 0)
      for (const close of closing.splice(0).reverse()) await close()
    }
    await backTo(baseline)
  })
})
