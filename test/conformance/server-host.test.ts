import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { NS } from '../../src/xmpp/index.ts'
import { type Beside, besideServer, HALL, outgoing, until, VERONA } from '../kit/beside-server.ts'
import type { ServerSide } from '../kit/local-server-streams.ts'
import { attribute, RawStream, streamHeader } from '../kit/raw-stream.ts'

// Dialback as the host for a server of this machine does it: real streams, and a server written by hand. It serves
// capulet.example and hall.capulet.example.

let beside: Beside

async function start(...options: Parameters<typeof besideServer>): Promise<Beside> {
  beside = await besideServer(...options)
  return beside
}
afterEach(() => beside.stop())

const FROM = 'capulet.example'
const TO = 'montague.example'

/** connections on which the server was asked about keys */
const askedOn = (): readonly ServerSide[] => beside.server.streams.filter(({ asked }) => asked > 0)

/** what the host says of a key: its type, and the condition of an error */
async function toldOf(stream: RawStream, at = 0): Promise<string> {
  const answer = await stream.sees(({ elements }) => elements.filter(({ name }) => name === 'result').at(at))
  const [error] = answer.children
  const condition = typeof error === 'string' ? undefined : error?.children[0]
  const name = typeof condition === 'string' ? '' : (condition?.name ?? '')
  return `${attribute(answer, 'type')} ${name}`.trim()
}

describe('a key that the server shows', () => {
  it('[DB-41 DB-11] is asked about on a connection of its own, and never on the one that it came on', async () => {
    const { server } = await start()
    const stream = await server.begin(FROM, TO)
    server.showKey(stream)
    expect(await toldOf(stream)).toBe('valid')
    const [asking, ...others] = askedOn()
    expect([others.length, asking?.local, asking?.remote]).toEqual([0, FROM, TO])
    expect(asking?.text).toContain(`id='${stream.id}'`)
    expect(asking?.text).toContain(server.keyFor(TO, FROM, stream.id))
    expect(stream.text).not.toContain('verify')
    // It ends with the answer, in order.
    await asking?.rest()
    expect([asking?.isClosed, asking?.wasReset]).toEqual([true, false])
  })

  it('[DB-41] nor on a stream of the pair that goes both ways, nor on that of another question', async () => {
    const { server, leg } = await start({ server: { bidi: true } })
    await leg().stands()
    const [bidi] = server.legs()
    expect(bidi?.isBidi).toBe(true)
    const stream = await server.begin(FROM, TO)
    for (const to of [TO, 'verona.example', 'padua.example']) server.showKey(stream, FROM, to)
    await stream.sees(({ text }) => (text.match(/type='valid'/g)?.length === 3 ? true : undefined))
    expect(
      askedOn()
        .map(({ asked, remote }) => [asked, remote])
        .sort(),
    ).toEqual([
      [1, TO],
      [1, 'padua.example'],
      [1, 'verona.example'],
    ])
    for (const { text } of [stream, bidi ?? stream]) expect(text).not.toContain('verify')
  })

  it('[DB-17 DB-19 DB-20] several pairs share a stream; a proven one flows while another is asked about', async () => {
    let answer = (_: string) => {}
    const held = new Promise<string>(resolve => {
      answer = resolve
    })
    const { server, context } = await start({
      server: { says: ({ from, isOwn }) => (from === VERONA ? held : isOwn ? 'valid' : 'invalid') },
    })
    const stream = await server.begin(FROM, VERONA)
    server.showKey(stream)
    server.showKey(stream, FROM, TO)
    expect(await toldOf(stream)).toBe('valid')
    stream.send(outgoing(1))
    await until(() => context.sent.length === 1)
    stream.say(`<db:verify from='${FROM}' to='${TO}' id='x'>no key of ours</db:verify>`)
    expect(attribute(await stream.element('verify'), 'type')).toBe('invalid')
    answer('valid')
    expect(await toldOf(stream, 1)).toBe('valid')
    stream.send(outgoing(2, 'nurse@verona.example'), outgoing(3))
    await until(() => context.sent.length === 3)
    expect(context.sent.map(({ id }) => id)).toEqual(['1', '2', '3'])
    expect(context.peersUp.map(({ local }) => local)).toEqual([TO, VERONA])
  })

  it('[DB-20] two domains of the server share a stream, each with a key', async () => {
    const { server, context } = await start()
    const stream = await server.outgoing(FROM, TO)
    server.showKey(stream, HALL, TO)
    expect(await toldOf(stream, 1)).toBe('valid')
    stream.send(outgoing(1, 'romeo@montague.example', `guard@${HALL}`))
    await until(() => context.sent.length === 1)
  })

  it.each<readonly [string, string, (stream: ServerSide) => void]>([
    ['it says that it has none', 'error remote-server-not-found', () => {}],
    [
      'it does not serve the domain any more',
      'error remote-server-not-found',
      stream =>
        stream.say(
          streamHeader({ from: FROM, id: 'x' }),
          `<stream:error><host-unknown xmlns='${NS.streamErrors}'/></stream:error></stream:stream>`,
        ),
    ],
    ['it drops the stream', 'error remote-server-timeout', stream => stream.vanish()],
    ['it ends the stream', 'error remote-server-timeout', stream => stream.leave()],
    ['it says nothing at all', 'error remote-server-timeout', () => {}],
    ['it speaks no XMPP', 'error remote-server-timeout', stream => stream.say('220 mail.example ESMTP\r\n')],
  ])('[DB-27] where the server cannot be asked: %s', async (name, told, behave) => {
    const isError = name.includes('has none')
    const { server } = await start({
      limits: { openMs: 200 },
      server: isError
        ? { says: () => 'error' }
        : { onStream: stream => void stream.socket.once('data', () => behave(stream)) },
    })
    const stream = await server.begin(FROM, TO)
    server.showKey(stream)
    expect(await toldOf(stream)).toBe(told)
    // DB-25: the stream stays, and another key may be shown.
    server.showKey(stream)
    expect(await toldOf(stream, 1)).toBe(told)
    expect(beside.context.eventsOf('dialback:asked')).toHaveLength(2)
  })

  it('[DB-27] and where nobody listens there', async () => {
    const { server } = await start()
    const stream = await server.begin(FROM, TO)
    const id = stream.id
    const key = server.keyFor(TO, FROM, id)
    server.stopListening()
    server.showKey(stream, FROM, TO, key)
    expect(await toldOf(stream)).toBe('error remote-server-timeout')
    expect(beside.context.eventsOf('dialback:asked')).toMatchObject([
      { local: TO, remote: FROM, outcome: 'error', detail: expect.stringContaining('refused') },
    ])
  })

  it('[DB-28 DB-23 DB-25] what else is refused, and why; the stream stays', async () => {
    const { server, context } = await start({ server: { says: () => null }, limits: { dialbackPending: 2 } })
    const stream = await server.begin(FROM, TO)
    // No server of ours is a remote domain, and nobody comes who is none of ours.
    server.showKey(stream, FROM, HALL)
    server.showKey(stream, 'tybalt.example', TO)
    server.showKey(stream, FROM, '@')
    server.showKey(stream, FROM, TO, 'k'.repeat(1_025))
    for (const to of ['a.example', 'b.example', 'c.example']) server.showKey(stream, FROM, to)
    const told = []
    for (let at = 0; at < 5; at++) told.push(await toldOf(stream, at))
    expect(told).toEqual([
      'error item-not-found',
      'error not-acceptable',
      'error jid-malformed',
      'error not-acceptable',
      'error resource-constraint',
    ])
    expect(stream.text).toContain(`from='@' to='${FROM}'`)
    expect([stream.isEnded, context.sent.length]).toEqual([false, 0])
  })

  it('[DB-28] too many keys altogether: those that wait have a limit, too', async () => {
    const { server } = await start({
      server: { says: () => null },
      limits: { legVerifications: 2, legVerificationsWaiting: 3 },
    })
    const streams = []
    for (let at = 0; at < 6; at++) {
      const stream = await server.begin(FROM, `m${at}.example`)
      server.showKey(stream)
      streams.push(stream)
    }
    const last = streams.at(-1)
    expect(last && (await toldOf(last))).toBe('error resource-constraint')
    expect(server.mostOpen).toBe(2)
  })

  it('[DB-26] a wrong one ends the stream, unless another pair stands on it', async () => {
    const { server, context } = await start()
    const alone = await server.begin(FROM, TO)
    server.showKey(alone, FROM, TO, 'no key of the server')
    expect(await toldOf(alone)).toBe('invalid')
    await alone.rest()
    const stream = await server.outgoing(FROM, TO)
    server.showKey(stream, FROM, VERONA, 'no key of the server')
    expect(await toldOf(stream, 1)).toBe('error forbidden')
    stream.send(outgoing(1))
    await until(() => context.sent.length === 1)
  })

  it('[DB-30 ST-17] stanzas of pairs that are not proven end the stream, and go nowhere', async () => {
    const { server, context } = await start()
    const early = await server.begin(FROM, TO)
    early.send(outgoing(1))
    await early.rest()
    expect(early.error).toBe('not-authorized')
    for (const [stanza, error] of [
      [outgoing(1, 'romeo@montague.example', `guard@${HALL}`), 'invalid-from'],
      [outgoing(1, 'romeo@montague.example', 'tybalt@verona.example'), 'invalid-from'],
      [outgoing(1, 'nurse@verona.example'), 'host-unknown'],
    ] as const) {
      const stream = await server.outgoing(FROM, TO)
      stream.send(stanza)
      await stream.rest()
      expect(stream.error).toBe(error)
    }
    expect(context.sent).toEqual([])
  })

  it('[DB-40] an answer that nobody asked for proves nothing, wherever it comes; the third ends the stream', async () => {
    const { server, context } = await start({ server: { says: () => null } })
    const stream = await server.begin(FROM, TO)
    server.showKey(stream)
    await until(() => askedOn().length === 1)
    const rogue = await server.begin(FROM, TO)
    for (const on of [rogue, stream]) {
      on.say(`<db:verify from='${FROM}' to='${TO}' id='${stream.id}' type='valid'/>`)
      on.say(`<db:result from='${FROM}' to='${TO}' type='valid'/>`)
      on.say(`<db:verify from='${FROM}' to='${TO}' id='y'>no key of ours</db:verify>`)
      await on.element('verify')
      expect(on.text).not.toContain(`type='valid'`)
      on.say(`<db:result from='${FROM}' to='${TO}' type='valid'/>`)
      await on.rest()
      expect(on.error).toBe('policy-violation')
    }
    expect(context.peersUp).toEqual([])
  })
})

describe('questions about keys of the host', () => {
  it('[DB-18] are answered on any stream: one that is not proven, one that is, and its own', async () => {
    const { server, leg } = await start()
    await leg().stands()
    const [shown] = server.legs()
    const id = shown?.id ?? ''
    const key = shown?.elements.find(({ name }) => name === 'result')?.children.join('') ?? ''
    const ask = (text: string) => `<db:verify from='${FROM}' to='${TO}' id='${id}'>${text}</db:verify>`
    const told = async (stream: RawStream, at: number) =>
      attribute(
        await stream.sees(({ elements }) => elements.filter(({ name }) => name === 'verify').at(at)),
        'type',
      )
    for (const stream of [
      await server.begin(FROM, TO),
      await server.begin(FROM, VERONA),
      await server.outgoing(FROM, TO),
      shown,
    ]) {
      if (stream === undefined) throw new Error('there is no leg')
      stream.say(ask(key), ask('another'))
      expect([await told(stream, 0), await told(stream, 1)]).toEqual(['valid', 'invalid'])
    }
  })

  it('[DB-45] the leg that proves the host does not prove the server: its stanzas are refused there', async () => {
    const { server, context, leg } = await start()
    const ours = leg()
    await ours.stands()
    server.legs()[0]?.send(outgoing(1))
    await until(() => ours.end !== null)
    expect(server.legs()[0]?.error).toBe('not-authorized')
    expect(context.sent).toEqual([])
  })
})

describe('what servers say in their own way', () => {
  it('COMPAT(Prosody): a header with an empty id', async () => {
    const { server } = await start()
    const stream = await server.begin(FROM, TO, { id: '' })
    expect(stream.id).toMatch(/^s?[0-9a-f]{32}$/)
    server.showKey(stream)
    expect(await toldOf(stream)).toBe('valid')
  })

  it('COMPAT(ejabberd): a stream that only asks, and ends', async () => {
    const { server, context } = await start()
    const stream = server.connect()
    stream.say(
      streamHeader({ from: FROM, to: TO }),
      `<db:verify from='${FROM}' to='${TO}' id='x'>no key</db:verify></stream:stream>`,
    )
    await stream.rest()
    expect([attribute(await stream.element('verify'), 'type'), stream.wasReset]).toEqual(['invalid', false])
    await until(() => context.eventsOf('stream:ended').length > 0)
    expect(context.eventsOf('stream:ended')).toMatchObject([{ established: false, reason: 'closed' }])
  })

  it('[ST-12 DB-20] COMPAT(jabberd2): headers that name nobody and have no version, and all pairs on one stream', async () => {
    const { server, context } = await start()
    const stream = server.connect()
    stream.say(streamHeader({ version: null }))
    const header = await stream.header()
    stream.id = header.attribute('id') ?? ''
    expect([header.attribute('version'), header.attribute('from')]).toEqual([undefined, ''])
    for (const to of [TO, VERONA]) server.showKey(stream, FROM, to)
    expect([await toldOf(stream, 0), await toldOf(stream, 1)]).toEqual(['valid', 'valid'])
    stream.say(`<db:verify from='${FROM}' to='${TO}' id='x'>no key</db:verify>`)
    await stream.element('verify')
    stream.send(outgoing(1), outgoing(2, 'nurse@verona.example'))
    await until(() => context.sent.length === 2)
    expect(stream.text).not.toContain('features')
  })

  it('COMPAT(jabberd2): nor has its answer to the host a version, or features', async () => {
    const { server, leg } = await start({ server: { isOld: true } })
    const session = await leg().stands()
    expect(server.legs()).toHaveLength(1)
    const stream = await server.begin(FROM, TO)
    server.showKey(stream)
    expect(await toldOf(stream)).toBe('valid')
    session.end(null)
  })

  it('COMPAT(Prosody): STARTTLS where it is not offered is refused in order', async () => {
    const { server } = await start()
    const stream = await server.begin(FROM, TO)
    stream.say(`<starttls xmlns='${NS.tls}'/>`)
    await stream.rest()
    expect(stream.text).toContain(`<failure xmlns='${NS.tls}'/>`)
    expect([stream.isClosed, stream.wasReset, stream.error]).toEqual([true, false, undefined])
  })

  it('COMPAT(Prosody): TLS as the first byte is ended in order and at once, so that the server goes on to the other way', async () => {
    const { server, context } = await start({ limits: { openMs: 60_000 } })
    const stream = server.connect()
    stream.say(Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3))
    await stream.rest()
    expect([stream.text, stream.wasReset]).toEqual(['', false])
    expect(context.events.filter(({ type }) => type !== 'listening')).toEqual([])
  })

  it('both families of this machine', async () => {
    const { host, server } = await start({
      host: {
        listen: [
          { address: '127.0.0.1', port: 0 },
          { address: '::1', port: 0 },
        ],
      },
    })
    for (const place of host.listening) {
      const stream = new RawStream(connect({ host: place.address, port: place.port }))
      stream.say(streamHeader({ from: FROM, to: TO }))
      const id = (await stream.header()).attribute('id') ?? ''
      stream.say(`<db:result from='${FROM}' to='${TO}'>${server.keyFor(TO, FROM, id)}</db:result>`)
      expect(await toldOf(stream)).toBe('valid')
      stream.leave()
    }
    expect(host.listening.map(({ address }) => address)).toContain('127.0.0.1')
  })
})
