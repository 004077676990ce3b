import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { element, iq, message, presence, type Stanza } from '../../../src/xmpp/index.ts'
import { type ManagedTown, ManagedTowns } from '../../kit/managed-towns.ts'

// Two federations whose streams are managed, real from the router to the wire, and everything that can happen between them in
// any order. Whatever it is, each account closes at each moment, and in the end every stanza has an outcome that is true.

type Kind = 'message' | 'presence' | 'probe' | 'request' | 'error'

type Act =
  | { readonly act: 'send'; readonly from: 0 | 1; readonly kind: Kind; readonly count: number }
  | { readonly act: 'cut' | 'turn' | 'settle' }
  | { readonly act: 'close'; readonly side: 0 | 1; readonly which: number }
  | { readonly act: 'forget'; readonly side: 0 | 1 }
  | { readonly act: 'slow'; readonly side: 0 | 1; readonly isSlow: boolean }
  | { readonly act: 'net'; readonly isUp: boolean }
  | { readonly act: 'pass'; readonly ms: number }

const side = fc.constantFrom<0 | 1>(0, 1)
const kind = fc.constantFrom<Kind>('message', 'message', 'message', 'presence', 'probe', 'request', 'error')

/** without `forget`, and within the time in which a stream can be resumed: nothing has to be sent twice */
const resumable: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('send'),
      from: side,
      kind,
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  { weight: 5, arbitrary: fc.constant<Act>({ act: 'cut' }) },
  { weight: 8, arbitrary: fc.constant<Act>({ act: 'turn' }) },
  { weight: 3, arbitrary: fc.constant<Act>({ act: 'settle' }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('slow'), side, isSlow: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ act: fc.constant('pass'), ms: fc.constantFrom(1, 200, 1_000, 6_000) }),
  },
)
const anything: fc.Arbitrary<Act> = fc.oneof(
  { weight: 12, arbitrary: resumable },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('close'), side, which: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('forget'), side }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('net'), isUp: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ act: fc.constant('pass'), ms: fc.constantFrom(30_000, 100_000, 400_000) }),
  },
)

class Model {
  readonly world: ManagedTowns
  /** by town: what was sent from there, in its order */
  readonly sent: readonly [Stanza[], Stanza[]] = [[], []]
  #number = 0

  constructor(seed: number, bidi: boolean) {
    this.world = new ManagedTowns(seed, bidi)
  }

  async do(act: Act): Promise<void> {
    const { world } = this
    switch (act.act) {
      case 'send':
        for (let left = act.count; left > 0; left--) this.#send(act.from, act.kind)
        break
      case 'cut':
        world.cut()
        break
      case 'turn':
        await turn()
        break
      case 'settle':
        for (const town of world.towns) town.open.shift()?.()
        break
      case 'slow':
        world.towns[act.side].isSlow = act.isSlow
        break
      case 'close': {
        const standing = [...world.towns[act.side].sessions]
        standing[act.which % standing.length]?.end(null)
        break
      }
      case 'forget':
        // A process that ends takes its connections along.
        world.cut()
        world.towns[act.side].forget()
        break
      case 'net':
        world.isUp = act.isUp
        break
      case 'pass':
        await world.clock.pass(act.ms, Math.max(1, act.ms / 20))
        break
    }
  }

  /** What holds at any moment. */
  check(): void {
    for (const { router } of this.world.towns) {
      const { accepted, held, resent, ...outcomes } = router.account()
      expect(Object.values(outcomes).every(count => count >= 0)).toBe(true)
      expect(held).toBeGreaterThanOrEqual(0)
      expect(Object.values(outcomes).reduce((sum, count) => sum + count, held)).toBe(accepted)
    }
  }

  /** Let everything come to its end. */
  async finish(): Promise<void> {
    this.world.isUp = true
    for (const town of this.world.towns) town.isSlow = false
    for (let round = 0; round < 40; round++) {
      for (const town of this.world.towns) for (const settle of town.open.splice(0)) settle()
      await this.world.clock.pass(20_000, 2_000)
      this.check()
    }
    for (const { router } of this.world.towns) expect(router.account().held).toBe(0)
  }

  /** What has become of what one town has sent. */
  fate(from: 0 | 1) {
    const [town, other] = from === 0 ? this.world.towns : [this.world.montague, this.world.capulet]
    const own = new Set(this.sent[from].map(({ id }) => id))
    const arrived = idsOf(other).filter(id => own.has(id))
    const told = new Map(
      town.delivered
        .filter(stanza => stanza.type === 'error' && own.has(stanza.id))
        .map(stanza => [stanza.id, Buffer.from(stanza.bytes).toString()]),
    )
    return { town, arrived, told, seen: new Set(arrived) }
  }

  #send(from: 0 | 1, kind: Kind): void {
    const [sender, hearer] = ['juliet@capulet.example', 'romeo@montague.example']
    const addresses = from === 0 ? { from: sender, to: hearer } : { from: hearer, to: sender }
    this.#number += 1
    const stanza = composed(kind, { ...addresses, id: `n${this.#number}` } as {
      from: string
      to: string
      id: string
    })
    this.sent[from].push(stanza)
    void this.world.towns[from].router.send(stanza)
  }
}

function composed(kind: Kind, fields: { from: string; to: string; id: string }): Stanza {
  switch (kind) {
    case 'message':
      return message({ ...fields, type: 'chat', body: fields.id })
    case 'presence':
      return presence(fields)
    case 'probe':
      return presence({ ...fields, type: 'probe' })
    case 'request':
      return iq({ ...fields, type: 'get', payload: element('query', 'urn:example:query') })
    case 'error':
      return message({ ...fields, type: 'error' })
  }
}

function idsOf({ delivered }: ManagedTown): string[] {
  return delivered.map(({ id }) => id)
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** Each has reached the other: from then on a cut is no reason to give up. */
const ACQUAINTED: readonly Act[] = [
  { act: 'send', from: 0, kind: 'message', count: 1 },
  { act: 'send', from: 1, kind: 'message', count: 1 },
  { act: 'pass', ms: 1_000 },
]

async function play(acts: readonly Act[], seed: number, bidi: boolean): Promise<Model> {
  const model = new Model(seed, bidi)
  for (const act of acts) {
    await model.do(act)
    model.check()
  }
  await model.finish()
  return model
}

const seed = fc.integer({ min: 1, max: 2 ** 30 })
const RUNS = { numRuns: 150, seed: 5, endOnFailure: true }

describe.each([
  ['on a stream of each', false],
  ['both ways on one', true],
])('stanzas that are acknowledged, %s', (_, bidi) => {
  it('the account closes at each moment, whatever happens; all have an outcome, and it is true', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anything, { minLength: 20, maxLength: 60, size: 'max' }),
        seed,
        async (acts, at) => {
          const model = await play(acts, at, bidi)
          let resent = 0
          let twice = 0
          for (const from of [0, 1] as const) {
            const { town, arrived, told, seen } = model.fate(from)
            resent += town.router.account().resent
            twice += arrived.length - seen.size
            for (const { id, kind, type } of model.sent[from]) {
              // Nobody is told that it was not delivered what was.
              if (seen.has(id) && told.has(id))
                expect(told.get(id)).toContain('may or may not have been delivered')
              if (type !== 'error') expect([kind, id, seen.has(id) || told.has(id)]).toEqual([kind, id, true])
            }
          }
          expect(twice).toBeLessThanOrEqual(resent)
        },
      ),
      RUNS,
    )
  })

  it('where every stream can be resumed, all arrives, once and in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(resumable, { minLength: 20, maxLength: 80, size: 'max' }),
        seed,
        async (acts, at) => {
          const model = await play([...ACQUAINTED, ...acts], at, bidi)
          for (const from of [0, 1] as const) {
            const { town, arrived, told } = model.fate(from)
            expect(arrived).toEqual(model.sent[from].map(({ id }) => id))
            expect(told.size).toBe(0)
            expect(town.router.account()).toMatchObject({ resent: 0, inDoubt: 0, bounced: 0 })
          }
        },
      ),
      RUNS,
    )
  })
})
