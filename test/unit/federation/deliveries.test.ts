import { beforeEach, describe, expect, it } from 'vitest'
import { type Event, Observer } from '../../../src/base/index.ts'
import { Account } from '../../../src/federation/account.ts'
import { Deliveries } from '../../../src/federation/deliveries.ts'
import type { Delivery, Host } from '../../../src/federation/index.ts'
import type { Stanza } from '../../../src/xmpp/index.ts'
import { CAPULET, MONTAGUE, numbered, RecordedReturns } from '../../kit/scripted-network.ts'

let answer: (stanza: Stanza) => Delivery | Promise<Delivery>
let account: Account
let returns: RecordedReturns
let events: Event[]
let deliveries: Deliveries

beforeEach(() => {
  answer = () => ({ taken: true })
  account = new Account()
  returns = new RecordedReturns()
  events = []
  const observer = new Observer()
  observer.subscribe(event => events.push(event))
  const host: Host = { name: 'test', start() {}, deliver: stanza => answer(stanza), stop: async () => {} }
  deliveries = new Deliveries({ hosts: new Map([[CAPULET, host]]), returns, account, observer })
})

const incoming = (number: number) => numbered(number, { from: MONTAGUE, to: CAPULET })

describe('deliveries', () => {
  it('count what a host took, at once and later', async () => {
    expect(deliveries.deliver(incoming(1))).toBeUndefined()
    expect(account.delivered).toBe(1)
    answer = async () => ({ taken: true })
    const busy = deliveries.deliver(incoming(2))
    expect([account.delivered, deliveries.held]).toEqual([1, 1])
    await busy
    expect([account.delivered, deliveries.held]).toEqual([2, 0])
  })

  it('bounce what a host refuses, with its condition, type and text', async () => {
    const refusal = { taken: false, condition: 'not-allowed', type: 'auth', text: 'no' } as const
    answer = () => refusal
    deliveries.deliver(incoming(1))
    answer = async () => refusal
    await deliveries.deliver(incoming(2))
    expect(returns.bounced).toEqual([
      { number: 1, error: refusal },
      { number: 2, error: refusal },
    ])
    expect([account.delivered, deliveries.held]).toEqual([0, 0])
  })

  it.each<[string, () => Delivery | Promise<Delivery>]>([
    [
      'throws',
      () => {
        throw new RangeError('too deep')
      },
    ],
    ['rejects', () => Promise.reject(new RangeError('too deep'))],
    [
      'throws what is no error',
      () => {
        throw 'too deep'
      },
    ],
    ['gives no delivery', () => JSON.parse('null')],
    ['promises no delivery', async () => JSON.parse('{"condition":"gone"}')],
  ])('survive a host that %s: internal-server-error, told once', async (_, broken) => {
    answer = broken
    await deliveries.deliver(incoming(1))
    expect(returns.bounced).toEqual([
      { number: 1, error: { taken: false, condition: 'internal-server-error' } },
    ])
    expect(events).toHaveLength(1)
    expect(events[0]).toMatchObject({ type: 'host:failed', domain: CAPULET })
    expect([account.delivered, deliveries.held]).toEqual([0, 0])
    expect(deliveries.isAnswering(CAPULET, MONTAGUE)).toBe(false)
  })

  it('know from whom a host has something in hand, within the call and until its promise settles', async () => {
    const seen: boolean[] = []
    let finish = (_: Delivery) => {}
    answer = stanza => {
      seen.push(deliveries.isAnswering(CAPULET, MONTAGUE), deliveries.isAnswering(MONTAGUE, CAPULET))
      if (stanza.id === '1') return { taken: true }
      return new Promise(resolve => {
        finish = resolve
      })
    }
    deliveries.deliver(incoming(1))
    expect(seen).toEqual([true, false])
    expect(deliveries.isAnswering(CAPULET, MONTAGUE)).toBe(false)
    const first = deliveries.deliver(incoming(2))
    const finishFirst = finish
    const second = deliveries.deliver(incoming(3))
    finishFirst({ taken: true })
    await first
    expect(deliveries.isAnswering(CAPULET, MONTAGUE)).toBe(true)
    finish({ taken: true })
    await second
    expect(deliveries.isAnswering(CAPULET, MONTAGUE)).toBe(false)
  })

  it('hand over errors outside the account, and never answer them', async () => {
    answer = () => ({ taken: false, condition: 'service-unavailable' })
    deliveries.deliverError(incoming(1))
    answer = () => Promise.reject(new Error('broken'))
    await deliveries.deliverError(incoming(2))
    expect(returns.bounced).toEqual([])
    expect(account).toEqual(new Account())
    expect(events).toMatchObject([{ type: 'host:failed', detail: 'Error: broken' }])
  })

  it('deliver nothing after the stop, and what nobody serves never', () => {
    answer = () => {
      throw new Error('not to be called')
    }
    deliveries.deliver(numbered(1, { from: CAPULET, to: MONTAGUE }))
    deliveries.stop()
    deliveries.deliver(incoming(2))
    deliveries.deliverError(incoming(3))
    expect(returns.bounced.map(({ number, error }) => [number, error.condition])).toEqual([
      [1, 'service-unavailable'],
      [2, 'service-unavailable'],
    ])
    expect(events).toEqual([])
  })
})
