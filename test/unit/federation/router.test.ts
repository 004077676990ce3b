import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import type { Delivery, Host } from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import { element, iq, message, type Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { CAPULET, domain, LONGEST, MONTAGUE, REFUSED, ScriptedNetwork } from '../../kit/scripted-network.ts'

const ROOMS = domain('rooms.capulet.example')
const HALL = domain('hall.capulet.example')

let network: ScriptedNetwork
let router: Router
let delivered: Stanza[]
let answer: (stanza: Stanza) => Delivery | Promise<Delivery>

beforeEach(() => {
  network = new ScriptedNetwork()
  delivered = []
  answer = () => ({ taken: true })
  const host: Host = {
    name: 'test',
    start() {},
    deliver(stanza) {
      delivered.push(stanza)
      return answer(stanza)
    },
    stop: async () => {},
  }
  router = new Router({
    hosts: new Map([
      [CAPULET, host],
      [ROOMS, host],
      [HALL, host],
    ]),
    connect: network.connect,
    observer: new Observer(),
    limits: defaultLimits,
    clock: new VirtualClock(),
    random: LONGEST,
    schedule: setImmediate,
  })
})

/** Answers every message once, and waits for the room it is told to wait for: at once, or after some other work. */
function echo(work?: Promise<void>) {
  return async (stanza: Stanza): Promise<Delivery> => {
    if (stanza.id.startsWith('re') || stanza.type === 'error') return { taken: true }
    await work
    await router.send(message({ from: stanza.to, to: stanza.from, id: `re${stanza.id}`, body: 'x' }))
    return { taken: true }
  }
}

const errors = () => delivered.filter(({ type }) => type === 'error')

describe('a router', () => {
  it.each([
    ['to itself', CAPULET, undefined],
    ['to itself, taking its time', CAPULET, Promise.resolve()],
    ['to another one', ROOMS, undefined],
    ['to another one, taking its time', ROOMS, Promise.resolve()],
  ])('does not let a local domain that answers wait for itself: %s', async (_, to, work) => {
    answer = echo(work)
    const count = 2 * defaultLimits.queueSlowStanzas
    for (const [from, there] of [
      [CAPULET, to],
      [to, CAPULET],
    ] as const) {
      // At once, so that both ways are crowded from the start.
      for (let number = 0; number < count / 4; number++) {
        router.send(message({ from, to: there, id: `${from}${number}`, body: 'x'.repeat(1_000) }))
      }
    }
    for (let number = 0; number < count; number++) {
      await router.send(message({ from: CAPULET, to, id: `${number}`, body: 'x'.repeat(1_000) }))
    }
    await router.settled()
    const { held, accepted, delivered: taken } = router.account()
    expect([held, errors().length]).toEqual([0, 0])
    expect(taken).toBe(accepted)
    expect(accepted).toBe(3 * count)
  })

  it('does not let a host that tries again on errors wait for itself', async () => {
    // Two ways at once, so that there are more errors than one of them could hold.
    const count = 3 * defaultLimits.queueStanzas
    let sent = 2 * defaultLimits.queueStanzas
    const again = (id: number) =>
      message({ from: CAPULET, to: id % 2 === 0 ? ROOMS : HALL, id: String(id), body: 'x' })
    answer = async stanza => {
      if (stanza.type !== 'error') return { taken: false, condition: 'service-unavailable' }
      if (sent < count) await router.send(again(sent++))
      return { taken: true }
    }
    for (let number = 0; number < 2 * defaultLimits.queueStanzas; number++) router.send(again(number))
    await router.settled()
    expect(router.account()).toMatchObject({ accepted: count, bounced: count, held: 0 })
  })

  it('returns everything that waited when a dial fails, however much it is', async () => {
    const payload = element('x', 'urn:example:x', {}, 'x'.repeat(8_000))
    const count = 450
    for (let number = 0; number < count; number++) {
      router.send(iq({ from: CAPULET, to: MONTAGUE, type: 'set', id: String(number), payload }))
    }
    expect(network.dials).toHaveLength(1)
    network.last.fail(REFUSED)
    await router.settled()
    expect(errors().map(({ id }) => Number(id))).toEqual(Array.from({ length: count }, (_, index) => index))
    expect(router.account()).toMatchObject({ accepted: count, bounced: count, dropped: 0, held: 0 })
  })

  it('drops the errors of a sender that neither waits nor takes them, and counts that', async () => {
    let finish = (_: Delivery) => {}
    answer = () => new Promise(resolve => (finish = resolve))
    const count = 3_000
    for (let number = 0; number < count; number++) {
      router.send(message({ from: CAPULET, to: 'somebody@localhost', id: String(number), body: 'x' }))
    }
    expect(router.account()).toMatchObject({
      accepted: count,
      bounced: defaultLimits.queueStanzas,
      dropped: count - defaultLimits.queueStanzas,
    })
    answer = () => ({ taken: true })
    finish({ taken: true })
    await router.settled()
    expect(errors()).toHaveLength(defaultLimits.queueStanzas)
  })

  it('slows a peer whose stanzas it must refuse where the way back is full', () => {
    answer = () => ({ taken: false, condition: 'service-unavailable' })
    const incoming = (number: number) =>
      message({ from: MONTAGUE, to: CAPULET, id: String(number), body: 'x' })
    let slowedAt = 0
    for (let number = 1; slowedAt === 0; number++) {
      if (router.receive(incoming(number)) !== undefined) slowedAt = number
    }
    expect(slowedAt).toBe(defaultLimits.queueStanzas)
    // Whoever goes on all the same finds the queue full; nothing is answered twice or kept.
    expect(router.receive(incoming(slowedAt + 1))).toBeInstanceOf(Promise)
    expect(router.account()).toMatchObject({ bounced: slowedAt, dropped: 1 })
  })

  it('does not answer anybody once its hosts have stopped', async () => {
    router.send(message({ from: CAPULET, to: ROOMS, id: '1', body: 'x' }))
    router.send(message({ from: CAPULET, to: MONTAGUE, id: '2', body: 'x' }))
    router.stopDelivering()
    network.last.fail(REFUSED)
    router.send(message({ from: CAPULET, to: ROOMS, id: '3', body: 'x' }))
    await router.settled()
    expect(delivered).toEqual([])
    expect(router.account()).toMatchObject({ accepted: 3, dropped: 3, held: 0 })
  })
})
