import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import type { Delivery, Host, StreamHost } from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import { type Domain, type Failure, message, type Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import {
  CAPULET,
  CUT,
  domain,
  LONGEST,
  MONTAGUE,
  REFUSED,
  ScriptedNetwork,
  type ScriptedSession,
} from '../../kit/scripted-network.ts'
import { type PeerSession, peerStream } from '../../kit/scripted-route.ts'

// CHAOS-1: random sends, dials, deaths, slow peers, slow and broken hosts. After every event the account closes; in the
// end every stanza has exactly one outcome, the one that was seen from outside, and each pair's order has been kept.
// Two local domains are in this process, two have a server that is reached by streams, as unreliable as the network.

const ROOMS = domain('rooms.capulet.example')
const VERONA = domain('verona.example')
const HALL = domain('hall.capulet.example')
const VAULT = domain('vault.capulet.example')
const IN_PROCESS = [CAPULET, ROOMS]
const SERVED = [HALL, VAULT]
const LOCALS = [...IN_PROCESS, ...SERVED]
const REMOTES = [MONTAGUE, VERONA]

const LIMITS = {
  ...defaultLimits,
  queueStanzas: 12,
  queueSlowStanzas: 6,
  queueBytes: 6_000,
  queueTotalBytes: 10_000,
  stanzaBytes: 2_000,
  sendMaxBytes: 5_000,
  sendHighWaterBytes: 2_000,
  maxStreamAgeMs: 20_000,
  handoverMs: 5_000,
}

const FAILURES: readonly Failure[] = [
  REFUSED,
  { by: 'peer', kind: 'no-endpoint', detail: 'nothing is published' },
  { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' },
  { by: 'network', kind: 'http', detail: '503', status: 503, retryAfterMs: 20_000 },
]

type Act =
  | { readonly act: 'send'; from: number; to: number; type: string; size: number }
  | { readonly act: 'receive'; from: number; to: number; type: string }
  | { readonly act: 'succeed'; dial: number; room: number; maxBytes: number | null; bidi: boolean }
  | { readonly act: 'adopt'; from: number; to: number; room: number; maxBytes: number | null }
  | { readonly act: 'authorise'; session: number; from: number; to: number }
  | { readonly act: 'fail'; dial: number; failure: number }
  | { readonly act: 'confirm'; session: number; count: number }
  | { readonly act: 'drain'; session: number; room: number }
  | { readonly act: 'die'; session: number }
  | { readonly act: 'close'; session: number }
  | { readonly act: 'peerIsUp'; from: number; to: number }
  | { readonly act: 'serverIsUp'; from: number; to: number }
  | { readonly act: 'pass'; ms: number }
  | { readonly act: 'turn' }
  | { readonly act: 'settle'; delivery: number }

const type = fc.constantFrom('chat', 'chat', 'chat', 'error')
const pick = fc.nat(1_000)
const room = fc.constantFrom(1, 3, 1_000)
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      act: fc.constant('send'),
      from: pick,
      to: pick,
      type,
      size: fc.constantFrom(10, 10, 400, 1_500, 2_500),
    }),
  },
  { weight: 6, arbitrary: fc.record({ act: fc.constant('receive'), from: pick, to: pick, type }) },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('succeed'),
      dial: pick,
      room,
      maxBytes: fc.constantFrom(null, null, 1_000),
      bidi: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      act: fc.constant('adopt'),
      from: pick,
      to: pick,
      room,
      maxBytes: fc.constantFrom(null, 1_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('authorise'), session: pick, from: pick, to: pick }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('fail'), dial: pick, failure: pick }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('confirm'), session: pick, count: fc.nat(5) }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('drain'), session: pick, room }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('die'), session: pick }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('close'), session: pick }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('peerIsUp'), from: pick, to: pick }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('serverIsUp'), from: pick, to: pick }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: fc.constant('pass'),
      ms: fc.constantFrom(10, 100, 1_000, 30_000, 1_000_000),
    }),
  },
  { weight: 5, arbitrary: fc.record({ act: fc.constant('turn') }) },
  { weight: 4, arbitrary: fc.record({ act: fc.constant('settle'), delivery: pick }) },
) as fc.Arbitrary<Act>

interface Pending {
  readonly number: number
  readonly resolve: (delivery: Delivery) => void
  readonly reject: (defect: Error) => void
}

/** The whole router in a world whose every move is drawn. */
class World {
  readonly clock = new VirtualClock()
  readonly network = new ScriptedNetwork()
  readonly router: Router
  readonly sessions: ScriptedSession[] = []
  /** those that peers have opened, and for which pairs */
  readonly adopted = new Map<ScriptedSession, Set<string>>()
  readonly peers: PeerSession[] = []
  /** for which pairs each of ours is */
  readonly dialled = new Map<ScriptedSession, string>()
  /** what was written, by pair, in the order in which it was */
  readonly written = new Map<string, number[]>()
  readonly pending: Pending[] = []
  /** errors that came back, by the number of what they return */
  readonly errorsBack = new Map<number, number>()
  readonly takenByHosts: number[] = []
  readonly calls = new Map<string, number[]>()
  /** of what hosts and peers send, by number; errors of ours have the number of what they return */
  readonly pairOf = new Map<number, string>()
  readonly typeOf = new Map<number, string>()
  /** written while a stanza of the same pair was unconfirmed on another stream */
  overtaken = 0
  #scheduled: (() => void)[] = []
  #draw: number
  #next = 0

  constructor(seed: number) {
    this.#draw = seed
    const host: Host = {
      name: 'drawn',
      start() {},
      deliver: stanza => this.#deliver(stanza),
      stop: async () => {},
    }
    const server: StreamHost = {
      name: 'server',
      start() {},
      connect: this.network.connect,
      endInbound: async () => {},
      stop: async () => {},
    }
    this.router = new Router({
      hosts: new Map<Domain, Host | StreamHost>([
        ...IN_PROCESS.map(local => [local, host] as const),
        ...SERVED.map(local => [local, server] as const),
      ]),
      connect: this.network.connect,
      observer: new Observer(),
      limits: LIMITS,
      clock: this.clock,
      random: LONGEST,
      schedule: action => this.#scheduled.push(action),
    })
  }

  async do(drawn: Act): Promise<void> {
    switch (drawn.act) {
      case 'send': {
        const to = at([...REMOTES, ...LOCALS], drawn.to)
        this.router.send(this.#stanza(at(LOCALS, drawn.from), to, drawn.type, drawn.size))
        break
      }
      case 'receive':
        this.router.receive(this.#stanza(at(REMOTES, drawn.from), at(LOCALS, drawn.to), drawn.type, 10))
        break
      case 'succeed': {
        const dial = maybe(this.#openDials(), drawn.dial)
        if (dial === undefined) break
        const { local, remote } = dial.pair
        const { maxBytes, bidi, room } = drawn
        const session = dial.succeed(
          { room, bidi, ...(maxBytes === null ? {} : { maxBytes }) },
          this.#recorder,
        )
        this.sessions.push(session)
        this.dialled.set(session, `${local} ${remote}`)
        break
      }
      case 'adopt': {
        const { room, maxBytes } = drawn
        const session = peerStream({ room, ...(maxBytes === null ? {} : { maxBytes }) }, this.#recorder)
        session.handler = this.router.pool.adopt(session)
        this.sessions.push(session)
        this.adopted.set(session, new Set())
        this.peers.push(session)
        this.#authorise(session, at(LOCALS, drawn.from), at(REMOTES, drawn.to))
        break
      }
      case 'authorise': {
        const session = maybe(
          this.peers.filter(({ over }) => !over),
          drawn.session,
        )
        if (session !== undefined) this.#authorise(session, at(LOCALS, drawn.from), at(REMOTES, drawn.to))
        break
      }
      case 'fail':
        maybe(this.#openDials(), drawn.dial)?.fail(at(FAILURES, drawn.failure))
        break
      case 'confirm': {
        const session = this.#standing(drawn.session)
        session?.confirm(Math.min(drawn.count, session.unconfirmed))
        break
      }
      case 'drain': {
        const session = this.#standing(drawn.session)
        if (session !== undefined && session.room <= 0) session.drain(drawn.room)
        break
      }
      case 'die':
        this.#standing(drawn.session)?.die(CUT)
        break
      case 'close':
        this.#standing(drawn.session)?.close()
        break
      case 'peerIsUp':
        this.router.pool.find(at(LOCALS, drawn.from), at(REMOTES, drawn.to))?.peerIsUp()
        break
      case 'serverIsUp':
        this.router.peerIsUp({ local: at(REMOTES, drawn.from), remote: at(SERVED, drawn.to) })
        break
      case 'pass':
        this.clock.advance(drawn.ms)
        break
      case 'turn':
        for (const action of this.#scheduled.splice(0)) action()
        break
      case 'settle': {
        const delivery = maybe(this.pending, drawn.delivery)
        if (delivery === undefined) break
        this.pending.splice(this.pending.indexOf(delivery), 1)
        this.#settle(delivery, drawn.delivery)
        break
      }
    }
    await flush()
  }

  /** Let everything come to its end. */
  async finish(): Promise<void> {
    for (let round = 0; round < 50; round++) {
      for (const session of this.sessions) if (!session.over) session.close()
      for (const dial of this.#openDials()) dial.fail(REFUSED)
      for (const delivery of this.pending.splice(0)) delivery.resolve({ taken: true })
      await flush()
      await this.do({ act: 'turn' })
      this.clock.advance(100_000)
    }
  }

  /** Errors of ours on streams, by the number of what they return: to peers and to servers. */
  errorsWritten(): ReadonlyMap<number, number> {
    const written = new Map<number, number>()
    for (const stanza of this.sessions.flatMap(({ sent }) => sent)) {
      const number = Number(stanza.id)
      if (this.isOurs(stanza)) written.set(number, (written.get(number) ?? 0) + 1)
    }
    return written
  }

  /** A peer has opened it, for this pair. */
  isAdopted(session: ScriptedSession, pair?: string): boolean {
    const pairs = this.adopted.get(session)
    return pairs !== undefined && (pair === undefined || pairs.has(pair))
  }

  /** An error that the router has made. */
  isOurs({ id, type: of }: Stanza): boolean {
    return of === 'error' && this.typeOf.get(Number(id)) !== 'error'
  }

  /** What must hold at any time. */
  check(): void {
    const { accepted, delivered, bounced, dropped, inDoubt, ambiguous, held } = this.router.account()
    expect(delivered + bounced + dropped + inDoubt + ambiguous + held).toBe(accepted)
    expect(held).toBeGreaterThanOrEqual(0)
  }

  #openDials() {
    return this.network.dials.filter(dial => dial.open && !dial.signal.aborted)
  }

  #standing(index: number): ScriptedSession | undefined {
    return maybe(
      this.sessions.filter(({ over }) => !over),
      index,
    )
  }

  #authorise(session: PeerSession, local: Domain, remote: Domain): void {
    this.adopted.get(session)?.add(`${local} ${remote}`)
    session.handler?.take({ local, remote })
  }

  readonly #recorder = (stanza: Stanza, by: ScriptedSession): void => {
    const isOfPair = ({ from, to }: Stanza) =>
      from.domain === stanza.from.domain && to.domain === stanza.to.domain
    for (const session of this.sessions) {
      if (session === by || session.over) continue
      if (session.sent.slice(session.confirmedCount()).some(isOfPair)) this.overtaken += 1
    }
    if (this.isOurs(stanza)) return
    const pair = `${stanza.from.domain} ${stanza.to.domain}`
    const written = this.written.get(pair)
    if (written === undefined) this.written.set(pair, [Number(stanza.id)])
    else written.push(Number(stanza.id))
  }

  #stanza(from: Domain, to: Domain, of: string, size: number): Stanza {
    const id = this.#next++
    this.pairOf.set(id, `${from} ${to}`)
    this.typeOf.set(id, of)
    return message({ from, to, id: String(id), type: of, body: 'x'.repeat(size) })
  }

  #deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    const number = Number(stanza.id)
    const pair = this.pairOf.get(number) ?? ''
    if (this.isOurs(stanza)) {
      this.errorsBack.set(number, (this.errorsBack.get(number) ?? 0) + 1)
      return { taken: true }
    }
    this.calls.set(pair, [...(this.calls.get(pair) ?? []), number])
    // A linear congruence: as unpredictable as needed, and the same for the same seed.
    this.#draw = (this.#draw * 1_103_515_245 + 12_345) % 2_147_483_648
    switch (Math.floor(this.#draw / 65_536) % 5) {
      case 0:
        return { taken: false, condition: 'service-unavailable' }
      case 1:
        throw new Error('a broken host')
      case 2:
        return new Promise((resolve, reject) => {
          this.pending.push({ number, resolve: this.#recording(number, resolve), reject })
        })
      default:
        this.takenByHosts.push(number)
        return { taken: true }
    }
  }

  #recording(number: number, resolve: (delivery: Delivery) => void) {
    return (delivery: Delivery) => {
      if (delivery.taken) this.takenByHosts.push(number)
      resolve(delivery)
    }
  }

  #settle(delivery: Pending, how: number): void {
    if (how % 3 === 0) delivery.reject(new Error('a broken host'))
    else if (how % 3 === 1) delivery.resolve({ taken: false, condition: 'item-not-found' })
    else delivery.resolve({ taken: true })
  }
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index % items.length]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}

function maybe<T>(items: readonly T[], index: number): T | undefined {
  return items[index % Math.max(1, items.length)]
}

async function flush(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await Promise.resolve()
}

function isIncreasing(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? -1))
}

function isToServer(pair: string): boolean {
  return SERVED.some(local => pair.endsWith(` ${local}`))
}

describe('the account', () => {
  it('closes after each of 100 000 random events; order and outcomes are what was seen from outside', async () => {
    let events = 0
    let served = 0
    let adopted = 0
    let moved = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 400, maxLength: 1_200, size: 'max' }),
        fc.nat(2 ** 31 - 1),
        async (acts, seed) => {
          const world = new World(seed)
          for (const drawn of acts) {
            await world.do(drawn)
            world.check()
            events += 1
          }
          await world.finish()
          world.check()
          const account = world.router.account()
          expect(account.held).toBe(0)

          // Per pair, over all its streams: in order, and nothing twice.
          const confirmed: number[] = []
          for (const session of world.sessions) {
            for (const { from, to } of session.sent) {
              const pair = `${from.domain} ${to.domain}`
              expect(world.dialled.get(session) === pair || world.isAdopted(session, pair)).toBe(true)
            }
            confirmed.push(...session.sent.slice(0, session.confirmedCount()).map(({ id }) => Number(id)))
            if (session.sent.length === 0) continue
            if (world.isAdopted(session)) adopted += 1
            else if (isToServer(world.dialled.get(session) ?? '')) served += 1
            else if (session.endedWith === null && session.sent.length > 1) moved += 1
          }
          expect(world.overtaken).toBe(0)
          for (const numbers of world.written.values()) expect(isIncreasing(numbers)).toBe(true)
          for (const numbers of world.calls.values()) expect(isIncreasing(numbers)).toBe(true)

          expect(account.delivered).toBe(confirmed.length + world.takenByHosts.length)
          // No sender of ours hears twice of one stanza, nor of one that was delivered.
          for (const times of world.errorsBack.values()) expect(times).toBe(1)
          const errorsWritten = world.errorsWritten()
          for (const times of errorsWritten.values()) expect(times).toBe(1)
          // Errors that leave by a stream are of the account themselves.
          expect(account.accepted).toBeGreaterThanOrEqual(world.typeOf.size + errorsWritten.size)
          for (const number of world.takenByHosts) expect(world.errorsBack.has(number)).toBe(false)
        },
      ),
      { numRuns: 160, seed: 1_597, endOnFailure: true },
    )
    expect(events).toBeGreaterThan(100_000)
    expect(served).toBeGreaterThan(1_000)
    expect(adopted).toBeGreaterThan(1_000)
    expect(moved).toBeGreaterThan(50)
  }, 60_000)
})
