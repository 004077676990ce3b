import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { Answers } from '../../../src/federation/answers.ts'
import { Inbound } from '../../../src/federation/inbound.ts'
import type { Delivery, Host } from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import type { EstablishedSession, Session, SessionHandler } from '../../../src/session/index.ts'
import type { DomainPair, Failure, Stanza } from '../../../src/xmpp/index.ts'
import { element, iq, message, NS } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { CAPULET, LONGEST, MONTAGUE, PAIR, ScriptedNetwork } from '../../kit/scripted-network.ts'

class Peer {
  handler: SessionHandler | null = null
  readonly ends: (Failure | null)[] = []
  aborted: Failure | null = null
  readonly session: EstablishedSession

  constructor(pair: DomainPair) {
    const { ends } = this
    this.session = {
      role: 'receiving',
      transport: { kind: 'memory', remoteAddress: '127.0.0.1', remotePort: 0, tls: null },
      get established() {
        return this
      },
      pair,
      pairs: [pair],
      // Proofs are stream/'s to make; nothing here looks at one.
      get proof(): never {
        throw new TypeError('not looked at')
      },
      peerLimits: { maxBytes: null, idleSeconds: null },
      bidi: false,
      answered: () => {},
      setupMs: 1,
      send: () => {
        throw new TypeError('ST-19: nothing is sent on a stream that the peer opened')
      },
      isClosing: false,
      isManageable: false,
      management: null,
      carried: 0,
      isFull: false,
      confirmedCount: () => 0,
      end: failure => void ends.push(failure),
      abort: failure => {
        this.aborted = failure
        this.handler?.onEnded(failure, [], 0, 'unknown')
      },
    }
  }

  /** Come in and prove the pair. */
  establish(inbound: Inbound): Failure | null {
    inbound.accept(
      handler => this.#start(handler),
      () => {},
    )
    return this.handler?.onEstablished(this.session) ?? null
  }

  sends(stanza: Stanza): void | Promise<void> {
    return this.handler?.onStanza(stanza, this.session, null)
  }

  leaves(): void {
    this.handler?.onEnded(null, [], 0, 'unknown')
  }

  #start(handler: SessionHandler): Session {
    this.handler = handler
    return this.session
  }
}

let delivered: Stanza[]
/** domains that are looked for anew */
let reconsidered: string[]
let answer: (stanza: Stanza) => Delivery | Promise<Delivery>
let network: ScriptedNetwork
let router: Router
let answers: Answers
let inbound: Inbound
let clock: VirtualClock

beforeEach(() => {
  delivered = []
  reconsidered = []
  answer = () => ({ taken: true })
  network = new ScriptedNetwork()
  clock = new VirtualClock()
  const host: Host = {
    name: 'recording',
    start() {},
    deliver(stanza) {
      delivered.push(stanza)
      return answer(stanza)
    },
    stop: async () => {},
  }
  answers = new Answers()
  router = new Router({
    hosts: new Map([[CAPULET, host]]),
    connect: network.connect,
    answers,
    observer: new Observer(),
    limits: defaultLimits,
    clock,
    random: LONGEST,
    schedule: action => action(),
  })
  inbound = new Inbound({
    router,
    discovery: { reconsider: domain => void reconsidered.push(domain) },
    limits: defaultLimits,
    clock,
  })
})

const hello = (id: string) =>
  message({ from: `romeo@${MONTAGUE}`, to: `juliet@${CAPULET}`, id, type: 'chat', body: 'hello' })

describe('inbound streams', () => {
  it('deliver to the host, in order', () => {
    const peer = new Peer(PAIR)
    expect(peer.establish(inbound)).toBeNull()
    for (const id of ['1', '2', '3']) expect(peer.sends(hello(id))).toBeUndefined()
    expect(delivered.map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(reconsidered).toEqual([MONTAGUE])
    expect(router.account()).toMatchObject({ accepted: 3, delivered: 3, held: 0 })
  })

  it('of one pair coexist up to the limit; then the new one goes with conflict, never an older one', () => {
    const peers = Array.from({ length: defaultLimits.pairStreams }, () => new Peer(PAIR))
    for (const peer of peers) expect(peer.establish(inbound)).toBeNull()
    const late = new Peer(PAIR)
    expect(late.establish(inbound)).toMatchObject({ condition: 'conflict' })
    late.leaves()
    expect(peers.flatMap(({ ends }) => ends)).toEqual([])
    expect(inbound.count(PAIR)).toBe(defaultLimits.pairStreams)
    expect(new Peer({ local: CAPULET, remote: CAPULET }).establish(inbound)).toBeNull()
    peers[0]?.leaves()
    expect(new Peer(PAIR).establish(inbound)).toBeNull()
  })

  it('send a refusal of the host back on the pair’s own outgoing stream', () => {
    answer = () => ({ taken: false, condition: 'service-unavailable' })
    const peer = new Peer(PAIR)
    peer.establish(inbound)
    peer.sends(hello('1'))
    const session = network.last.succeed()
    expect(network.last.pair).toEqual(PAIR)
    expect(session.sent).toMatchObject([
      { kind: 'message', type: 'error', id: '1', to: { domain: MONTAGUE } },
    ])
    expect(router.account()).toMatchObject({ accepted: 2, bounced: 1, held: 1 })
  })

  it('are slowed by a host that is busy', async () => {
    let finish = (_: Delivery) => {}
    answer = () => new Promise(resolve => (finish = resolve))
    const peer = new Peer(PAIR)
    peer.establish(inbound)
    const busy = peer.sends(hello('1'))
    expect(busy).toBeInstanceOf(Promise)
    expect(router.account()).toMatchObject({ accepted: 1, held: 1 })
    finish({ taken: true })
    await busy
    expect(router.account()).toMatchObject({ delivered: 1, held: 0 })
  })

  it('are read on while it is the peer itself that does not read the answers', () => {
    answer = stanza => {
      const room = router.send(message({ from: stanza.to, to: stanza.from, id: stanza.id, body: 'echo' }))
      return room === undefined ? { taken: true } : room.then(() => ({ taken: true }))
    }
    const peer = new Peer(PAIR)
    peer.establish(inbound)
    peer.sends(hello('0'))
    network.last.succeed({ room: 1 })
    // The first one finds the stream full; all the others still get through to the host.
    for (let number = 1; number < defaultLimits.queueStanzas; number++) {
      expect(peer.sends(hello(String(number)))).toBeUndefined()
    }
    expect(delivered).toHaveLength(defaultLimits.queueStanzas)
    // The queue is full now: the peer has had its share.
    peer.sends(hello('last but one'))
    expect(peer.sends(hello('last'))).toBeInstanceOf(Promise)
  })

  it('make a route that backs off dial at once', () => {
    router.send(message({ from: CAPULET, to: MONTAGUE, id: '1', body: '' }))
    network.last.fail({ by: 'network', kind: 'unreachable', detail: 'connection refused' })
    router.send(message({ from: CAPULET, to: MONTAGUE, id: '2', body: '' }))
    new Peer(PAIR).establish(inbound)
    expect(network.dials).toHaveLength(2)
  })

  it('get system-shutdown when we stop, and a new one is refused', async () => {
    const [one, two] = [new Peer(PAIR), new Peer(PAIR)]
    one.establish(inbound)
    two.establish(inbound)
    const ended = inbound.end(100, 1_000)
    clock.advance(50)
    expect([one, two].flatMap(({ ends }) => ends)).toMatchObject([{ kind: 'shutdown' }, { kind: 'shutdown' }])
    expect(new Peer(PAIR).establish(inbound)).toMatchObject({ kind: 'shutdown' })
    one.leaves()
    // The other one does not answer.
    clock.advance(950)
    expect(two.aborted).toMatchObject({ kind: 'shutdown' })
    await ended
    expect(clock.pending()).toBe(0)
  })
})

describe('a stream that has lived long enough', () => {
  const aged = (maxStreamAgeMs: number) =>
    new Inbound({
      router,
      discovery: { reconsider: () => {} },
      limits: { ...defaultLimits, maxStreamAgeMs },
      clock,
    })

  it('is ended in order, before a platform cuts it', () => {
    const peer = new Peer(PAIR)
    peer.establish(aged(5_000))
    clock.advance(4_999)
    expect(peer.ends).toEqual([])
    clock.advance(1)
    expect(peer.ends).toEqual([null])
  })

  it('not where it has ended already, nor where nothing limits its life', () => {
    const gone = new Peer(PAIR)
    gone.establish(aged(5_000))
    gone.leaves()
    const free = new Peer(PAIR)
    free.establish(aged(0))
    expect(clock.pending()).toBe(0)
  })
})

describe('an awaited answer', () => {
  const request = iq({
    from: CAPULET,
    to: MONTAGUE,
    type: 'get',
    id: 'secret',
    payload: element('ping', NS.ping),
  })
  const reply = (from: string, id: string): Stanza => ({
    ...iq({ from, to: CAPULET, type: 'get', id, payload: element('ping', NS.ping) }),
    type: 'result',
  })

  it('goes to who waits for it, and to no host', async () => {
    const peer = new Peer(PAIR)
    peer.establish(inbound)
    const answered = answers.answerTo(request, new AbortController().signal)
    peer.sends(reply(MONTAGUE, 'other'))
    peer.sends(reply('verona.example', 'secret'))
    expect(delivered).toHaveLength(2)
    peer.sends(reply(MONTAGUE, 'secret'))
    expect((await answered)?.id).toBe('secret')
    expect(delivered).toHaveLength(2)
    peer.sends(reply(MONTAGUE, 'secret'))
    expect(delivered).toHaveLength(3)
  })

  it('is waited for no longer than the caller likes', async () => {
    const caller = new AbortController()
    const answered = answers.answerTo(request, caller.signal)
    caller.abort()
    expect(await answered).toBeNull()
  })
})
