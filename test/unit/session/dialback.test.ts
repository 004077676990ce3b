import { describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { type VerifyOptions, verify } from '../../../src/session/index.ts'
import {
  type DialbackOutcome,
  dialbackKey,
  dialbackSecret,
  type Verification,
} from '../../../src/stream/index.ts'
import { memoryTransportPair } from '../../../src/transport/index.ts'
import { message, NS } from '../../../src/xmpp/index.ts'
import { FixedRandom, VirtualClock } from '../../kit/clock.ts'
import {
  type Against,
  CAPULET,
  MONTAGUE,
  numbered,
  overTcp,
  receivingAgainst,
  say,
  TCP_CLOSE,
  TCP_OPEN,
  twoSessions,
} from '../../kit/sessions.ts'
import { Recorder, turns } from '../../kit/transport-compliance.ts'

const { dialbackMs, negotiationMs, openMs, closeMs } = defaultLimits

const secret = dialbackSecret('s3cr3tf0rd14lb4ck')
const db = (name: string, attributes: string, content = '') =>
  `<db:${name} xmlns:db='${NS.dialback}' ${attributes}>${content}</db:${name}>`
const SHOWN = db('result', `from='capulet.example' to='montague.example'`, 'a key')
const OTHER = db('result', `from='verona.example' to='montague.example'`, 'a key')
const VALID: DialbackOutcome = { type: 'valid', evidence: 'its server at 127.0.0.1:5269' }

/** Keys that were asked about, for the test to answer. */
class Asked {
  readonly verifications: Verification[] = []
  readonly signals: AbortSignal[] = []
  readonly answers: ((outcome: DialbackOutcome) => void)[] = []

  readonly verify = (verification: Verification, signal: AbortSignal): Promise<DialbackOutcome> => {
    this.verifications.push(verification)
    this.signals.push(signal)
    return new Promise(resolve => this.answers.push(resolve))
  }

  async answer(outcome: DialbackOutcome, at = 0): Promise<void> {
    this.answers[at]?.(outcome)
    await turns()
  }
}

interface Shown {
  readonly against: Against
  readonly asked: Asked
  /** the answers written, as text */
  readonly written: () => string
}

/** A stream in the clear, whose peer has said this much. */
async function shown(
  said: readonly string[] = [TCP_OPEN.capulet, SHOWN],
  ask: (asked: Asked) => Asked['verify'] = asked => asked.verify,
): Promise<Shown> {
  const asked = new Asked()
  const against = receivingAgainst({
    clear: true,
    wire: overTcp(),
    receivingOptions: { dialback: { secret, verify: ask(asked) } },
  })
  await say(against, said)
  await turns()
  return { against, asked, written: () => against.seen.bytes.toString() }
}

describe('a key that a peer shows', () => {
  it('is asked about, and stanzas pass once it is valid', async () => {
    const { against, asked, written } = await shown()
    expect(asked.verifications).toMatchObject([
      { pair: { local: MONTAGUE, remote: CAPULET }, from: 'capulet.example', key: 'a key' },
    ])
    expect(written()).toContain(`id='${asked.verifications[0]?.id}'`)
    await asked.answer(VALID)
    expect(against.handler.standing.proof).toMatchObject({ method: 'dialback', evidence: VALID.evidence })
    expect(against.events).toContainEqual(
      expect.objectContaining({ type: 'stream:established', authentication: 'dialback', tls: 'none' }),
    )
    await say(against, [Buffer.from(numbered(1).bytes).toString()])
    expect(against.handler.numbers).toEqual([1])
    expect(asked.signals[0]?.aborted).toBe(false)
  })

  it.each<[string, (asked: Asked) => Asked['verify'], string]>([
    ['rejects', () => () => Promise.reject(new Error('a defect')), 'internal-server-error'],
    [
      'throws',
      () => () => {
        throw new Error('a defect')
      },
      'internal-server-error',
    ],
  ])('is answered with an error where asking %s, and the stream goes on', async (_, ask, condition) => {
    const { against, written } = await shown(undefined, ask)
    expect(written()).toContain(condition)
    expect(against.handler.ends).toEqual([])
    expect(against.session.established).toBeNull()
  })

  it('has an answer in time though asking never ends, and a later one counts for nothing', async () => {
    const { against, asked, written } = await shown()
    await asked.answer(VALID)
    await say(against, [OTHER])
    await turns()
    await against.clock.pass(dialbackMs, 1_000)
    expect(written()).toContain('remote-server-timeout')
    expect(asked.signals.map(({ aborted }) => aborted)).toEqual([false, true])
    await asked.answer(VALID, 1)
    expect(against.handler.authorised).toEqual([])
    expect(against.handler.ends).toEqual([])
    // It may be shown again, and asked about anew.
    await say(against, [OTHER])
    await turns()
    await asked.answer(VALID, 2)
    expect(against.handler.authorised).toEqual([{ local: MONTAGUE, remote: 'verona.example' }])
  })

  it('that is the only one has a minute; then the stream is over, and nobody is asked any more', async () => {
    const { against, asked, written } = await shown()
    await against.clock.pass(negotiationMs, 1_000)
    expect(against.handler.ends).toEqual([])
    await against.clock.pass(dialbackMs, 1_000)
    expect(written()).toContain('connection-timeout')
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
    expect(asked.signals[0]?.aborted).toBe(true)
    await asked.answer(VALID)
    expect(against.handler.session).toBeNull()
    expect(against.clock.pending()).toBe(0)
  })

  it('is given up when the stream ends, whoever ends it', async () => {
    for (const end of [
      (against: Against) => against.peer.cut(),
      (against: Against) => against.session.abort({ by: 'us', kind: 'aborted', detail: '' }),
      (against: Against) => against.session.end(null),
      (against: Against) => say(against, ['<x']).then(() => against.peer.close(1000)),
    ]) {
      const { against, asked } = await shown()
      await end(against)
      await against.clock.pass(3 * closeMs, 100)
      expect(asked.signals[0]?.aborted).toBe(true)
      expect(against.clock.pending()).toBe(0)
      await asked.answer(VALID)
      expect(against.handler.session).toBeNull()
      expect(against.handler.ends).toHaveLength(1)
    }
  })

  it('is given up when the stream begins anew', async () => {
    const asked = new Asked()
    const against = receivingAgainst({ receivingOptions: { dialback: { secret, verify: asked.verify } } })
    const open = `<open xmlns='${NS.framing}' from='capulet.example' to='montague.example' version='1.0'/>`
    await say(against, [open, OTHER, `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`])
    expect(asked.signals[0]?.aborted).toBe(true)
    await say(against, [open])
    await asked.answer(VALID)
    expect(against.handler.standing.proof.method).toBe('sasl-external')
    expect(against.handler.authorised).toEqual([])
  })

  it('of a further pair is told to the owner, who may end the stream', async () => {
    for (const [authorise, ended] of [
      [() => null, []],
      [() => ({ by: 'us', kind: 'policy', detail: 'no' }) as const, [{ failure: { kind: 'policy' } }]],
      [
        () => {
          throw new Error('a defect')
        },
        [{ failure: { kind: 'internal' } }],
      ],
    ] as const) {
      const { against, asked } = await shown()
      await asked.answer(VALID)
      against.handler.authorise = authorise
      await say(against, [OTHER])
      await turns()
      await asked.answer(VALID, 1)
      expect(against.handler.authorised).toEqual([{ local: MONTAGUE, remote: 'verona.example' }])
      expect(against.handler.ends).toHaveLength(ended.length)
      expect(against.handler.ends).toMatchObject(ended)
    }
  })

  it('before we are told of it, nothing that the peer has sent behind it counts', async () => {
    const { against } = await shown([TCP_OPEN.capulet, SHOWN + Buffer.from(numbered(1).bytes).toString()])
    expect(against.handler.stanzas).toEqual([])
    expect(against.handler.ends).toMatchObject([{ failure: { condition: 'not-authorized' } }])
  })
})

describe('two sessions in the clear', () => {
  it('stand by dialback, one way', async () => {
    const asked = new Asked()
    const { initiating, receiving, clock } = twoSessions({
      clear: true,
      wire: overTcp(),
      verdict: 'configured-address',
      initiatingOptions: { dialback: secret },
      receivingOptions: { dialback: { secret, verify: asked.verify } },
    })
    await turns()
    const [verification] = asked.verifications
    expect(verification?.key).toBe(
      dialbackKey(secret, { receiving: MONTAGUE, originating: CAPULET, id: verification?.id ?? '' }),
    )
    await asked.answer(VALID)
    initiating.handler.standing.send(numbered(1))
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(initiating.handler.standing.proof).toMatchObject({ method: 'dialback', domain: MONTAGUE })
    const back = message({ from: 'romeo@montague.example', to: 'juliet@capulet.example', body: 'no' })
    expect(() => receiving.handler.standing.send(back)).toThrow(TypeError)
    initiating.session.end(null)
    await turns()
    expect([initiating, receiving].map(({ handler }) => handler.ends[0]?.failure)).toEqual([null, null])
    expect(clock.pending()).toBe(0)
  })
})

describe('asking about a key', () => {
  const PAIR = { local: MONTAGUE, remote: CAPULET }
  const OPEN = `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='${NS.stream}' from='capulet.example' to='montague.example' id='v1' version='1.0'>`
  const answer = (type: string, id = 's1') =>
    db('verify', `from='capulet.example' to='montague.example' id='${id}' type='${type}'`)

  function ask(more: Partial<VerifyOptions> = {}) {
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
    const outcomes: DialbackOutcome[] = []
    void verify({
      transport: transports.initiating,
      verification: { pair: PAIR, from: 'capulet.example', to: 'montague.example', id: 's1', key: 'a key' },
      evidence: 'its server',
      signal: given.signal,
      observer: new Observer(),
      clock,
      random: new FixedRandom(),
      limits: defaultLimits,
      ...more,
    }).then(outcome => outcomes.push(outcome))
    const hear = async (...texts: string[]) => {
      for (const text of texts) {
        transports.receiving.send(text)
        await turns(3)
      }
      await turns()
    }
    return { clock, peer: transports.receiving, seen, given, outcomes, hear }
  }

  it.each([
    ['valid', VALID.type, { type: 'valid', evidence: 'its server' }],
    ['invalid', 'invalid', { type: 'invalid' }],
    ['an error', 'error', { type: 'error', condition: 'remote-server-not-found' }],
  ])('has the answer %s, on a stream that ends with it', async (_, type, outcome) => {
    const { clock, seen, outcomes, hear, peer } = ask()
    await hear(OPEN, '<stream:features/>', answer(type))
    expect(outcomes).toEqual([outcome])
    const written = seen.bytes.toString()
    expect(written).toContain(`from='montague.example' to='capulet.example' id='s1'`)
    expect(written.endsWith('</stream:stream>')).toBe(true)
    await hear(TCP_CLOSE)
    peer.close(1000)
    await turns()
    expect(clock.pending()).toBe(0)
  })

  it.each([
    ['no header', [], openMs],
    ['no features', [OPEN], negotiationMs],
    ['no answer', [OPEN, '<stream:features/>'], negotiationMs],
    ['another answer', [OPEN, '<stream:features/>', answer('valid', 's2')], negotiationMs],
    ['another answer early', [OPEN, answer('valid')], negotiationMs],
  ])('has none in time of a peer that gives %s', async (_, said, afterMs) => {
    const { clock, outcomes, hear } = ask()
    await hear(...said)
    await clock.pass(afterMs - 1)
    expect(outcomes).toEqual([])
    await clock.pass(1 + 2 * closeMs, 100)
    expect(outcomes).toEqual([{ type: 'error', condition: 'remote-server-timeout' }])
    expect(clock.pending()).toBe(0)
  })

  it('has none of a wire that dies, nor of a peer that breaks the rules', async () => {
    for (const said of [[], [OPEN], [OPEN, '<stream:features/>'], ['<x'], [OPEN, '<!-- -->']]) {
      const { clock, peer, outcomes, hear } = ask()
      await hear(...said)
      peer.cut()
      await turns()
      expect(outcomes).toEqual([{ type: 'error', condition: 'remote-server-timeout' }])
      expect(clock.pending()).toBe(0)
    }
  })

  it('is given up at once, also where it was before it began', async () => {
    const early = new AbortController()
    early.abort()
    const before = ask({ signal: early.signal })
    await turns()
    const during = ask()
    await during.hear(OPEN)
    during.given.abort()
    await turns()
    for (const { clock, outcomes } of [before, during]) {
      expect(outcomes).toMatchObject([{ type: 'error' }])
      expect(clock.pending()).toBe(0)
    }
    // A signal that comes later finds nothing to end.
    const after = ask()
    await after.hear(OPEN, '<stream:features/>', answer('valid'), TCP_CLOSE)
    after.peer.close(1000)
    await turns()
    after.given.abort()
    expect(after.outcomes).toMatchObject([{ type: 'valid' }])
  })
})
