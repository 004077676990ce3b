import { describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import {
  type EstablishedSession,
  openStream,
  type StreamEvents,
  startInitiating,
} from '../../../src/session/index.ts'
import { dialbackSecret } from '../../../src/stream/index.ts'
import { memoryTransportPair } from '../../../src/transport/index.ts'
import { type Failure, message, NS, type Stanza } from '../../../src/xmpp/index.ts'
import { FixedRandom, VirtualClock } from '../../kit/clock.ts'
import { numbered, overTcp, PAIR, TCP_CLOSE, TCP_OPEN, text } from '../../kit/sessions.ts'
import { Recorder, turns } from '../../kit/transport-compliance.ts'

// A stream that is opened in the clear, by dialback, with stanzas both ways: the leg to a server of our own.

const FEATURES = `<stream:features><dialback xmlns='${NS.dialbackFeature}'/><bidi xmlns='${NS.bidiFeature}'/></stream:features>`
const VALID = `<db:result xmlns:db='${NS.dialback}' from='montague.example' to='capulet.example' type='valid'/>`

const fromRomeo = (number: number): Stanza =>
  message({ from: 'romeo@montague.example', to: 'juliet@capulet.example', id: String(number), body: 'hm' })

interface Opened {
  readonly clock: VirtualClock
  readonly peer: ReturnType<typeof memoryTransportPair>['receiving']
  readonly seen: Recorder
  readonly given: AbortController
  /** what openStream came to, once it has */
  readonly results: (Failure | null)[]
  readonly stood: EstablishedSession[]
  readonly stanzas: Stanza[]
  readonly ends: (Failure | null)[]
  hear(...texts: string[]): Promise<void>
}

function open(
  onStands: (session: EstablishedSession) => void = () => {},
  more: Partial<StreamEvents> = {},
): Opened {
  const clock = new VirtualClock()
  const transports = memoryTransportPair({
    limits: defaultLimits,
    clock,
    ...overTcp(),
    facts: { initiating: { kind: 'tcp', tls: null }, receiving: { kind: 'tcp', tls: null } },
  })
  const seen = new Recorder()
  transports.receiving.attach(seen)
  const given = new AbortController()
  const results: (Failure | null)[] = []
  const stood: EstablishedSession[] = []
  const stanzas: Stanza[] = []
  const ends: (Failure | null)[] = []
  void openStream(
    handler =>
      startInitiating({
        transport: transports.initiating,
        pair: PAIR,
        verdict: 'configured-address',
        dialback: dialbackSecret('s3cr3tf0rd14lb4ck'),
        bidi: true,
        handler,
        observer: new Observer(),
        clock,
        random: new FixedRandom(),
        limits: defaultLimits,
      }),
    given.signal,
    session => {
      stood.push(session)
      onStands(session)
      return {
        onStanza: stanza => {
          stanzas.push(stanza)
        },
        onDrain: () => {},
        onEnded: failure => void ends.push(failure),
        ...more,
      }
    },
  ).then(result => results.push(result))
  const hear = async (...texts: string[]) => {
    for (const said of texts) {
      transports.receiving.send(said)
      await turns(3)
    }
    await turns()
  }
  return { clock, peer: transports.receiving, seen, given, results, stood, stanzas, ends, hear }
}

describe('a stream that is opened', () => {
  it('is given to its caller once it stands, and its end is told then', async () => {
    const opened = open()
    await opened.hear(TCP_OPEN.montague, FEATURES)
    expect(opened.results).toEqual([])
    await opened.hear(VALID)
    expect(opened.results).toEqual([null])
    expect(opened.stood).toMatchObject([{ pair: PAIR, bidi: true, proof: { method: 'dialback' } }])
    opened.stood[0]?.send(numbered(1))
    await turns()
    expect(opened.seen.bytes.toString()).toContain(text(numbered(1)))
    opened.stood[0]?.end(null)
    await opened.hear(TCP_CLOSE)
    expect(opened.ends).toEqual([null])
    expect(opened.clock.pending()).toBe(0)
  })

  it('sends both ways: what the peer says in the very turn in which it stands comes after that, in order', async () => {
    const order: string[] = []
    const opened = open(() => order.push('stands'), { onStanza: ({ id }) => void order.push(id) })
    await opened.hear(TCP_OPEN.montague, FEATURES)
    await opened.hear(VALID + [1, 2, 3].map(number => text(fromRomeo(number))).join(''))
    await opened.hear(text(fromRomeo(4)))
    expect(order).toEqual(['stands', '1', '2', '3', '4'])
  })

  it('is not read on while somebody works on a stanza, the first of them too', async () => {
    const waiting: (() => void)[] = []
    const taken: string[] = []
    const opened = open(undefined, {
      onStanza: ({ id }) => {
        taken.push(id)
        return new Promise(resolve => waiting.push(resolve))
      },
    })
    await opened.hear(TCP_OPEN.montague, FEATURES, VALID + text(fromRomeo(1)) + text(fromRomeo(2)))
    await opened.hear(text(fromRomeo(3)))
    expect(taken).toEqual(['1'])
    for (const ids of [
      ['1', '2'],
      ['1', '2', '3'],
    ]) {
      waiting.shift()?.()
      await turns()
      expect(taken).toEqual(ids)
    }
  })

  it('that ends behind what it has brought ends after it', async () => {
    const opened = open()
    await opened.hear(TCP_OPEN.montague, FEATURES, VALID + text(fromRomeo(1)) + TCP_CLOSE)
    opened.peer.close(1000)
    await turns()
    expect(opened.results).toEqual([null])
    expect(opened.stanzas).toHaveLength(1)
    expect(opened.ends).toEqual([null])
    expect(opened.clock.pending()).toBe(0)
  })

  it('that never stands says why', async () => {
    for (const [said, failure] of [
      [['<x'], { by: 'network', kind: 'closed' }],
      [[TCP_OPEN.montague, FEATURES, TCP_CLOSE], { by: 'peer', kind: 'closed' }],
      [[TCP_OPEN.montague, '<stream:features/>'], { by: 'peer', kind: 'unauthenticated' }],
    ] as const) {
      const opened = open()
      await opened.hear(...said)
      opened.peer.close(1000)
      await turns()
      expect(opened.results).toMatchObject([failure])
      expect([opened.stood, opened.ends, opened.clock.pending()]).toEqual([[], [], 0])
    }
  })

  it('is given up until it stands, and not after', async () => {
    const before = open()
    await before.hear(TCP_OPEN.montague)
    before.given.abort()
    await turns()
    expect(before.results).toMatchObject([{ by: 'us', kind: 'aborted' }])
    expect([before.stood, before.clock.pending()]).toEqual([[], 0])
    const after = open()
    await after.hear(TCP_OPEN.montague, FEATURES, VALID)
    after.given.abort()
    await after.hear(text(fromRomeo(1)))
    expect(after.stanzas).toHaveLength(1)
    expect(after.ends).toEqual([])
  })

  it('whose caller throws is ended, and nothing else', async () => {
    const opened = open(() => {
      throw new Error('a defect')
    })
    await opened.hear(TCP_OPEN.montague, FEATURES, VALID + text(fromRomeo(1)))
    await turns()
    expect(opened.results).toMatchObject([{ by: 'us', kind: 'internal' }])
    expect([opened.stanzas, opened.ends, opened.clock.pending()]).toEqual([[], [], 0])
  })
})
