import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StreamInput } from '../../../src/stream/index.ts'
import {
  error,
  establishedInitiating,
  establishedReceiving,
  GOOD_MESSAGE,
  ID_3,
  type Initiating,
  type Receiving,
  SM_OFFERED,
  sm,
  smFailed,
  WIRES,
  type Wire,
} from '../../kit/streams.ts'

// Stream management on a stream that stands, in any order. The kit's Side throws where it is on twice, where an ack is
// heard without it, and where a question comes that can no longer be answered.

const OFFERED = { sm: { id: ID_3, maxSeconds: 300 } } as const

/** What is answered, by whoever takes streams. */
const REQUESTS = [
  sm('enable'),
  sm('enable', `resume='true'`),
  sm('resume', `previd='${ID_3}' h='1'`),
  sm('resume', `previd='another' h='4294967295'`),
  sm('r'),
]
const ANSWERS = [
  sm('enabled'),
  sm('enabled', `id='${ID_3}' resume='true' max='300'`),
  sm('resumed', `previd='${ID_3}' h='1'`),
  smFailed('item-not-found', `h='1'`),
  smFailed('unexpected-request'),
]

const words = (wire: Wire): readonly string[] => [
  ...REQUESTS,
  ...ANSWERS,
  ...REQUESTS,
  ...ANSWERS,
  ...REQUESTS,
  ...ANSWERS,
  sm('a', `h='1'`),
  sm('a', `h='4294967295'`),
  sm('a', `h='4294967296'`),
  sm('oath'),
  GOOD_MESSAGE,
  error('conflict'),
  wire.close,
]

const inputs: readonly StreamInput[] = [
  { type: 'manage', how: { type: 'enable', resume: true } },
  { type: 'manage', how: { type: 'enable', resume: false } },
  { type: 'manage', how: { type: 'resume', previd: ID_3, h: 0 } },
  { type: 'resumption', h: 7 },
  { type: 'resumption', h: null },
  { type: 'timeout', timer: 'management' },
  { type: 'timeout', timer: 'close' },
  { type: 'end', failure: null },
]

type Move = { readonly say: string } | { readonly give: StreamInput }

const moves = (wire: Wire): fc.Arbitrary<readonly Move[]> =>
  fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...words(wire)).map(say => ({ say })) },
      { weight: 2, arbitrary: fc.constantFrom(...inputs).map(give => ({ give })) },
    ),
    { maxLength: 20 },
  )

function play(side: Receiving | Initiating, move: Move): void {
  if ('say' in move) side.say(move.say)
  else side.give(move.give)
}

const RUNS = { numRuns: 2_000 }

describe.each(WIRES)('stream management over $name', wire => {
  it('receiving: each request has one answer, and nothing else has', () => {
    fc.assert(
      fc.property(moves(wire), played => {
        const side = establishedReceiving(wire, OFFERED)
        const answers = () =>
          side.transcript.filter(name => name === 'enabled' || name === 'resumed' || name === 'failed')
            .length + side.requests
        let asked = 0
        for (const move of played) {
          const stands = side.state.type === 'established'
          play(side, move)
          if (stands && 'say' in move && REQUESTS.includes(move.say)) asked += 1
          if (side.state.type !== 'established') continue
          const isWaiting = typeof side.state.sm === 'object' ? 1 : 0
          expect(answers() + isWaiting).toBe(asked)
        }
        expect(side.managed.length).toBeLessThanOrEqual(1)
      }),
      RUNS,
    )
  })

  it('initiating: of each request the caller hears once what came of it, and one at a time is out', () => {
    fc.assert(
      fc.property(moves(wire), played => {
        const side = establishedInitiating(wire, { sm: 'offered' }, SM_OFFERED)
        for (const move of played) {
          play(side, move)
          if (side.state.type !== 'established') continue
          const asked = side.transcript.filter(name => name === 'enable' || name === 'resume').length
          const { sm: state } = side.state
          const isOut = typeof state === 'object' && state.type !== 'available'
          expect(side.managed.length).toBe(asked - (isOut ? 1 : 0))
          expect([...side.timers.keys()]).toEqual(isOut ? ['management'] : [])
        }
      }),
      RUNS,
    )
  })
})
