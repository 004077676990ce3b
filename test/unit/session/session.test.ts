import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import {
  CAPULET,
  CLOSE,
  established,
  initiatingAgainst,
  MONTAGUE,
  numbered,
  overTcp,
  range,
  receivingAgainst,
  STEPS,
  say,
  standingAgainst,
  takenAgainst,
  text,
  tlsFacts,
  twoSessions,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

const SHUTDOWN: Failure = { by: 'us', kind: 'shutdown', detail: 'stopping' }
const GIVEN_UP: Failure = { by: 'us', kind: 'aborted', detail: 'no longer wanted' }
const TOO_MANY: Failure = {
  by: 'peer',
  kind: 'violation',
  condition: 'conflict',
  rule: 'ST-20',
  detail: 'too many streams',
}

for (const [name, wire] of [
  ['messages', undefined],
  ['chunks', overTcp()],
  ['single bytes', overTcp(() => 1)],
] as const) {
  it(`two sides come together over ${name}, carry stanzas in order, and part in order`, async () => {
    const { initiating, receiving, events } = await established(wire === undefined ? {} : { wire })
    expect(initiating.handler.standing).toMatchObject({
      role: 'initiating',
      pair: { local: CAPULET, remote: MONTAGUE },
      proof: { domain: MONTAGUE, method: 'sasl-external', evidence: 'dns-id montague.example' },
    })
    expect(receiving.handler.standing).toMatchObject({
      role: 'receiving',
      pair: { local: MONTAGUE, remote: CAPULET },
      proof: { domain: CAPULET, method: 'sasl-external', evidence: 'dns-id capulet.example' },
    })
    const sent = range(1, 50).map(number => numbered(number))
    for (const stanza of sent) expect(initiating.handler.standing.send(stanza)).toBe(true)
    initiating.session.end(null)
    await turns(wire?.cut?.(2) === 1 ? 10_000 : 20)
    expect(receiving.handler.stanzas.map(text)).toEqual(sent.map(text))
    expect(initiating.handler.ends).toEqual([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    expect(receiving.handler.ends).toEqual([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    expect(events.filter(({ type }) => type === 'stream:ended')).toHaveLength(2)
  })
}

describe('what an observer is told', () => {
  it('is each step of a stream, under the names that are known by then', async () => {
    const { initiating, events, clock } = await established()
    initiating.session.end(null)
    await turns()
    const about = (role: 'initiating' | 'receiving') =>
      events.flatMap(event => ('role' in event && event.role === role ? [event] : []))
    const local = {
      role: 'receiving',
      local: 'montague.example',
      remote: 'capulet.example',
      address: '192.0.2.7',
    }
    const id = expect.stringMatching(/^s[0-9a-f]{32}$/)
    const { role } = local
    expect(about('receiving')).toEqual([
      { type: 'stream:open', ...local, id },
      { type: 'identity', role, domain: 'capulet.example', ok: true, via: 'dns-id', name: 'capulet.example' },
      { type: 'stream:features', ...local, features: ['mechanisms', 'limits'] },
      { type: 'stream:authenticating', ...local, mechanism: 'EXTERNAL' },
      { type: 'stream:open', ...local, id },
      { type: 'stream:features', ...local, features: ['limits'] },
      {
        type: 'stream:established',
        ...local,
        transport: 'memory',
        tls: 'TLSv1.3',
        authentication: 'sasl-external',
        proof: 'dns-id capulet.example',
        bidi: false,
        setupMs: 0,
      },
      {
        type: 'stream:ended',
        ...local,
        established: true,
        reason: 'closed',
        detail: 'closed in order',
        lifeMs: 0,
      },
    ])
    const names = about('initiating').map(({ type }) => type)
    expect(names).toEqual([
      'stream:open',
      'stream:features',
      'stream:authenticating',
      'stream:open',
      'stream:features',
      'stream:established',
      'stream:ended',
    ])
    expect(clock.pending()).toBe(0)
  })

  it('is why a stream that never stood has ended', async () => {
    const { receiving, initiating, events, clock } = twoSessions({ tls: tlsFacts(null) })
    await turns()
    expect(receiving.handler.session).toBeNull()
    expect(receiving.handler.ends).toMatchObject([
      { failure: { by: 'peer', kind: 'identity', reason: 'no-certificate' } },
    ])
    expect(initiating.handler.ends).toMatchObject([
      { failure: { by: 'peer', kind: 'reported', condition: 'policy-violation' } },
    ])
    expect(events).toContainEqual(
      expect.objectContaining({
        type: 'stream:ended',
        role: 'receiving',
        local: 'montague.example',
        remote: 'capulet.example',
        established: false,
        reason: 'peer.identity',
      }),
    )
    expect(clock.pending()).toBe(0)
  })

  it('has no names where the peer gave none', async () => {
    const { peer, handler, events } = receivingAgainst()
    peer.cut()
    await turns()
    expect(handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'closed' }, unconfirmedCount: 0 }])
    expect(events).toMatchObject([{ type: 'stream:ended', local: '', remote: '', established: false }])
  })
})

describe('who a peer is', () => {
  it('is judged by its certificate for the domain that it claims', async () => {
    const against = receivingAgainst()
    const [open] = STEPS.initiating
    await say(against, [open.replace('capulet', 'verona')])
    expect(against.events).toContainEqual(
      expect.objectContaining({
        type: 'identity',
        ok: false,
        domain: 'verona.example',
        reason: 'name-mismatch',
      }),
    )
    expect(against.handler.session).toBeNull()
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'peer', kind: 'identity' } }])
    expect(against.seen.texts.join('')).toContain('policy-violation')
  })

  it('is not known on a wire without TLS', async () => {
    const { receiving } = twoSessions({ tls: null })
    await turns()
    expect(receiving.handler.session).toBeNull()
    expect(receiving.handler.ends).toHaveLength(1)
  })

  it('ends with its certificate, and has to be proven again', async () => {
    const until = Date.now() + 3_600_000
    const { clock, handler, seen } = await standingAgainst({
      verdict: { ok: true, domain: MONTAGUE, via: 'dns-id', name: 'montague.example', notAfterMs: until },
    })
    await clock.pass(3_500_000, 20_000)
    expect(handler.ends).toEqual([])
    await clock.pass(200_000, 20_000)
    expect(seen.texts.join('')).toContain(`<reset xmlns='${NS.streamErrors}'`)
    expect(handler.ends).toMatchObject([
      { failure: { kind: 'violation', condition: 'reset', rule: 'CT-09' } },
    ])
  })
})

describe('the last word of the handler', () => {
  it('ends a stream before it counts', async () => {
    const streams = twoSessions()
    streams.receiving.handler.refusal = TOO_MANY
    await turns()
    expect(streams.receiving.session.established).toBeNull()
    expect(streams.receiving.handler.ends).toEqual([
      { failure: TOO_MANY, unconfirmed: [], unconfirmedCount: 0 },
    ])
    expect(streams.initiating.handler.ends).toMatchObject([
      { failure: { kind: 'reported', condition: 'conflict' } },
    ])
    const types = streams.events.flatMap(event =>
      'role' in event && event.role === 'receiving' ? [event.type] : [],
    )
    expect(types).not.toContain('stream:established')
    expect(streams.clock.pending()).toBe(0)
  })

  it('keeps what the peer sends meanwhile from being told', async () => {
    const against = receivingAgainst()
    against.handler.refusal = SHUTDOWN
    await say(against, STEPS.initiating)
    await say(against, [text(numbered(1)), CLOSE])
    expect(against.handler.stanzas).toEqual([])
    expect(against.handler.ends).toMatchObject([{ failure: SHUTDOWN }])
  })
})

describe('limits', () => {
  const big = numbered(1, defaultLimits.preAuthStanzaBytes)

  it('are small before authentication', async () => {
    const against = receivingAgainst()
    await say(against, STEPS.initiating, 1)
    await say(against, [text(big)])
    expect(against.handler.ends).toMatchObject([
      { failure: { kind: 'violation', condition: 'policy-violation', rule: 'WS-49' } },
    ])
    expect(against.seen.texts.join('')).toContain('stanza-too-big')
  })

  it('grow with it', async () => {
    for (const wire of [{}, overTcp()]) {
      const { initiating, receiving } = await established(wire === undefined ? {} : { wire })
      initiating.handler.standing.send(big)
      await turns()
      expect(receiving.handler.numbers).toEqual([1])
    }
  })

  it('hold from then on: told, closed', async () => {
    const against = await takenAgainst()
    await say(against, [text(numbered(1, defaultLimits.stanzaBytes))])
    expect(against.seen.texts.slice(-2).join('')).toMatch(/policy-violation.*stanza-too-big.*<close /)
    expect(against.handler.ends).toMatchObject([{ failure: { kind: 'violation', rule: 'WS-49' } }])
  })
})

describe('send', () => {
  it('writes the bytes of the stanza, as they are', async () => {
    const { session, seen } = await standingAgainst()
    const stanza = numbered(1)
    session.established?.send(stanza)
    await turns()
    expect(seen.messages.at(-1)).toBe(stanza.bytes)
  })

  it('is for the initiating side', async () => {
    const { receiving } = await established()
    expect(() => receiving.handler.standing.send(numbered(1))).toThrow(TypeError)
  })

  it('is a defect of the caller once the end has been told', async () => {
    const { initiating } = await established()
    initiating.session.end(null)
    await turns()
    expect(() => initiating.handler.standing.send(numbered(1))).toThrow(TypeError)
  })

  it('takes what comes behind the end, and gives it back', async () => {
    const { session, handler, seen } = await standingAgainst()
    session.end(null)
    expect(handler.standing.send(numbered(1))).toBe(true)
    await turns()
    expect(seen.texts.join('')).not.toContain('<message')
    session.abort(GIVEN_UP)
    await turns()
    expect(handler.unconfirmed).toEqual([1])
  })
})

describe('end', () => {
  it('takes what the peer still sends, until its close', async () => {
    const against = await takenAgainst()
    against.session.end(null)
    await turns()
    expect(against.seen.texts.at(-1)).toBe(CLOSE)
    await say(against, [text(numbered(1)), text(numbered(2))])
    expect(against.handler.numbers).toEqual([1, 2])
    expect(against.handler.ends).toEqual([])
    await say(against, [CLOSE])
    expect(against.seen.ends).toEqual([null])
    expect(against.handler.ends).toMatchObject([{ failure: null }])
  })

  it('waits for it no longer than the close deadline', async () => {
    const against = await takenAgainst()
    against.session.end(null)
    await against.clock.pass(defaultLimits.closeMs - 1)
    expect(against.seen.ends).toEqual([])
    await against.clock.pass(1)
    expect(against.seen.ends).toEqual([null])
    expect(against.handler.ends).toMatchObject([{ failure: { by: 'network', kind: 'timeout' } }])
    expect(against.clock.pending()).toBe(0)
  })

  it('tells the peer why, once, and nothing twice', async () => {
    const against = await takenAgainst()
    const codes: number[] = []
    const close = against.transport.close.bind(against.transport)
    against.transport.close = (code, reason) => {
      codes.push(code)
      close(code, reason)
    }
    against.session.end(SHUTDOWN)
    against.session.end(TOO_MANY)
    against.session.end(null)
    await turns()
    const said = against.seen.texts.slice(-2)
    expect(said[0]).toContain('system-shutdown')
    expect(said[1]).toBe(CLOSE)
    await say(against, [CLOSE])
    expect(against.handler.ends).toMatchObject([{ failure: SHUTDOWN }])
    expect(codes).toEqual([1001])
    against.session.end(null)
    against.session.abort(GIVEN_UP)
    await turns()
    expect(against.handler.ends).toHaveLength(1)
  })

  it('from within the handler comes behind what is being told', async () => {
    const { initiating, receiving } = await established()
    receiving.handler.react = () => receiving.session.end(null)
    for (const number of [1, 2]) initiating.handler.standing.send(numbered(number))
    await turns()
    expect(receiving.handler.numbers).toEqual([1, 2])
    expect(receiving.handler.ends).toMatchObject([{ failure: null }])
    expect(initiating.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
  })

  it('is never told from within end or abort', async () => {
    const { initiating, receiving } = await established()
    initiating.session.end(null)
    expect(initiating.handler.ends).toEqual([])
    receiving.session.abort(GIVEN_UP)
    expect(receiving.handler.ends).toEqual([])
    await turns()
    expect(receiving.handler.ends).toMatchObject([{ failure: GIVEN_UP }])
    expect(initiating.handler.ends).toHaveLength(1)
  })
})

describe('abort', () => {
  it('ends at once, at every step, and is the reason', async () => {
    for (let steps = 0; steps <= STEPS.receiving.length; steps++) {
      const against = initiatingAgainst()
      await say(against, STEPS.receiving, steps)
      against.session.abort(GIVEN_UP)
      against.session.abort(SHUTDOWN)
      await turns()
      expect(against.handler.ends, `after ${steps}`).toEqual([
        { failure: GIVEN_UP, unconfirmed: [], unconfirmedCount: 0 },
      ])
      expect(against.clock.pending(), `after ${steps}`).toBe(0)
    }
  })

  it('in the middle of what has come in one piece leaves the rest untold', async () => {
    const { initiating, receiving } = await established({ wire: overTcp() })
    receiving.handler.react = () => receiving.session.abort(GIVEN_UP)
    for (const number of [1, 2, 3]) initiating.handler.standing.send(numbered(number))
    await turns()
    expect(receiving.handler.numbers).toEqual([1])
    expect(receiving.handler.ends).toMatchObject([{ failure: GIVEN_UP }])
  })
})
