import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { Confirmation } from '../../../src/session/confirmation.ts'
import { memoryTransportPair } from '../../../src/transport/index.ts'
import { element, iq, NS } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import {
  type Against,
  CLOSE,
  initiatingAgainst,
  numbered,
  overTcp,
  say,
  TCP_CLOSE,
  TCP_OPEN,
} from '../../kit/sessions.ts'
import { turns } from '../../kit/transport-compliance.ts'

// Whether a peer has read what was sent, on a wire without pings: a ping as a stanza, answered on whatever stream.

const { confirmMs, requestStanzas, pingIntervalMs, pingJitterMs, deadMs, closeMs } = defaultLimits

function confirmation() {
  const clock = new VirtualClock()
  const { initiating } = memoryTransportPair({ limits: defaultLimits, clock, pings: false })
  const asked: number[] = []
  let silences = 0
  const buffered = { bytes: 0 }
  initiating.bufferedBytes = () => buffered.bytes
  const confirmation = new Confirmation({
    transport: initiating,
    limits: defaultLimits,
    clock,
    request: () => {},
    onConfirmed: () => {},
    barrier: {
      write: id => void asked.push(id),
      onSilent: () => {
        silences += 1
      },
    },
  })
  const send = (...numbers: number[]) => {
    for (const number of numbers) confirmation.add(numbered(number))
  }
  return { clock, confirmation, asked, send, buffered, silences: () => silences }
}

describe('a barrier', () => {
  it('is written some time after a stanza, and its answer confirms what was before it, and not what came behind', () => {
    const { clock, confirmation: of, asked, send } = confirmation()
    send(1, 2)
    expect(asked).toEqual([])
    clock.advance(confirmMs)
    expect(asked).toHaveLength(1)
    send(3)
    of.answered(asked[0] ?? 0)
    expect([of.confirmed, of.unconfirmed]).toEqual([2, 1])
    clock.advance(confirmMs)
    of.answered(asked[1] ?? 0)
    expect(of.unconfirmed).toBe(0)
    expect(clock.pending()).toBe(0)
  })

  it('is not written where nothing was sent, however often the heart beats, and says nothing of the peer’s silence', () => {
    const { clock, confirmation: of, asked, send, silences } = confirmation()
    for (let beat = 0; beat < 10; beat++) expect(of.ping()).toBe(false)
    send(1)
    clock.advance(confirmMs)
    of.answered(asked[0] ?? 0)
    for (let beat = 0; beat < 10; beat++) expect(of.ping()).toBe(false)
    expect([asked.length, silences(), clock.pending()]).toEqual([1, 0, 0])
  })

  it('is written without waiting after many stanzas, and once: what it has confirmed is not asked about again', () => {
    const { clock, confirmation: of, asked, send } = confirmation()
    for (let number = 1; number < requestStanzas; number++) send(number)
    expect(asked).toEqual([])
    send(requestStanzas)
    expect(asked).toHaveLength(1)
    of.answered(asked[0] ?? 0)
    expect([of.confirmed, of.unconfirmed]).toEqual([requestStanzas, 0])
    clock.advance(confirmMs)
    expect([asked.length, clock.pending()]).toEqual([1, 0])
  })

  it('is one at a time, however much is sent', () => {
    const { clock, confirmation: of, asked, send } = confirmation()
    for (let number = 1; number <= 50; number++) {
      send(number)
      clock.advance(confirmMs)
    }
    expect(asked).toHaveLength(1)
    of.answered(asked[0] ?? 0)
    clock.advance(confirmMs)
    expect(asked).toHaveLength(2)
  })

  it('is asked once more at a beat; the answer to either counts for what was before it', () => {
    const { clock, confirmation: of, asked, send, silences } = confirmation()
    send(1)
    clock.advance(confirmMs)
    send(2)
    of.ping()
    expect(asked).toHaveLength(2)
    of.answered(asked[0] ?? 0)
    expect(of.unconfirmed).toBe(1)
    of.answered(asked[1] ?? 0)
    expect(of.unconfirmed).toBe(0)
    // Who answers late is not silent: it is counted anew.
    send(3)
    clock.advance(confirmMs)
    of.ping()
    of.answered(asked[3] ?? 0)
    send(4)
    clock.advance(confirmMs)
    of.ping()
    expect(silences()).toBe(0)
  })

  it('that had two without an answer is written no more: what the kernel has taken counts as read', () => {
    const { clock, confirmation: of, asked, send, silences, buffered } = confirmation()
    send(1, 2)
    clock.advance(confirmMs)
    of.ping()
    expect(of.unconfirmed).toBe(2)
    of.ping()
    expect([silences(), of.unconfirmed]).toEqual([1, 0])
    buffered.bytes = 100
    send(3)
    clock.advance(10 * confirmMs)
    expect(of.unconfirmed).toBe(1)
    buffered.bytes = 0
    clock.advance(confirmMs)
    expect([of.unconfirmed, clock.pending()]).toEqual([0, 0])
    for (let beat = 0; beat < 5; beat++) of.ping()
    expect([asked.length, silences()]).toEqual([2, 1])
  })

  it('is never written behind our close, nor just ahead of it: the peer’s close is the answer', () => {
    const { clock, confirmation: of, asked, send } = confirmation()
    send(1)
    clock.advance(confirmMs)
    of.answered(asked[0] ?? 0)
    send(2)
    of.close()
    send(3)
    for (let beat = 0; beat < 5; beat++) of.ping()
    clock.advance(10 * confirmMs)
    expect(asked).toHaveLength(1)
    of.peerClosed('us', true)
    expect([of.confirmed, of.unconfirmed]).toEqual([2, 1])
  })

  it('that waits for its answer when we close is not asked again, and its peer is not called silent', () => {
    const { clock, confirmation: of, asked, send, silences } = confirmation()
    send(1)
    clock.advance(confirmMs)
    of.close()
    for (let beat = 0; beat < 5; beat++) of.ping()
    expect([asked.length, silences(), of.unconfirmed]).toEqual([1, 0, 1])
    of.answered(asked[0] ?? 0)
    expect(of.unconfirmed).toBe(0)
  })

  it('leaves in doubt what a peer that closed first, or told of an error, has not confirmed', () => {
    const first = confirmation()
    first.send(1)
    first.confirmation.close()
    first.confirmation.peerClosed('peer', true)
    expect(first.confirmation.unconfirmed).toBe(1)
    const told = confirmation()
    told.send(1)
    told.clock.advance(confirmMs)
    told.confirmation.distrust()
    told.confirmation.answered(told.asked[0] ?? 0)
    told.confirmation.peerClosed('us', true)
    expect(told.confirmation.unconfirmed).toBe(1)
  })

  it('is answered by its own number only', () => {
    const { clock, confirmation: of, asked, send } = confirmation()
    send(1)
    of.answered(0)
    of.answered(1)
    clock.advance(confirmMs)
    for (const id of [0, (asked[0] ?? 0) + 1, Number.NaN, -1]) of.answered(id)
    expect(of.unconfirmed).toBe(1)
  })
})

describe('a session with barriers', () => {
  const request = (id: number) =>
    iq({
      from: 'capulet.example',
      to: 'montague.example',
      type: 'get',
      id: `barrier-${id}`,
      payload: element('ping', NS.ping),
    })

  async function standing(): Promise<{ against: Against; barriers: () => number[]; silences: number[] }> {
    const silences: number[] = []
    const against = initiatingAgainst({
      wire: overTcp(),
      initiatingOptions: {
        barrier: { request, onSilent: () => void silences.push(against.clock.monotonicMs()) },
      },
    })
    const offered = `<stream:features><mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>`
    const steps = [
      TCP_OPEN.montague,
      offered,
      `<success xmlns='${NS.sasl}'/>`,
      TCP_OPEN.montague,
      '<stream:features/>',
    ]
    await say(against, steps)
    if (against.session.established === null) throw new Error(JSON.stringify(against.events))
    const barriers = () =>
      [...against.seen.bytes.toString().matchAll(/id="barrier-(\d+)"|id='barrier-(\d+)'/g)].map(
        ([, one, other]) => Number(one ?? other),
      )
    return { against, barriers, silences }
  }

  it('writes none while it is idle, and lives however long nothing is heard', async () => {
    const { against, barriers } = await standing()
    await against.clock.pass(10 * deadMs, 1_000)
    expect(against.handler.ends).toEqual([])
    expect(barriers()).toEqual([])
  })

  it('writes one behind the stanzas, once, and is told of its answer by whoever sees it', async () => {
    const { against, barriers } = await standing()
    for (const number of [1, 2]) against.handler.standing.send(numbered(number))
    await against.clock.pass(confirmMs)
    expect(barriers()).toHaveLength(1)
    const written = against.seen.bytes.toString()
    expect(written.indexOf('barrier')).toBeGreaterThan(written.lastIndexOf('<message'))
    against.session.answered(barriers()[0] ?? 0)
    expect(against.handler.standing.confirmedCount()).toBe(2)
    // The barrier itself is no stanza of the account.
    against.session.end(null)
    await say(against, [TCP_CLOSE])
    await turns()
    expect(against.handler.ends).toMatchObject([{ failure: null, unconfirmedCount: 0 }])
  })

  it('asks again at the next beat, and at the one after that finds that nobody answers', async () => {
    const { against, barriers, silences } = await standing()
    against.handler.standing.send(numbered(1))
    const beatMs = pingIntervalMs + pingJitterMs
    await against.clock.pass(beatMs + confirmMs, 100)
    expect([barriers().length, silences.length]).toEqual([2, 0])
    await against.clock.pass(beatMs, 100)
    expect([barriers().length, silences.length]).toEqual([2, 1])
    expect(against.handler.standing.confirmedCount()).toBe(1)
    await against.clock.pass(10 * beatMs, 1_000)
    expect([barriers().length, silences.length, against.handler.ends]).toEqual([2, 1, []])
  })

  it('is told by the answer to its close that everything was read', async () => {
    const { against, barriers } = await standing()
    against.handler.standing.send(numbered(1))
    await against.clock.pass(confirmMs)
    against.session.answered(barriers()[0] ?? 0)
    against.handler.standing.send(numbered(2))
    against.session.end(null)
    await say(against, [TCP_CLOSE])
    await turns()
    expect(against.handler.ends).toMatchObject([{ failure: null, unconfirmed: [], unconfirmedCount: 0 }])
    expect(barriers()).toHaveLength(1)
  })

  it('leaves in doubt what was written to a peer that never answered, where its close has none', async () => {
    const { against } = await standing()
    against.handler.standing.send(numbered(1))
    against.session.end(null)
    await against.clock.pass(2 * closeMs)
    expect(against.handler.ends).toMatchObject([{ unconfirmedCount: 1 }])
    await say(against, [CLOSE])
    expect(against.clock.pending()).toBe(0)
  })
})
