import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamInput } from '../../../src/stream/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  DIALBACK_OFFERED,
  db,
  domain,
  EXTERNAL_OFFERED,
  error,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  ID_1,
  ID_2,
  type Initiating,
  initiating,
  inTheClear,
  Line,
  MONTAGUE,
  message,
  proven,
  type Receiving,
  receiving,
  SECRETS,
  SM_OFFERED,
  SUCCESS,
  sasl,
  sm,
  TO_CAPULET,
  TO_MONTAGUE,
  unproven,
  type Verifying,
  verifying,
  WIRES,
  type Wire,
} from '../../kit/streams.ts'

// Whatever comes, in whatever order. The kit's Side throws where outputs break a rule: nothing after `ended`, nothing
// written after the close or between plaintext and TLS, no stanza before `established` or of a domain that is not
// proven, one `established`, one end of the transport; stream management on once at most, and no ack where it is not.

const VERONA = domain('verona.example')
const STARTTLS = `<starttls xmlns='${NS.tls}'/>`
const PROCEED = `<proceed xmlns='${NS.tls}'/>`
const VALID = db('result', { ...TO_CAPULET, type: 'valid' })

const REQUESTS = [
  `<bidi xmlns='${NS.bidi}'/>`,
  `<bidi xmlns='${NS.bidiFeature}'/>`,
  `<bidi xmlns='${NS.bidi}'><limits xmlns='${NS.limits}'><max-bytes>20000</max-bytes></limits></bidi>`,
]

/** More of it on a stream that stands: management-interleavings. */
const MANAGEMENT = [
  features(SM_OFFERED),
  sm('enable'),
  sm('resume', `previd='x' h='1'`),
  sm('r'),
  sm('a', `h='1'`),
]

/** What a peer may say: right things often enough to come far, and wrong ones. */
const words = (wire: Wire): readonly string[] => [
  wire.open(FROM_CAPULET),
  wire.open(FROM_CAPULET),
  wire.open({ ...FROM_CAPULET, from: 'verona.example' }),
  wire.open({ ...FROM_CAPULET, to: 'nosuch.example' }),
  wire.open({}),
  wire.open({ 'xmlns:db': NS.dialback, id: 'old' }),
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
  STARTTLS,
  STARTTLS,
  PROCEED,
  PROCEED,
  features(STARTTLS),
  features(`${STARTTLS}<dialback xmlns='${NS.dialbackFeature}'/><bidi xmlns='${NS.bidiFeature}'/>`),
  DIALBACK_OFFERED,
  db('result', TO_MONTAGUE, 'key'),
  db('result', TO_MONTAGUE, 'another'),
  db('result', { ...TO_MONTAGUE, from: 'verona.example' }, 'key'),
  db('result', { ...TO_MONTAGUE, to: 'nosuch.example' }, 'key'),
  db('result', { from: 'capulet.example' }, 'key'),
  db('result', { ...TO_MONTAGUE, type: 'valid' }),
  VALID,
  VALID,
  db('result', { ...TO_CAPULET, type: 'error' }),
  db('verify', { ...TO_MONTAGUE, id: ID_1 }, 'key'),
  db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'valid' }),
  ...REQUESTS,
  ...MANAGEMENT,
  `<foo xmlns='urn:x'/>`,
  '<!-- x -->',
  '<a>',
  '',
]

const inputs: readonly StreamInput[] = [
  { type: 'identity', verdict: proven(CAPULET) },
  { type: 'identity', verdict: proven(MONTAGUE) },
  { type: 'identity', verdict: proven(VERONA) },
  { type: 'identity', verdict: unproven(CAPULET) },
  { type: 'secured', peerCertificate: true },
  { type: 'secured', peerCertificate: true },
  { type: 'secured', peerCertificate: false },
  { type: 'timeout', timer: 'open' },
  { type: 'timeout', timer: 'negotiation' },
  { type: 'timeout', timer: 'close' },
  { type: 'timeout', timer: 'management' },
  { type: 'manage', how: { type: 'resume', previd: 'x', h: 0 } },
  { type: 'resumption', h: null },
  { type: 'end', failure: null },
  { type: 'end', failure: { by: 'us', kind: 'shutdown', detail: 'stopping' } },
  { type: 'end', failure: { by: 'us', kind: 'overload', detail: 'too much' } },
  { type: 'transport-closed', failure: null },
]

/** `answer` is to one of the keys that the machine has asked about, at any time after. */
type Move =
  | { readonly say: string }
  | { readonly give: StreamInput }
  | { readonly answer: 'valid' | 'invalid' | 'error'; readonly at: number }

const moves = (wire: Wire): fc.Arbitrary<readonly Move[]> =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...words(wire)).map(say => ({ say })) },
      { weight: 1, arbitrary: fc.constantFrom(...inputs).map(give => ({ give })) },
      {
        weight: 2,
        arbitrary: fc.record({
          answer: fc.constantFrom('valid', 'valid', 'invalid', 'error'),
          at: fc.nat(20),
        }),
      },
    ),
    { maxLength: 25 },
  )

type Any = Receiving | Initiating | Verifying

/** @returns the domains that the moves have proven, by whatever they were given */
function play(side: Any, played: readonly Move[]): Set<string> {
  const given = new Set<string>()
  for (const move of played) {
    if ('say' in move) side.say(move.say)
    else if ('answer' in move) {
      const asked = side.asked[move.at % Math.max(1, side.asked.length)]
      if (asked === undefined) continue
      if (move.answer === 'valid') given.add(asked.pair.remote)
      side.answer(move.answer, side.asked.indexOf(asked))
    } else {
      if (move.give.type === 'identity' && move.give.verdict.ok) given.add(move.give.verdict.domain)
      side.give(move.give)
    }
    checkDeadlines(side)
  }
  return given
}

/** Each state has exactly one deadline, but where TLS has its own, and where the peer is proven and nothing is asked of it. */
function checkDeadlines(side: Any): void {
  if (side.ended !== undefined) return
  const { type } = side.state
  const hasNone = type === 'awaiting-tls' || (type === 'established' && !isResuming(side.state))
  expect([type, side.timers.size]).toEqual([type, hasNone ? 0 : 1])
}

function isResuming(state: object): boolean {
  return 'sm' in state && typeof state.sm === 'object' && state.sm !== null && 'type' in state.sm
    ? state.sm.type === 'resuming'
    : false
}

function checkEnd(side: Any): void {
  side.give({ type: 'transport-closed', failure: null })
  expect(side.outputs.filter(({ type }) => type === 'ended')).toHaveLength(1)
  expect(side.outputs.at(-1)?.type).toBe('ended')
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

  const settings = {
    receiving: [
      {},
      { dialback: SECRETS.montague },
      { bidi: true },
      { dialback: SECRETS.montague, bidi: true },
      { dialback: SECRETS.montague, sm: { id: ID_2, maxSeconds: 300 } },
      ...(wire.name === 'tcp'
        ? [
            {
              ...inTheClear(wire),
              dialback: SECRETS.montague,
              starttls: 'offered',
              bidi: true,
              legacy: true,
            } as const,
            { ...inTheClear(wire), starttls: 'required' } as const,
          ]
        : []),
    ],
    initiating: [
      {},
      { dialback: SECRETS.capulet, bidi: true },
      { bidi: true, sm: 'always' } as const,
      { dialback: SECRETS.capulet, sm: 'offered' } as const,
      ...(wire.name === 'tcp'
        ? [
            { ...clear(wire), dialback: SECRETS.capulet, bidi: true },
            { ...clear(wire), dialback: SECRETS.capulet, starttls: 'offered', bidi: true } as const,
            { ...clear(wire), peer: 'by-starttls', starttls: 'required' } as const,
          ]
        : []),
    ],
  }

  it('receiving: never throws, takes whom a verdict or an answer has proven, both ways only where asked, and ends once and last', () => {
    fc.assert(
      fc.property(
        fc.nat(4),
        fc.constantFrom(...settings.receiving),
        fc.boolean(),
        moves(wire),
        (begun, setting, waits, played) => {
          const asked = new Set<string>()
          const side = receiving(wire, setting)
          side.verdict = waits
            ? null
            : claimed => {
                if (claimed === CAPULET) asked.add(claimed)
                return claimed === CAPULET ? proven(claimed) : unproven(claimed)
              }
          const all = [...openings.receiving.slice(0, begun).map(say => ({ say })), ...played]
          const given = play(side, all)
          for (const domain of side.authorised) expect(asked.has(domain) || given.has(domain)).toBe(true)
          for (const { to } of side.stanzas) expect(to.domain).toBe(MONTAGUE)
          if (side.established?.bidi === true || side.bidi !== null) {
            expect(setting).toHaveProperty('bidi', true)
            expect(side.sent.join('')).toContain(NS.bidiFeature)
            expect(all.some(move => 'say' in move && REQUESTS.includes(move.say))).toBe(true)
          }
          if (!side.secured && 'starttls' in setting && setting.starttls === 'required')
            expect(side.established).toBeNull()
          checkEnd(side)
        },
      ),
      RUNS,
    )
  })

  it('initiating: never throws, stands only after a success or an answer to its key, and ends once and last', () => {
    fc.assert(
      fc.property(
        fc.nat(5),
        fc.constantFrom(...settings.initiating),
        moves(wire),
        (begun, setting, played) => {
          const side = initiating(wire, setting)
          side.verdict = claimed => proven(claimed)
          const all = [...openings.initiating.slice(0, begun).map(say => ({ say })), ...played]
          play(side, all)
          if (side.established !== null) {
            const { proof } = side.established
            expect(proof.domain).toBe(MONTAGUE)
            const [word, ours] = proof.method === 'dialback' ? [VALID, 'result'] : [SUCCESS, 'auth']
            expect(all).toContainEqual({ say: word })
            expect(side.transcript).toContain(ours)
            if ('starttls' in setting && setting.starttls === 'required') expect(side.secured).toBe(true)
          }
          if (side.established?.bidi !== true) expect(side.stanzas).toEqual([])
          checkEnd(side)
        },
      ),
      RUNS,
    )
  })

  it('verifying: never throws, finds out what it was told and no more, and ends once and last', () => {
    const answer = db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'valid' })
    fc.assert(
      fc.property(fc.nat(2), moves(wire), (begun, played) => {
        const side = verifying(wire)
        const opening = [wire.open(FROM_CAPULET), features('')].slice(0, begun)
        const all = [...opening.map(say => ({ say })), ...played]
        play(side, all)
        if (side.verified?.type === 'valid') {
          expect(all).toContainEqual({ say: answer })
          expect(side.transcript).toContain('verify')
        }
        expect([side.stanzas, side.established]).toEqual([[], null])
        checkEnd(side)
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

function clear(wire: Wire) {
  return { policy: inTheClear(wire).policy, peer: 'configured-address' } as const
}
