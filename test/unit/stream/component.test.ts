import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { componentCodec } from '../../../src/framing/index.ts'
import {
  type ComponentOptions,
  type ComponentState,
  type StreamInput,
  startComponent,
  stepComponent,
} from '../../../src/stream/index.ts'
import { xmlLimits } from '../../../src/xml/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import { digest, headerOf } from '../../kit/component.ts'
import { domain, error, ID_1, Side, type Wire } from '../../kit/streams.ts'

const WIRE: Wire = {
  name: 'tcp',
  codec: (limits, stage) => componentCodec(xmlLimits(limits, stage)),
  open: ({ to = 'bot.example' }) => headerOf(to),
  close: '</stream:stream>',
}

const BOT = domain('bot.example')
const OPEN = WIRE.open({})
const HANDSHAKE = `<handshake>${digest(ID_1)}</handshake>`
const MESSAGE = `<message from='a@bot.example' to='romeo@montague.example' id='1'><body>x</body></message>`

function machine(overrides: Partial<ComponentOptions> = {}): Side<ComponentState> {
  const options: ComponentOptions = {
    isServed: name => name === BOT,
    isTaken: () => false,
    streamId: ID_1,
    digest: digest(ID_1),
    limits: defaultLimits,
    ...overrides,
  }
  return new Side(WIRE, defaultLimits, startComponent(options), stepComponent)
}

const established = () => machine().say(OPEN, HANDSHAKE)

describe('the stream of a component', () => {
  it('stands with the proof of its secret, both ways, under its own name', () => {
    const side = machine().say(OPEN)
    expect(side.transcript).toEqual(['open'])
    expect(side.established).toBeNull()
    side.say(HANDSHAKE, MESSAGE)
    expect(side.transcript).toEqual(['open', 'handshake'])
    expect(side.established).toMatchObject({
      pair: { local: BOT, remote: BOT },
      proof: { domain: BOT, method: 'handshake', notAfterMs: Number.POSITIVE_INFINITY },
      bidi: true,
    })
    expect(side.stanzas.map(({ id }) => id)).toEqual(['1'])
    expect(side.timers).toEqual(new Map())
  })

  it('waits for the header, then for the handshake, and not for ever', () => {
    const silent = machine()
    expect(silent.timers).toEqual(new Map([['open', defaultLimits.openMs]]))
    silent.give({ type: 'timeout', timer: 'open' })
    expect([silent.sent, silent.closeCode]).toEqual([[], 1008])
    const slow = machine().say(OPEN)
    expect(slow.timers).toEqual(new Map([['negotiation', defaultLimits.negotiationMs]]))
    slow.give({ type: 'timeout', timer: 'open' })
    expect(slow.ended).toBeUndefined()
    slow.give({ type: 'timeout', timer: 'negotiation' })
    expect(slow.errors).toEqual(['connection-timeout'])
    expect(slow.ended).toMatchObject({ by: 'network', kind: 'timeout' })
  })

  it('is refused where another has proven itself meanwhile', () => {
    let taken = false
    const side = machine({ isTaken: () => taken }).say(OPEN)
    taken = true
    side.say(HANDSHAKE)
    expect(side.established).toBeNull()
    expect(side.errors).toEqual(['conflict'])
  })

  it('a wrong secret is told the same whether or not another is there by then', () => {
    let taken = false
    const side = machine({ isTaken: () => taken }).say(OPEN)
    taken = true
    side.say('<handshake>0</handshake>')
    expect(side.errors).toEqual(['not-authorized'])
  })

  it('hears the component’s own error, and answers none', () => {
    for (const side of [machine().say(OPEN), established()]) {
      side.say(error('conflict'))
      expect(side.errors).toEqual([])
      expect(side.transcript.at(-1)).toBe('close')
      side.say('</stream:stream>')
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'reported', condition: 'conflict' })
    }
  })

  it('a close before it stands is no orderly end', () => {
    const early = machine().say(OPEN, '</stream:stream>').give({ type: 'transport-closed', failure: null })
    expect(early.ended).toMatchObject({ by: 'peer', kind: 'closed' })
    const late = established().say('</stream:stream>').give({ type: 'transport-closed', failure: null })
    expect(late.ended).toBeNull()
  })

  it.each([
    ['a stanza', MESSAGE, 'not-authorized'],
    ['features', `<stream:features/>`, 'unsupported-stanza-type'],
    ['STARTTLS', `<starttls xmlns='${NS.tls}'/>`, 'unsupported-stanza-type'],
    ['another header', `<stream:stream/>`, 'unsupported-stanza-type'],
    ['a comment', '<!-- x -->', 'restricted-xml'],
    ['more than 10 000 bytes', `<handshake>${'0'.repeat(20_000)}</handshake>`, 'policy-violation'],
  ])('takes no %s for a handshake', (_, said, condition) => {
    const side = machine().say(OPEN, said)
    expect(side.errors).toEqual([condition])
    expect(side.ended).toMatchObject({ by: 'peer', kind: 'violation' })
  })

  it('takes what is still on its way after our close, from the component alone', () => {
    const side = established().give({ type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stop' } })
    side.say(MESSAGE, MESSAGE.replace('bot.example', 'other.example'), '</stream:stream>')
    expect(side.errors).toEqual(['system-shutdown'])
    expect(side.stanzas).toHaveLength(1)
  })
})

// Whatever comes, in whatever order; the kit's Side throws where outputs break a rule.

const WORDS: readonly string[] = [
  OPEN,
  WIRE.open({ to: 'other.example' }),
  HANDSHAKE,
  HANDSHAKE,
  '<handshake/>',
  MESSAGE,
  MESSAGE,
  MESSAGE.replace('bot.example', 'other.example'),
  MESSAGE.replace('message ', `message xmlns='jabber:server' `),
  '<route/>',
  `<foo xmlns='urn:x'/>`,
  error('conflict'),
  '<!-- x -->',
  '</stream:stream>',
]

const INPUTS: readonly StreamInput[] = [
  { type: 'timeout', timer: 'open' },
  { type: 'timeout', timer: 'negotiation' },
  { type: 'timeout', timer: 'close' },
  { type: 'end', failure: null },
  { type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } },
  { type: 'end', failure: { by: 'us', kind: 'overload', detail: 'too much' } },
  { type: 'secured', peerCertificate: true },
  { type: 'transport-closed', failure: null },
]

it('in any order: never throws, stands only by the handshake, and ends once and last', () => {
  const move = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...WORDS) },
    { weight: 1, arbitrary: fc.constantFrom(...INPUTS) },
  )
  fc.assert(
    fc.property(fc.nat(3), fc.array(move, { maxLength: 20 }), (begun, moves) => {
      const side = machine()
      const played = [...[OPEN, HANDSHAKE, MESSAGE].slice(0, begun), ...moves]
      for (const each of played) {
        if (typeof each === 'string') side.say(each)
        else side.give(each)
      }
      if (side.established !== null) expect(played).toContain(HANDSHAKE)
      for (const { from } of side.stanzas) expect(from.domain).toBe(BOT)
      side.give({ type: 'transport-closed', failure: null })
      expect(side.outputs.filter(({ type }) => type === 'ended')).toHaveLength(1)
      expect(side.outputs.at(-1)?.type).toBe('ended')
    }),
    { numRuns: 2_000 },
  )
})
