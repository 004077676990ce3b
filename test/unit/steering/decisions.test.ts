import { describe, expect, it } from 'vitest'
import { type Event, Observer } from '../../../src/base/index.ts'
import { type Decide, Decisions } from '../../../src/steering/decisions.ts'
import { type Domain, parseDomain } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'

const domain = (text: string): Domain => {
  const parsed = parseDomain(text)
  if (parsed === null) throw new Error(text)
  return parsed
}
const montague = domain('montague.example')

function setting(decide: Decide, steeringQueries = 8) {
  const clock = new VirtualClock()
  const observer = new Observer()
  const events: Event[] = []
  observer.subscribe(event => events.push(event))
  const limits = { steeringDecisionMs: 3_000, steeringQueries }
  const decisions = new Decisions({ decide, observer, limits, clock })
  return { clock, events, decisions }
}

function pending() {
  const settlers: { resolve: (steered: boolean) => void; reject: (error: Error) => void }[] = []
  const decide = () => new Promise<boolean>((resolve, reject) => settlers.push({ resolve, reject }))
  return { decide, settlers }
}

describe('a decision', () => {
  it('is what is decided, and told', async () => {
    const { decisions, events } = setting(name => name === montague)
    expect(await decisions.about(montague)).toBe(true)
    expect(await decisions.about(domain('capulet.example'))).toBe(false)
    expect(events).toMatchObject([
      { type: 'steering:decided', domain: 'montague.example', steered: true, outcome: 'decided' },
      { domain: 'capulet.example', steered: false, outcome: 'decided' },
    ])
    expect(decisions.inFlight).toBe(0)
  })

  it('is one for all who ask meanwhile', async () => {
    const { decide, settlers } = pending()
    const { decisions, events } = setting(decide)
    const all = Promise.all([decisions.about(montague), decisions.about(montague)])
    expect(settlers).toHaveLength(1)
    settlers[0]?.resolve(true)
    expect(await all).toEqual([true, true])
    expect(events).toHaveLength(1)
    void decisions.about(montague)
    expect(settlers).toHaveLength(2)
  })

  it('that is late counts as no; those who come later do not wait; once it is there, it counts', async () => {
    const { decide, settlers } = pending()
    const { decisions, events, clock } = setting(decide)
    const first = decisions.about(montague)
    clock.advance(2_999)
    expect(events).toEqual([])
    clock.advance(1)
    expect(await first).toBe(false)
    expect(await decisions.about(montague)).toBe(false)
    expect(settlers).toHaveLength(1)
    expect(events).toMatchObject([{ outcome: 'late', steered: false, ms: 3_000 }])
    settlers[0]?.resolve(true)
    await new Promise(resolve => setImmediate(resolve))
    expect(events).toHaveLength(1)
    const again = decisions.about(montague)
    settlers[1]?.resolve(true)
    expect(await again).toBe(true)
    expect(clock.pending()).toBe(0)
  })

  it.each<[string, Decide]>([
    ['rejects', () => Promise.reject(new Error('broken'))],
    [
      'throws',
      () => {
        throw new Error('broken')
      },
    ],
  ])('that %s counts as no', async (_, decide) => {
    const { decisions, events, clock } = setting(decide)
    expect(await decisions.about(montague)).toBe(false)
    expect(events).toMatchObject([{ outcome: 'failed', detail: 'Error: broken' }])
    expect([decisions.inFlight, clock.pending()]).toEqual([0, 0])
  })

  it('is not begun where too many never end', async () => {
    const { decide } = pending()
    const { decisions, events, clock } = setting(decide, 2)
    void decisions.about(domain('a.example'))
    void decisions.about(domain('b.example'))
    clock.advance(60_000)
    expect(await decisions.about(montague)).toBe(false)
    expect(decisions.inFlight).toBe(2)
    expect(events.at(-1)).toMatchObject({ outcome: 'overload', domain: 'montague.example' })
  })
})
