import { afterEach, describe, expect, it } from 'vitest'
import type { OutboundSession } from '../../../src/federation/connect.ts'
import { xmppServer } from '../../../src/hosts/index.ts'
import { element, type Failure, iq, NS, type Stanza } from '../../../src/xmpp/index.ts'
import {
  type Beside,
  besideServer,
  CAPULET,
  HALL,
  incoming,
  type Leg,
  outgoing,
  until,
  VERONA,
} from '../../kit/beside-server.ts'
import { backTo, resources } from '../../kit/fronts.ts'
import { LocalServer } from '../../kit/local-server.ts'
import { isBarrier, type ServerSide } from '../../kit/local-server-streams.ts'
import { streamHeader } from '../../kit/raw-stream.ts'
import { stanza } from '../../kit/stanza.ts'

// The host beside a server of this machine: real streams, and a server written by hand.

let beside: Beside

async function start(...options: Parameters<typeof besideServer>): Promise<Beside> {
  beside = await besideServer(...options)
  return beside
}
afterEach(() => beside?.stop())

const FROM = 'capulet.example'
const TO = 'montague.example'
const SHUTDOWN: Failure = { by: 'us', kind: 'shutdown', detail: 'the test ends' }
const upTo = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1))
const idsOf = (stanzas: readonly Stanza[]) => stanzas.map(({ id }) => id)

async function onlyLeg(): Promise<ServerSide> {
  const [leg, ...others] = beside.server.legs()
  if (leg === undefined || others.length > 0) throw new Error('not one leg')
  return leg
}

describe('a server in the clear', () => {
  it('proves itself and sends; and the host proves itself for whom it speaks', async () => {
    const { server, context, leg } = await start()
    const stream = await server.outgoing(FROM, TO)
    stream.send(outgoing(1))
    await until(() => context.sent.length === 1)
    expect(context.peersUp).toEqual([{ local: TO, remote: FROM }])
    const session = await leg().stands()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    expect(idsOf(server.stanzas)).toEqual(['1'])
    expect(context.sent).toHaveLength(1)
  })

  it('has a stream for each pair, each in its own order', async () => {
    const { server, leg } = await start()
    const legs = [leg(), leg(VERONA), leg(VERONA, HALL)]
    for (const each of legs) {
      const session = await each.stands()
      const { local, remote } = each.pair
      for (const id of upTo(50)) session.send(incoming(id, `romeo@${local}`, `juliet@${remote}`))
    }
    await until(() => server.stanzas.length === 150)
    expect(server.legs().map(({ remote, local }) => `${remote} ${local}`)).toEqual([
      `${TO} ${FROM}`,
      `${VERONA} ${FROM}`,
      `${VERONA} ${HALL}`,
    ])
    for (const { stanzas } of server.legs())
      expect(idsOf(stanzas.filter(each => !isBarrier(each)))).toEqual(upTo(50))
  })

  it('takes no stream of one domain that it serves for another: nobody is told that one is remote', async () => {
    const { server, leg } = await start()
    expect(await leg(HALL, CAPULET).fails()).toMatchObject({ by: 'us', kind: 'policy' })
    expect(server.streams).toEqual([])
  })

  it('tells of questions about keys, and of no streams for them', async () => {
    const { server, context } = await start()
    await server.outgoing(FROM, TO)
    await until(() => server.open === 0)
    const of = (role: string) => context.events.filter(event => 'role' in event && event.role === role)
    expect(context.eventsOf('dialback:asked')).toMatchObject([
      { local: TO, remote: FROM, address: '127.0.0.1', outcome: 'valid' },
    ])
    expect(of('initiating')).toEqual([])
  })
})

describe('a leg that does not come about', () => {
  const silent = () => {}
  const header = (stream: ServerSide) =>
    void stream.socket.once('data', () => stream.say(streamHeader({ from: FROM, to: TO, id: 'x' })))
  const noAnswer = (stream: ServerSide) => {
    header(stream)
    stream.socket.once('data', () =>
      stream.say(`<stream:features><dialback xmlns='${NS.dialbackFeature}'/></stream:features>`),
    )
  }
  const SILENT = [
    ['says nothing', silent],
    ['has no features', header],
    ['does not answer the key', noAnswer],
  ] as const

  it.each(SILENT)('because the server %s fails in time', async (_, onStream) => {
    const { server, leg } = await start({
      server: { onStream },
      limits: { openMs: 100, negotiationMs: 100, dialbackMs: 100 },
    })
    expect(await leg().fails()).toMatchObject({ by: 'network', kind: 'timeout' })
    await until(() => server.open === 0)
  })

  it.each(SILENT)('is given up at once where the server %s', async (_, onStream) => {
    const { server, leg } = await start({ server: { onStream } })
    const baseline = resources()
    const ours = leg()
    const stream = await server.stream(0)
    await until(() => stream.text !== '')
    if (onStream === noAnswer) await stream.element('result')
    ours.abort.abort()
    expect(await ours.fails()).toMatchObject({ by: 'us', kind: 'aborted' })
    await until(() => server.open === 0)
    await backTo(baseline)
  })

  it('is given up before it is dialled, and left alone once it stands', async () => {
    const { server, leg } = await start()
    const early = leg()
    early.abort.abort()
    expect(await early.fails()).toMatchObject({ by: 'us', kind: 'aborted' })
    const late = leg()
    const session = await late.stands()
    late.abort.abort()
    session.send(incoming(1))
    await until(() => server.stanzas.length === 1)
    expect([early.session, late.failure, late.end]).toEqual([null, null, null])
  })

  it('because nobody listens, or what listens refuses the key', async () => {
    const { server, leg } = await start({
      server: {
        onStream: stream => {
          server.behave(stream)
          server.ask = () => Promise.resolve('invalid')
        },
      },
    })
    expect(await leg().fails()).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
    server.stopListening()
    expect(await leg().fails()).toMatchObject({ by: 'network', kind: 'unreachable' })
  })
})

describe('whether the server has read what it was sent', () => {
  const silent = { answersPings: false } as const

  async function asked() {
    const { leg, server } = beside
    const ours = leg()
    const session = await ours.stands()
    session.send(incoming(1))
    const side = await onlyLeg()
    const request = await side.sees(({ stanzas }) => stanzas.find(isBarrier))
    const back = await server.outgoing(FROM, TO)
    /** what stands behind it has been seen by the host */
    const andThen = async (...answers: readonly string[]) => {
      const { sent } = beside.context
      const before = sent.length
      back.say(...answers)
      back.send(outgoing('behind'))
      await until(() => sent.length > before && sent.at(-1)?.id === 'behind')
      return idsOf(sent.slice(before))
    }
    const answer = (more: { from?: string; to?: string; id?: string; type?: string } = {}) => {
      const { from = FROM, to = TO, id = request.id, type = 'result' } = more
      return `<iq from='${from}' to='${to}' id='${id}' type='${type}'/>`
    }
    return { ours, session, request, andThen, answer }
  }

  it('is said by its answer, which nobody else sees: the second time, too, and when the leg has gone', async () => {
    await start({ server: silent })
    const { ours, session, andThen, answer } = await asked()
    expect(session.confirmedCount()).toBe(0)
    expect(await andThen(answer(), answer())).toEqual(['behind'])
    expect(session.confirmedCount()).toBe(1)
    session.end(null)
    await until(() => ours.end !== null)
    expect(await andThen(answer())).toEqual(['behind'])
    expect(beside.context.eventsOf('leg:silent')).toEqual([])
  })

  it('is said by an error, too', async () => {
    await start({ server: silent })
    const { session, andThen, answer } = await asked()
    const error = `<error type='cancel'><service-unavailable xmlns='${NS.stanzaErrors}'/></error></iq>`
    expect(await andThen(answer({ type: 'error' }).replace('/>', `>${error}`))).toEqual(['behind'])
    expect(session.confirmedCount()).toBe(1)
  })

  it('is said by nobody else: a user, another domain, another number or name', async () => {
    await start({ server: silent })
    const { session, request, andThen, answer } = await asked()
    const { server } = beside
    const hall = await server.outgoing(HALL, TO)
    hall.say(answer({ from: HALL })).send(outgoing('hall', `romeo@${TO}`, `guard@${HALL}`))
    const verona = await server.outgoing(FROM, VERONA)
    verona.say(answer({ to: VERONA })).send(outgoing('verona', `nurse@${VERONA}`))
    await until(() => beside.context.sent.length === 2)
    expect(idsOf(beside.context.sent).sort()).toEqual(['hall', 'verona'])
    const forged = [
      answer({ from: `juliet@${FROM}` }),
      answer({ from: `${FROM}/x` }),
      answer({ to: `romeo@${TO}` }),
      answer({ id: request.id.replace(/\d+$/, '7') }),
      answer({ id: request.id.replace(/[0-9a-f]{32}/, 'f'.repeat(32)) }),
    ]
    expect(await andThen(...forged)).toEqual(['behind'])
    expect(session.confirmedCount()).toBe(0)
    // What only looks a little like one is somebody's.
    const others = ['isthmus-read-', 'isthmus-read-x-1', `isthmus-read-${'f'.repeat(32)}`, `x${request.id}`]
    expect(await andThen(...others.map(id => answer({ id })))).toEqual([...others, 'behind'])
    // Nor is a question an answer.
    const question = iq({ from: FROM, to: TO, type: 'get', id: request.id, payload: element('x', 'urn:x') })
    await andThen(Buffer.from(question.bytes).toString())
    expect(beside.context.sent.map(({ type }) => type)).toContain('get')
    expect(session.confirmedCount()).toBe(0)
  })

  it('is not said by a server that answers nothing: after the second time, what is written counts as read', async () => {
    await start({
      server: silent,
      limits: { pingIntervalMs: 30, pingJitterMs: 0, confirmMs: 5 },
    })
    const { session } = await asked()
    const { context } = beside
    await until(() => session.confirmedCount() === 1)
    expect(context.eventsOf('leg:silent')).toMatchObject([{ local: TO, remote: FROM }])
    session.send(incoming(2))
    await until(() => session.confirmedCount() === 2)
    const side = await onlyLeg()
    expect(side.stanzas.filter(isBarrier)).toHaveLength(2)
    expect(context.eventsOf('leg:silent')).toHaveLength(1)
  })
})

describe('a server that is slow', () => {
  const big = 'x'.repeat(4_000)
  const text = (number: number) =>
    stanza(
      `<message xmlns='jabber:server' from='romeo@${TO}' to='juliet@${FROM}' id='${number}'><body>${big}</body></message>`,
    )

  /** Sends as long as it may, and goes on when there is room. */
  function pump(ours: Leg, session: OutboundSession, total: number) {
    const sending = { count: 0 }
    const go = () => {
      while (sending.count < total) {
        sending.count += 1
        if (!session.send(text(sending.count))) break
      }
    }
    ours.onDrain = go
    go()
    return sending
  }

  it('to read: the leg says when to stop and when to go on, and all comes in order', async () => {
    const total = 5_000
    const { server, leg } = await start()
    const ours = leg()
    const session = await ours.stands()
    const side = await onlyLeg()
    side.socket.pause()
    const sending = pump(ours, session, total)
    await new Promise(resolve => setTimeout(resolve, 50))
    // What two kernels take, and a quarter of a MiB.
    expect(sending.count).toBeLessThan(total)
    side.socket.resume()
    await until(() => server.stanzas.length === total)
    expect(idsOf(server.stanzas)).toEqual(upTo(total))
  })

  it('to read, and for ever: the leg ends, and says how much is in doubt', async () => {
    const { leg } = await start({ limits: { sendMaxMs: 100 } })
    const ours = leg()
    const session = await ours.stands()
    const side = await onlyLeg()
    side.socket.pause()
    const sending = pump(ours, session, Number.POSITIVE_INFINITY)
    await until(() => ours.end !== null)
    expect(ours.end).toMatchObject({
      failure: { by: 'network', kind: 'timeout' },
      unconfirmed: sending.count,
    })
  })

  it('to be taken from: a promise pauses that stream, and no other', async () => {
    const { server, context } = await start()
    let open = () => {}
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    context.react = ({ to }) => (to.domain === TO ? gate : undefined)
    const slow = await server.outgoing(FROM, TO)
    const quick = await server.outgoing(FROM, VERONA)
    const many = upTo(2_000)
    slow.send(...many.map(id => outgoing(id, `romeo@${TO}`)))
    quick.send(...many.map(id => outgoing(id, `nurse@${VERONA}`)))
    const sentTo = (name: string) => idsOf(context.sent.filter(({ to }) => to.domain === name))
    await until(() => sentTo(VERONA).length === 2_000)
    expect(sentTo(TO)).toEqual(['1'])
    open()
    await until(() => sentTo(TO).length === 2_000)
    expect([sentTo(TO), sentTo(VERONA)]).toEqual([many, many])
  })
})

describe('a leg that is bidi', () => {
  it('brings what the server says, from the one domain that it proves', async () => {
    const { server, context, leg } = await start({ server: { bidi: true } })
    const ours = leg()
    const session = await ours.stands()
    const side = await onlyLeg()
    side.send(outgoing(1), outgoing(2, `nurse@${VERONA}`))
    session.send(incoming(1))
    await until(() => context.sent.length === 2 && session.confirmedCount() === 1)
    expect(server.streams.every(({ remote }) => remote === TO)).toBe(true)
    side.send(outgoing(3, `romeo@${TO}`, `guard@${HALL}`))
    await until(() => ours.end !== null)
    expect(side.error).toBe('invalid-from')
    expect(idsOf(context.sent)).toEqual(['1', '2'])
  })

  it('from its first moment on, and no faster than it is taken', async () => {
    const { server, context, leg } = await start({ server: { bidi: true } })
    let open = () => {}
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    context.react = () => gate
    // Behind the answer to the key, in one piece with it.
    server.greeting = upTo(500).map(id => outgoing(id))
    const session = await leg().stands()
    session.send(incoming(1))
    await until(() => server.stanzas.length === 1)
    expect(idsOf(context.sent)).toEqual(['1'])
    open()
    await until(() => context.sent.length === 500)
    expect(idsOf(context.sent)).toEqual(upTo(500))
  })
})

describe('the end', () => {
  it('reads everything: what the server had written before our close is taken, and no stream is reset', async () => {
    const { server, context, host } = await start()
    const streams = await Promise.all(
      Array.from({ length: 6 }, (_, at) => server.outgoing(FROM, `m${at}.example`)),
    )
    const written = streams.map(() => 0)
    const write = (at: number) => {
      const stream = streams[at]
      if (stream === undefined || stream.isClosed) return
      const number = (written[at] ?? 0) + 1
      written[at] = number
      stream.send(outgoing(number, `romeo@m${at}.example`))
      setImmediate(write, at)
    }
    for (const at of streams.keys()) write(at)
    await until(() => context.sent.length > 200)
    await host.endInbound(30, 4_000)
    await Promise.all(streams.map(stream => stream.rest()))
    expect(streams.map(({ error, isClosed, wasReset }) => [error, isClosed, wasReset])).toEqual(
      streams.map(() => ['system-shutdown', true, false]),
    )
    for (const [at, count] of written.entries())
      expect(idsOf(context.sent.filter(({ to }) => to.domain === `m${at}.example`))).toEqual(upTo(count))
  })

  it('leaves time to ask: a later stream may ask about keys, and proves nothing', async () => {
    const { server, context, host, leg } = await start()
    const session = await leg().stands()
    await host.endInbound(0, 1_000)
    const stream = await server.begin(FROM, TO)
    stream.say(`<db:verify from='${FROM}' to='${TO}' id='x'>no key</db:verify>`)
    await stream.element('verify')
    server.showKey(stream)
    stream.send(outgoing(1))
    await stream.rest()
    expect(stream.error).toBe('system-shutdown')
    // Told that its key is right, it would have sent what waits, for nobody.
    expect(stream.elements.map(({ name }) => name)).not.toContain('result')
    expect([context.sent, context.peersUp]).toEqual([[], []])
    // The legs are there until federation ends them.
    session.send(incoming(1))
    await until(() => server.stanzas.length === 1)
    const another = leg(VERONA)
    await another.stands()
  })

  it('begins with the close of the server: what is sent from then on is not written, and said to be so', async () => {
    const { server, leg } = await start()
    const ours = leg()
    const session = await ours.stands()
    expect(session.isClosing).toBe(false)
    const side = await onlyLeg()
    side.answersClose = false
    side.say('</stream:stream>')
    await until(() => side.isClosed)
    expect([session.isClosing, ours.end]).toEqual([true, null])
    session.send(incoming(1))
    side.socket.end()
    await until(() => ours.end !== null)
    expect([ours.end, server.stanzas]).toEqual([{ failure: null, unconfirmed: 1 }, []])
  })

  it('of one domain: its streams end, and others prove nothing, until it is served again', async () => {
    const { server, context, host } = await start({ server: { domains: [CAPULET, HALL] } })
    const gone = await server.outgoing(HALL, TO)
    const stays = await server.outgoing(FROM, TO)
    await host.endInbound(0, 4_000, HALL)
    await gone.rest()
    expect([gone.error, stays.isClosed]).toEqual(['system-shutdown', false])
    stays.send(outgoing(1))
    await until(() => context.sent.length === 1)
    const late = await server.begin(HALL, TO)
    server.showKey(late)
    await late.rest()
    expect(late.error).toBe('system-shutdown')
    host.serve?.(HALL)
    await server.outgoing(HALL, TO)
  })

  it('does not wait for a server that does not close', async () => {
    const { server, host } = await start()
    const stream = await server.outgoing(FROM, TO)
    stream.answersClose = false
    stream.answersEnd = false
    await host.endInbound(0, 100)
    await until(() => stream.isEnded)
  })

  it('stops with streams of every kind, and twice', async () => {
    const baseline = resources()
    const { server, host, leg } = await start({ server: { says: () => null } })
    const port = host.listening[0]?.port ?? 0
    const said = server.connect()
    said.say(streamHeader({ from: FROM, to: TO }))
    const shown = await server.begin(FROM, TO)
    server.showKey(shown)
    await until(() => server.streams.some(({ asked }) => asked > 0))
    const ours = leg()
    const session = await ours.stands()
    session.end(SHUTDOWN)
    await until(() => ours.end !== null)
    await host.stop(1_000)
    await host.stop(1_000)
    await Promise.all([said.rest(), shown.rest()])
    await server.stop()
    await backTo(baseline)
    const again = await LocalServer.start({ domains: [FROM], port })
    await again.stop()
  })
})

describe('options', () => {
  const options = {
    address: { host: '127.0.0.1', port: 1 },
    listen: [{ address: '127.0.0.1', port: 0 }],
    security: { kind: 'plaintext' },
  } as const

  it('that can never work are refused at once', () => {
    for (const host of ['localhost', '', '127.0.0.1:5269'])
      expect(() => xmppServer({ ...options, address: { host, port: 1 } })).toThrow(TypeError)
  })

  it('an address that is taken, or a block that is none, rejects the start; it is started once', async () => {
    const { host, context } = await start()
    await expect(host.start(context)).rejects.toThrow(TypeError)
    const taken = xmppServer({ ...options, listen: [...host.listening] })
    await expect(taken.start(context)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(taken.listening).toEqual([])
    await taken.stop(0)
    const odd = xmppServer({ ...options, allow: ['127.0.0.0/99'] })
    await expect(odd.start(context)).rejects.toThrow()
  })
})

describe('stream management towards a server', () => {
  const asked = () =>
    beside.server.streams.filter(({ elements }) => elements.some(({ name }) => name === 'enable'))

  it('that takes it: its acknowledgements confirm, and no ping is sent', async () => {
    const { server, leg } = await start({ server: { management: 'takes' } })
    const session = await leg().stands()
    expect(session.management).not.toBeNull()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    expect((await onlyLeg()).stanzas.filter(isBarrier)).toEqual([])
    expect(idsOf(server.stanzas)).toEqual(['1'])
  })

  it('COMPAT(Prosody without mod_smacks) that ends the stream: it is dialled again, without the question, and from then on', async () => {
    const { leg } = await start({ server: { management: 'ends' } })
    const session = await leg().stands()
    expect(session.management).toBeNull()
    expect(asked()).toHaveLength(1)
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    await leg(VERONA).stands()
    expect(asked()).toHaveLength(1)
  })

  it('COMPAT(ejabberd) that leaves the question without an answer: pings ask, and it is not asked again', async () => {
    const { leg } = await start({ limits: { legEnableMs: 50 } })
    const session = await leg().stands()
    expect(session.management).toBeNull()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    await leg(VERONA).stands()
    expect(asked()).toHaveLength(1)
  })
})
