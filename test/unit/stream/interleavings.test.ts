import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamInput } from '../../../src/stream/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  domain,
  EXTERNAL_OFFERED,
  error,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  type Initiating,
  initiating,
  Line,
  MONTAGUE,
  message,
  proven,
  type Receiving,
  receiving,
  SUCCESS,
  sasl,
  unproven,
  WIRES,
  type Wire,
} from '../../kit/streams.ts'

// Whatever comes, in whatever order. The kit's Side throws where outputs break a rule: nothing after `ended`, nothing
// written after the close, no stanza before `established`, one `established`, one end of the transport.

const VERONA = domain('verona.example')

/** What a peer may say: right things often enough to come far, and wrong ones. */
const words = (wire: Wire): readonly string[] => [
  wire.open(FROM_CAPULET),
  wire.open(FROM_CAPULET),
  wire.open({ ...FROM_CAPULET, from: 'verona.example' }),
  wire.open({ ...FROM_CAPULET, to: 'nosuch.example' }),
  wire.open({}),
  wire.open(FROM_MONTAGUE),
  wire.open(FROM_MONTAGUE),
  wire.open({ ...FROM_MONTAGUE, from: 'verona.example' }),
  wire.close,
  EXTERNAL_OFFERED,
  EXTERNAL_OFFERED,
  features(''),
  features(''),
  features(`<oath xmlns='urn:x'><required/></oath>`),
  auth('='),
  auth('Y2FwdWxldC5leGFtcGxl'),
  auth(),
  auth('*'),
  sasl('response', '='),
  sasl('abort'),
  sasl('challenge'),
  sasl('failure', '<not-authorized/>'),
  SUCCESS,
  SUCCESS,
  GOOD_MESSAGE,
  message(`from='tybalt@verona.example' to='romeo@montague.example'`),
  message(`from='romeo@montague.example' to='juliet@capulet.example'`),
  error('conflict'),
  `<starttls xmlns='${NS.tls}'/>`,
  `<db:result xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example'>key</db:result>`,
  `<db:result xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example' type='valid'/>`,
  `<foo xmlns='urn:x'/>`,
  '<!-- x -->',
  '<a>',
  '',
]

const inputs: readonly StreamInput[] = [
  { type: 'identity', verdict: proven(CAPULET) },
  { type: 'identity', verdict: proven(VERONA) },
  { type: 'identity', verdict: unproven(CAPULET) },
  { type: 'timeout', timer: 'open' },
  { type: 'timeout', timer: 'negotiation' },
  { type: 'timeout', timer: 'close' },
  { type: 'end', failure: null },
  { type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } },
  { type: 'end', failure: { by: 'us', kind: 'overload', detail: 'too much' } },
  { type: 'transport-closed', failure: null },
]

type Move = { readonly say: string } | { readonly give: StreamInput }

const moves = (wire: Wire): fc.Arbitrary<readonly Move[]> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...words(wire)).map(say => ({ say })) },
      { weight: 1, arbitrary: fc.constantFrom(...inputs).map(give => ({ give })) },
    ),
    { maxLength: 25 },
  )

function play(side: Receiving | Initiating, played: readonly Move[]): void {
  for (const move of played) {
    if ('say' in move) side.say(move.say)
    else side.give(move.give)
  }
}

const RUNS = { numRuns: 2_000 }

describe.each(WIRES)('any order of things over $name', wire => {
  // A good beginning, cut anywhere, so that every state is reached.
  const openings = {
    receiving: [wire.open(FROM_CAPULET), auth('='), wire.open(FROM_CAPULET), GOOD_MESSAGE],
    initiating: [
      wire.open(FROM_MONTAGUE),
      EXTERNAL_OFFERED,
      SUCCESS,
      wire.open({ ...FROM_MONTAGUE, id: 'second' }),
      features(''),
    ],
  }

  it('receiving: never throws, is established only with a verdict for that very domain, and ends once and last', () => {
    fc.assert(
      fc.property(fc.nat(4), fc.boolean(), moves(wire), (begun, waits, played) => {
        const asked: string[] = []
        const side = receiving(wire)
        side.verdict = waits
          ? null
          : claimed => {
              asked.push(claimed)
              return claimed === CAPULET ? proven(claimed) : unproven(claimed)
            }
        play(side, [...openings.receiving.slice(0, begun).map(say => ({ say })), ...played])
        if (side.established !== null) {
          expect(side.established.pair).toEqual({ local: MONTAGUE, remote: CAPULET })
          expect(side.established.proof.domain).toBe(CAPULET)
          const wasGiven = played.some(move => 'give' in move && move.give === inputs[0])
          expect(asked.length > 0 || wasGiven).toBe(true)
        }
        for (const { from, to } of side.stanzas) expect([from.domain, to.domain]).toEqual([CAPULET, MONTAGUE])
        side.give({ type: 'transport-closed', failure: null })
        expect(side.outputs.filter(({ type }) => type === 'ended')).toHaveLength(1)
        expect(side.outputs.at(-1)?.type).toBe('ended')
      }),
      RUNS,
    )
  })

  it('initiating: never throws, takes no stanza, is established only after success, and ends once and last', () => {
    fc.assert(
      fc.property(fc.nat(5), moves(wire), (begun, played) => {
        const side = initiating(wire)
        const all = [...openings.initiating.slice(0, begun).map(say => ({ say })), ...played]
        play(side, all)
        if (side.established !== null) {
          expect(side.established.proof.domain).toBe(MONTAGUE)
          expect(side.transcript.slice(0, 2)).toEqual(['open', 'auth'])
          expect(all).toContainEqual({ say: SUCCESS })
        }
        expect(side.stanzas).toEqual([])
        side.give({ type: 'transport-closed', failure: null })
        expect(side.outputs.filter(({ type }) => type === 'ended')).toHaveLength(1)
        expect(side.outputs.at(-1)?.type).toBe('ended')
      }),
      RUNS,
    )
  })

  it('timers: once ended or established none is armed that the machine still waits for', () => {
    fc.assert(
      fc.property(fc.nat(4), moves(wire), (begun, played) => {
        const side = receiving(wire)
        play(side, [...openings.receiving.slice(0, begun).map(say => ({ say })), ...played])
        if (side.ended === undefined) {
          // Every state but `established` has exactly one deadline.
          expect([...side.timers]).toHaveLength(side.state.type === 'established' ? 0 : 1)
        }
      }),
      RUNS,
    )
  })

  it('two machines come to stand and end in order, whoever ends and whenever', () => {
    fc.assert(
      fc.property(fc.nat(1), fc.boolean(), (whose, both) => {
        const one = initiating(wire)
        const other = receiving(wire)
        const line = new Line(one, other)
        line.run()
        expect(one.isEstablished && other.isEstablished).toBe(true)
        const [first, second] = whose === 0 ? [one, other] : [other, one]
        first?.give({ type: 'end', failure: null })
        if (both) second?.give({ type: 'end', failure: null })
        line.run()
        expect([one.ended, other.ended]).toEqual([null, null])
      }),
    )
  })
})
