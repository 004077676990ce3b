import { expect, it } from 'vitest'
import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { Inbound } from '../../src/federation/inbound.ts'
import type { Delivery, Host } from '../../src/federation/index.ts'
import { ALL } from '../../src/federation/pool.ts'
import { redirected } from '../../src/federation/redirect.ts'
import { Router } from '../../src/federation/router.ts'
import type { EstablishedSession, SessionHandler } from '../../src/session/index.ts'
import {
  type DomainPair,
  element,
  type Failure,
  iq,
  message,
  presence,
  rescoped,
  resultOf,
  type Stanza,
  stanzaFromElement,
} from '../../src/xmpp/index.ts'
import { VirtualClock } from '../kit/clock.ts'
import {
  CAPULET,
  CUT,
  domain,
  LONGEST,
  MONTAGUE,
  PAIR,
  REFUSED,
  ScriptedNetwork,
} from '../kit/scripted-network.ts'
import { stanza } from '../kit/stanza.ts'

// What PROTOCOL B.2, B.4 and D.2 leave to the room that routes: undeliverable stanzas, queues, order, streams of a pair.

const NOTHING: Failure = { by: 'peer', kind: 'no-endpoint', detail: 'montague.example publishes no endpoint' }
const ROOMS = domain('rooms.capulet.example')
const JULIET = `juliet@${CAPULET}/balcony`
const ROMEO = `romeo@${MONTAGUE}/orchard`

class Verona {
  readonly network = new ScriptedNetwork()
  readonly clock = new VirtualClock()
  readonly events: Event[] = []
  /** what our hosts got */
  readonly delivered: Stanza[] = []
  answer: (stanza: Stanza) => Delivery | Promise<Delivery> = () => ({ taken: true })
  readonly router: Router
  readonly inbound: Inbound

  constructor(limits: Partial<Limits> = {}) {
    const observer = new Observer()
    observer.subscribe(event => this.events.push(event))
    const host: Host = {
      name: 'test',
      start() {},
      deliver: arriving => {
        this.delivered.push(arriving)
        return this.answer(arriving)
      },
      stop: async () => {},
    }
    this.router = new Router({
      hosts: new Map([
        [CAPULET, host],
        [ROOMS, host],
      ]),
      connect: this.network.connect,
      observer,
      limits: { ...defaultLimits, ...limits },
      clock: this.clock,
      random: LONGEST,
      schedule: action => queueMicrotask(action),
    })
    this.inbound = new Inbound({
      router: this.router,
      discovery: { reconsider: () => {} },
      limits: defaultLimits,
      clock: this.clock,
    })
  }

  send(sending: Stanza): Promise<void> | undefined {
    return this.router.send(sending)
  }

  /** Errors that came back to our hosts. */
  async errors(): Promise<string[]> {
    await this.router.settled()
    return this.delivered.filter(({ type }) => type === 'error').map(xml)
  }

  /** A peer's proven stream. */
  peer(pair: DomainPair = PAIR) {
    const ends: (Failure | null)[] = []
    let told: SessionHandler | null = null
    const session: EstablishedSession = {
      role: 'receiving',
      transport: { kind: 'memory', remoteAddress: '127.0.0.1', remotePort: 0, tls: null },
      get established() {
        return this
      },
      pair,
      pairs: [pair],
      get proof(): never {
        throw new TypeError('not looked at')
      },
      peerLimits: { maxBytes: null, idleSeconds: null },
      bidi: false,
      answered: () => {},
      setupMs: 1,
      send: () => {
        throw new TypeError('ST-19')
      },
      isClosing: false,
      isManageable: false,
      management: null,
      carried: 0,
      isFull: false,
      confirmedCount: () => 0,
      end: failure => void ends.push(failure),
      abort: failure => void ends.push(failure),
    }
    this.inbound.accept(
      handler => {
        told = handler
        return session
      },
      () => {},
    )
    const handler = told as SessionHandler | null
    const refusal = handler?.onEstablished(session) ?? null
    return {
      ends,
      refusal,
      sends: (sending: Stanza) => handler?.onStanza(sending, session, null),
      leaves: () => handler?.onEnded(null, [], 0, 'unknown'),
    }
  }
}

const xml = (of: Stanza) => new TextDecoder().decode(of.bytes)
const hello = (id = 'm1', body = 'hello') => message({ from: JULIET, to: ROMEO, type: 'chat', id, body })
const question = (type: 'get' | 'set' = 'get') =>
  iq({ from: JULIET, to: ROMEO, type, id: 'q1', payload: element('query', 'urn:example:q') })

it('[SZ-20] nothing found: remote-server-not-found, cancel', async () => {
  const verona = new Verona()
  verona.send(hello())
  verona.network.last.fail(NOTHING)
  const [error = ''] = await verona.errors()
  expect(error).toContain('<remote-server-not-found')
  expect(error).toContain("type='cancel'")
})

it('[SZ-20] found, but no usable stream: remote-server-timeout, wait', async () => {
  const verona = new Verona()
  verona.send(hello())
  verona.network.last.fail(REFUSED)
  const [error = ''] = await verona.errors()
  expect(error).toContain('<remote-server-timeout')
  expect(error).toContain("type='wait'")
  expect(error).toContain('montague.example: connection refused')
})

it('[SZ-20] a name that is not of the network is not dialled: remote-server-not-found', async () => {
  for (const to of ['localhost', 'verona', '192.0.2.1', 'printer.local', 'x.invalid']) {
    const verona = new Verona()
    verona.send(message({ from: JULIET, to, id: '1', body: 'x' }))
    expect(verona.network.dials, to).toEqual([])
    expect((await verona.errors())[0], to).toContain('<remote-server-not-found')
  }
})

it('[WS-47] a transport lost before the close: what waits goes on the next stream, what was written is told of once', async () => {
  const verona = new Verona()
  verona.send(hello('1'))
  const first = verona.network.last.succeed({ room: 2 })
  verona.send(hello('2'))
  verona.send(hello('3'))
  first.confirm(1)
  first.die(CUT)
  const errors = await verona.errors()
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain("id='2'")
  expect(errors[0]).toContain('<remote-server-timeout')
  verona.clock.advance(defaultLimits.retryMinMs)
  expect(verona.network.last.succeed().sent.map(({ id }) => id)).toEqual(['3'])
  expect(verona.router.account()).toEqual({
    accepted: 3,
    delivered: 1,
    bounced: 0,
    dropped: 0,
    inDoubt: 1,
    resent: 0,
    ambiguous: 0,
    held: 1,
  })
})

it('[SZ-22] an error is of the same kind, with the id, addresses swapped, from whom could not be reached', async () => {
  const golden: readonly (readonly [Stanza, string])[] = [
    [
      hello(),
      `<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='m1' type='error'><error type='wait'>`,
    ],
    [
      question(),
      `<iq xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='q1' type='error'><query xmlns='urn:example:q'/><error type='wait'>`,
    ],
    [
      presence({ from: JULIET, to: ROMEO, id: 'p1', type: 'subscribe' }),
      `<presence xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='p1' type='error'><error type='wait'>`,
    ],
  ]
  for (const [sent, beginning] of golden) {
    const verona = new Verona()
    verona.send(sent)
    verona.network.last.fail(REFUSED)
    const [error = ''] = await verona.errors()
    expect(error).toBe(
      `${beginning}<remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>` +
        `<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>montague.example: connection refused</text>` +
        `</error></${sent.kind}>`,
    )
  }
})

it('[SZ-22] a large iq comes back without its payload: an error is never larger than what it returns by much', async () => {
  const verona = new Verona()
  const payload = element('x', 'urn:example:x', {}, 'x'.repeat(defaultLimits.bouncedStanzaBytes))
  verona.send(iq({ from: JULIET, to: ROMEO, type: 'set', id: 'q', payload }))
  verona.network.last.fail(REFUSED)
  expect((await verona.errors())[0]?.length).toBeLessThan(1_000)
})

it('[SZ-10] each get and set has exactly one answer, whatever becomes of it', async () => {
  const endings: readonly ((verona: Verona) => void)[] = [
    ({ network }) => network.last.fail(REFUSED),
    ({ network }) => network.last.fail(NOTHING),
    ({ clock }) => clock.advance(defaultLimits.queueAgeMs),
    ({ network }) => network.last.succeed({ maxBytes: 10 }),
    ({ network }) => network.last.succeed().die(CUT),
    ({ router }) => router.pool.stopDialling(ALL),
  ]
  for (const type of ['get', 'set'] as const) {
    for (const ending of endings) {
      const verona = new Verona()
      verona.send(question(type))
      ending(verona)
      verona.clock.advance(10 * defaultLimits.queueAgeMs)
      const errors = await verona.errors()
      expect(errors).toHaveLength(1)
      expect(errors[0]).toContain("id='q1'")
    }
  }
  // From a peer: the host's refusal is the answer, on our own stream to the peer.
  const verona = new Verona()
  verona.answer = () => ({ taken: false, condition: 'service-unavailable' })
  const peer = verona.peer()
  peer.sends(
    stanza(
      `<iq xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='q2' type='get'><x xmlns='urn:x'/></iq>`,
    ),
  )
  expect(verona.network.last.succeed().sent).toMatchObject([{ kind: 'iq', type: 'error', id: 'q2' }])
})

it('[SZ-11] an error is never answered with an error, nor a result: undeliverable ones are dropped and counted', async () => {
  const verona = new Verona()
  const request = stanza(
    `<iq xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='q' type='get'><x xmlns='urn:x'/></iq>`,
  )
  const error = (kind: string) =>
    stanza(
      `<${kind} xmlns='jabber:server' from='${JULIET}' to='${ROMEO}' id='e' type='error'><error type='cancel'/></${kind}>`,
    )
  const unanswerable = [resultOf(request), error('iq'), error('message'), error('presence')]
  for (const sending of unanswerable) verona.send(sending)
  verona.network.last.fail(REFUSED)
  expect(await verona.errors()).toEqual([])
  expect(verona.router.account()).toMatchObject({ accepted: 4, dropped: 4, bounced: 0, held: 0 })
  // A host that refuses an error from outside starts no loop either.
  verona.answer = () => ({ taken: false, condition: 'service-unavailable' })
  const dials = verona.network.dials.length
  verona.peer().sends(stanza(`<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' type='error'/>`))
  expect(verona.network.dials).toHaveLength(dials)
  expect(verona.router.account()).toMatchObject({ accepted: 5, dropped: 5, held: 0 })
})

it('[SE-32 ST-19] stanza errors travel on our own stream to the peer; nothing is written on the one it opened', () => {
  const verona = new Verona()
  verona.answer = () => ({ taken: false, condition: 'item-not-found' })
  // The session of this peer throws where anything is sent on it.
  verona
    .peer()
    .sends(
      stanza(`<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='x'><body>x</body></message>`),
    )
  expect(verona.network.last.pair).toEqual(PAIR)
  expect(verona.network.last.succeed().sent).toMatchObject([
    { type: 'error', id: 'x', to: { domain: MONTAGUE } },
  ])
})

it('[SZ-04] nothing that a peer sends is passed on to a third server', () => {
  const verona = new Verona()
  verona
    .peer()
    .sends(
      stanza(
        `<message xmlns='jabber:server' from='${ROMEO}' to='friar@verona.example'><body>x</body></message>`,
      ),
    )
  expect(verona.delivered).toEqual([])
  // Only the refusal goes out, back to where it came from.
  expect(verona.network.dials.map(({ pair }) => pair.remote)).toEqual([MONTAGUE])
})

it('[SZ-05] 10 000 messages keep their order, over one stream at a time, over many reconnects', async () => {
  const verona = new Verona({ queueAgeMs: 1e9 })
  const { network, router, clock } = verona
  const count = 10_000
  const route = () => router.pool.route(CAPULET, MONTAGUE)
  /** Whatever holds the route up gives way: a dial, a slow reader, a back-off; every third stream dies. */
  const goOn = () => {
    const standing = network.sessions.filter(({ over }) => !over)
    expect(standing.length).toBeLessThanOrEqual(1)
    const [session] = standing
    if (session !== undefined) {
      session.confirm(session.unconfirmed)
      if (session.sent.length > 400 || network.sessions.length % 3 === 0) session.die(CUT)
      else session.drain(1 + ((session.sent.length * 7) % 300))
    } else if (network.last.open) network.last.succeed({ room: 1 + ((network.dials.length * 13) % 300) })
    else clock.advance(defaultLimits.retryMaxMs)
  }
  for (let number = 0; number < count; number++) {
    const room = verona.send(hello(String(number)))
    while (route().crowded) goOn()
    await room
  }
  while (route().held() > 0) {
    goOn()
    route().settle()
  }
  expect(network.sessions.length).toBeGreaterThan(20)
  expect((await verona.errors()).length).toBe(0)
  const written = network.sessions.flatMap(({ sent }) => sent.map(({ id }) => Number(id)))
  expect(written).toEqual(Array.from({ length: count }, (_, index) => index))
})

it('[SZ-05] what one stream brings is handed over one after the other, however long a host takes', async () => {
  const verona = new Verona()
  const finish: (() => void)[] = []
  verona.answer = () => new Promise(resolve => finish.push(() => resolve({ taken: true })))
  const peer = verona.peer()
  const incoming = (id: string) =>
    stanza(
      `<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}' id='${id}'><body>x</body></message>`,
    )
  // What the session waits for before it hands over the next one.
  const busy = peer.sends(incoming('1'))
  expect(busy).toBeInstanceOf(Promise)
  finish[0]?.()
  await busy
  expect(verona.router.account()).toMatchObject({ delivered: 1, held: 0 })
})

it('[SZ-06] a stanza from a component or client leaves in jabber:server, what is forwarded in it untouched', () => {
  for (const from of ['jabber:client', 'jabber:component:accept', 'jabber:server']) {
    const forwarded = element(
      'message',
      'jabber:client',
      { from: 'x@y.example' },
      element('body', 'jabber:client', {}, 'hi'),
    )
    const tree = element(
      'message',
      from,
      { from: JULIET, to: ROMEO },
      element('body', from, {}, 'look'),
      element('forwarded', 'urn:xmpp:forward:0', {}, forwarded),
    )
    const text = xml(stanzaFromElement(tree))
    expect(text.startsWith("<message xmlns='jabber:server'")).toBe(true)
    expect(text).toContain('<body>look</body>')
    expect(text).toContain("<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'")
    expect(text).not.toContain('component')
    // And back, for whoever speaks another content namespace.
    expect(rescoped(stanzaFromElement(tree).element(), from)).toMatchObject({
      namespace: from,
      children: [{ name: 'body', namespace: from }, { children: [{ namespace: 'jabber:client' }] }],
    })
  }
})

it('[SZ-24] 10 000 bytes pass always; more than our limit is refused with policy-violation, modify', async () => {
  const sized = (bytes: number) => {
    const empty = hello('s', '').bytes.length
    return hello('s', 'x'.repeat(bytes - empty))
  }
  const verona = new Verona()
  expect(sized(10_000).bytes).toHaveLength(10_000)
  verona.send(sized(10_000))
  verona.send(sized(defaultLimits.stanzaBytes))
  expect(verona.network.last.succeed().sent).toHaveLength(2)
  verona.send(sized(defaultLimits.stanzaBytes + 1))
  const errors = await verona.errors()
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain("type='modify'><policy-violation")
})

it('[LI-03] a stanza larger than the peer takes is not sent to it, but bounced with its limit', async () => {
  const verona = new Verona()
  verona.send(hello('1', 'x'.repeat(20_000)))
  verona.send(hello('2'))
  const session = verona.network.last.succeed({ maxBytes: 10_000 })
  expect(session.sent.map(({ id }) => id)).toEqual(['2'])
  const [error = ''] = await verona.errors()
  expect(error).toContain("type='modify'><policy-violation")
  expect(error).toContain('at most 10000 bytes')
})

it('[SZ-26] 1 001 stanzas to a domain that is not reached: one is bounced at once, resource-constraint, wait', async () => {
  const verona = new Verona()
  for (let number = 1; number <= 1_001; number++) verona.send(hello(String(number)))
  const errors = await verona.errors()
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain("id='1001'")
  expect(errors[0]).toContain("type='wait'><resource-constraint")
  expect(verona.router.account()).toMatchObject({ accepted: 1_001, bounced: 1, held: 1_000 })
})

it('[SZ-26] a queue is bounded in bytes and in time, and slows its source before it bounces', async () => {
  const verona = new Verona()
  const body = 'x'.repeat(100_000)
  let slowedAt = 0
  let sent = 0
  while ((await verona.errors()).length === 0) {
    sent += 1
    if (verona.send(hello(String(sent), body)) !== undefined) slowedAt ||= sent
  }
  expect(sent * 100_000).toBeLessThan(defaultLimits.queueBytes + 200_000)
  expect(slowedAt).toBe(3)
  verona.clock.advance(defaultLimits.queueAgeMs)
  expect(await verona.errors()).toHaveLength(sent)
  expect(verona.router.account()).toMatchObject({ held: 0, bounced: sent })
})

it('[ST-20] streams of one pair coexist up to eight; the ninth gets conflict, no older one is touched', () => {
  // DECISIONS 22
  const verona = new Verona()
  const peers = Array.from({ length: 8 }, () => verona.peer())
  expect(peers.map(({ refusal }) => refusal)).toEqual(peers.map(() => null))
  expect(verona.peer().refusal).toMatchObject({ kind: 'violation', condition: 'conflict' })
  expect(verona.peer({ local: ROOMS, remote: MONTAGUE }).refusal).toBeNull()
  const incoming = stanza(
    `<message xmlns='jabber:server' from='${ROMEO}' to='${JULIET}'><body>x</body></message>`,
  )
  for (const peer of peers) peer.sends(incoming)
  expect(verona.delivered).toHaveLength(8)
  expect(peers.flatMap(({ ends }) => ends)).toEqual([])
  peers[0]?.leaves()
  expect(verona.peer().refusal).toBeNull()
})

it('[SE-03] a peer that says conflict is not dialled again at once', async () => {
  const verona = new Verona()
  verona.send(hello('1'))
  verona.network.last.fail({ by: 'peer', kind: 'reported', condition: 'conflict', detail: '' })
  verona.send(hello('2'))
  expect(verona.network.dials).toHaveLength(1)
  verona.clock.advance(defaultLimits.retryMinMs)
  expect(verona.network.dials).toHaveLength(2)
})

it('[ST-21] reconnects wait longer each time, with jitter, and begin anew after a stream that lasted', () => {
  const delays = (verona: Verona, rounds: number) =>
    Array.from({ length: rounds }, (_, round) => {
      verona.send(hello(String(round)))
      if (verona.network.last.open) verona.network.last.fail(REFUSED)
      const { length } = verona.network.dials
      const fromMs = verona.clock.monotonicMs()
      verona.send(hello(`${round}+`))
      while (verona.network.dials.length === length) verona.clock.advance(250)
      return verona.clock.monotonicMs() - fromMs
    })
  const verona = new Verona({ queueAgeMs: 1e9 })
  expect(delays(verona, 10)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300].map(seconds => seconds * 1_000))
  const session = verona.network.last.succeed()
  verona.clock.advance(defaultLimits.goodLifeMs)
  session.close()
  expect(delays(verona, 2)).toEqual([1_000, 2_000])
})

it('[ST-22] an unused stream is closed in order after 15 minutes; what comes during the close goes on the next one', () => {
  const verona = new Verona()
  verona.send(hello('1'))
  const session = verona.network.last.succeed()
  // Unconfirmed stanzas keep it open.
  verona.clock.advance(10 * defaultLimits.outboundIdleMs)
  expect(session.endedWith).toBeUndefined()
  session.confirm(1)
  verona.clock.advance(2 * defaultLimits.outboundIdleMs)
  expect(session.endedWith).toBeNull()
  verona.send(hello('2'))
  expect(session.sent).toHaveLength(1)
  session.close()
  expect(verona.network.last.succeed().sent.map(({ id }) => id)).toEqual(['2'])
  expect(verona.router.account()).toMatchObject({ delivered: 1, held: 1 })
})

it('[WS-52] stopping: no new streams, system-shutdown on each one that stands, spread out, and their ends awaited', async () => {
  const verona = new Verona()
  const peers = [verona.peer(), verona.peer({ local: ROOMS, remote: MONTAGUE })]
  let over = false
  const ended = verona.inbound.end(100, 5_000).then(() => {
    over = true
  })
  expect(peers.map(({ ends }) => ends.length)).toEqual([1, 0])
  verona.clock.advance(100)
  expect(peers.map(({ ends }) => ends.length)).toEqual([1, 1])
  for (const { ends } of peers) expect(ends[0]).toMatchObject({ by: 'us', kind: 'shutdown' })
  expect(verona.peer({ local: CAPULET, remote: domain('verona.example') }).refusal).toMatchObject({
    kind: 'shutdown',
  })
  peers[0]?.leaves()
  await Promise.resolve()
  expect(over).toBe(false)
  peers[1]?.leaves()
  await ended
})

it('[WS-54 WS-55] a redirect leads to wss only, with the identity of the domain or the new host', () => {
  const from = {
    kind: 'websocket',
    url: 'wss://montague.example/s2s',
    host: 'montague.example',
    port: 443,
    addresses: ['192.0.2.1'],
    servername: 'montague.example',
    names: { domain: MONTAGUE, hosts: ['montague.example'], pins: [] },
    source: 'host-meta',
  } as const
  for (const uri of [
    'ws://other.example/',
    'http://other.example/',
    'https://other.example/bosh',
    'xmpp:other.example',
    '',
  ]) {
    expect(redirected(from, uri), uri).toMatchObject({ by: 'peer', kind: 'redirect' })
  }
  expect(redirected(from, 'wss://other.example/s2s')).toMatchObject({
    addresses: null,
    names: { domain: MONTAGUE, hosts: ['other.example'], pins: [] },
  })
})
