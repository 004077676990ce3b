import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OutboundSession } from '../../src/federation/connect.ts'
import { NS } from '../../src/xmpp/index.ts'
import { type Beside, besideServer, CAPULET, HALL, incoming, outgoing, until } from '../kit/beside-server.ts'
import { backTo, resources } from '../kit/fronts.ts'
import type { ClientSide } from '../kit/local-server-streams.ts'
import { attribute, streamHeader } from '../kit/raw-stream.ts'

// What another process of this machine may do to the listener for the streams of a server, which goes on meanwhile. After
// each case that server is still served, nobody else has been heard, and every handle is gone.

const FROM = 'capulet.example'
const TO = 'montague.example'
const EVIL = 'evil.example'

const LIMITS = {
  openMs: 500,
  negotiationMs: 1_000,
  dialbackMs: 2_000,
  closeMs: 500,
  unauthenticatedTotal: 100,
}

let beside: Beside
let good: ClientSide
let session: OutboundSession
let baseline: Record<string, number>
let round = 0

beforeAll(async () => {
  beside = await besideServer({ limits: LIMITS })
  good = await beside.server.outgoing(FROM, TO)
  session = await beside.leg().stands()
  await lives()
  await until(() => beside.server.open === 1)
  baseline = resources()
})
afterAll(() => beside.stop())

/** The server sends and is sent to as before, and has been the only one. */
async function lives(): Promise<void> {
  round += 1
  const { context } = beside
  good.send(outgoing(round))
  await until(() => context.sent.some(({ id }) => id === String(round)))
  const before = session.confirmedCount()
  session.send(incoming(round))
  await until(() => session.confirmedCount() > before)
  expect(context.sent.every(({ from, id }) => from.domain === FROM && Number(id) <= round)).toBe(true)
  if (baseline !== undefined) await backTo(baseline)
}

const mallory = () => beside.server.connect()
const header = streamHeader({ from: FROM, to: TO })
const bytes = (...values: number[]) => Uint8Array.from(values)
const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`
const result = (key: string, to = TO) => `<db:result from='${FROM}' to='${to}'>${key}</db:result>`
const stolen = `<message from='juliet@${FROM}' to='romeo@${TO}' id='stolen'><body>x</body></message>`

describe('before anything is proven', () => {
  it.each<readonly [string, string | Uint8Array]>([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: capulet.example\r\n\r\n'],
    ['zeros', new Uint8Array(5_000)],
    ['bytes that are no UTF-8', bytes(0x3c, 0xff, 0xfe, 0x80)],
    ['a DTD with entities', `<!DOCTYPE x [<!ENTITY a "aaaa">]>${header}`],
    ['a header of half a MiB', `<stream:stream ${`a='x'`.padEnd(512 * 1024)}>`],
    ['a header from somebody else', streamHeader({ from: 'tybalt.example', to: TO })],
    ['a header from a domain of the server to another one', streamHeader({ from: FROM, to: HALL })],
    ['a header to nobody', streamHeader({ from: FROM })],
    ['names of prototypes', streamHeader({ from: '__proto__', to: 'constructor' })],
    ['a key of half a MiB', `${header}${result('0'.repeat(512 * 1024))}`],
    ['a key that is markup', `${header}<db:result from='${FROM}' to='${TO}'>${nested(20)}</db:result>`],
    ['a stanza', header + stolen],
    ['a stanza in front of a key', header + stolen + result('key')],
    ['a key and a stanza behind it', header + result('key') + stolen],
    ['a wish for both ways, and a stanza', `${header}<bidi xmlns='${NS.bidi}'/>${stolen}`],
    ['SASL, and a stanza', `${header}<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>${stolen}`],
    [
      'answers that nobody asked for',
      header + `<db:result from='${FROM}' to='${TO}' type='valid'/>`.repeat(3),
    ],
    ['a second stream in the first', header + header],
    ['an end without a beginning', '</stream:stream>'],
    ['TLS', bytes(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)],
  ])('%s is refused, and ended', async (_, said) => {
    const stream = mallory().say(said)
    await stream.rest()
    expect(stream.text).not.toContain(`type='valid'`)
    stream.socket.destroy()
    await lives()
  })

  it.each([
    ['nothing', ''],
    ['half a header', '<stream:str'],
    ['a header', header],
    ['half a key', `${header}<db:result from='${FROM}'`],
    ['white space', `${header}${' '.repeat(1_000)}`],
  ])('who says %s and waits is sent away in time', async (_, said) => {
    const stream = mallory().say(said)
    await stream.rest()
    stream.socket.destroy()
    await lives()
  })

  it('who asks and asks, and reads no answer, is cut: what waits for him is bounded', async () => {
    const patient = await besideServer({ limits: { sendMaxBytes: 64 * 1024, sendHighWaterBytes: 16 * 1024 } })
    const stream = patient.server.connect().say(header)
    await stream.header()
    stream.socket.pause()
    const question = `<db:verify from='${FROM}' to='${TO}' id='x'>no key</db:verify>`.repeat(1_000)
    const ended = () => patient.context.eventsOf('stream:ended')
    const ask = () => {
      if (ended().length > 0) return
      if (stream.socket.writableLength < 1_000_000) stream.say(question)
      setImmediate(ask)
    }
    ask()
    await until(() => ended().length > 0)
    expect(ended()).toMatchObject([{ established: false, reason: 'us.overload' }])
    await patient.stop()
    await lives()
  })
})

describe('a key', () => {
  /** A key that the server has made for somebody else, for a stream id of his choice. */
  const obtained = (id: string, to: string) => beside.server.keyFor(to, FROM, id)

  it.each<readonly [string, (id: string) => readonly [string, string]]>([
    ['of his own', () => ['0'.repeat(64), TO]],
    ['that the server has shown on another stream', () => [beside.server.keyFor(TO, FROM, good.id), TO]],
    ['that the server has made for somebody else', id => [obtained(id, EVIL), TO]],
    ['that is empty', () => ['', TO]],
  ])('%s proves nothing', async (_, make) => {
    const stream = mallory().say(header)
    const id = (await stream.header()).attribute('id') ?? ''
    const [key, to] = make(id)
    stream.say(result(key, to))
    expect(attribute(await stream.element('result'), 'type')).toBe('invalid')
    stream.say(stolen)
    await stream.rest()
    stream.socket.destroy()
    await lives()
  })

  it('that he has got by being dialled lets him speak to himself, not for the server', async () => {
    const stream = mallory().say(streamHeader({ from: FROM, to: EVIL }))
    const id = (await stream.header()).attribute('id') ?? ''
    stream.say(result(obtained(id, EVIL), EVIL))
    expect(attribute(await stream.element('result'), 'type')).toBe('valid')
    stream.say(stolen)
    await stream.rest()
    expect(stream.error).toBe('host-unknown')
    stream.socket.destroy()
    await lives()
  })

  it.each([
    ['a domain that the server does not serve', 'tybalt.example', 'not-acceptable'],
    ['an address', '127.0.0.1', 'not-acceptable'],
  ])('for %s is not even asked about', async (_, from, condition) => {
    const asked = beside.context.eventsOf('dialback:asked').length
    const stream = mallory().say(streamHeader({ version: null }))
    await stream.header()
    stream.say(`<db:result from='${from}' to='${TO}'>key</db:result>`)
    expect((await stream.element('result')).children).toMatchObject([{ children: [{ name: condition }] }])
    expect(beside.context.eventsOf('dialback:asked')).toHaveLength(asked)
    stream.leave()
    await stream.rest()
    await lives()
  })
})

describe('floods', () => {
  it('of keys: the server is asked on so many connections at once, and on no more', async () => {
    const { server, context } = beside
    const before = context.eventsOf('dialback:asked').length
    const streams = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const stream = mallory().say(header)
        await stream.header()
        // Each for another pair, as one pair is asked about once.
        stream.say(...Array.from({ length: 16 }, (_, at) => result('wrong', `m${at}.example`)))
        return stream
      }),
    )
    await Promise.all(
      streams.map(stream =>
        stream.sees(({ text, isEnded }) =>
          isEnded || text.split('<db:result').length > 16 ? true : undefined,
        ),
      ),
    )
    expect(context.eventsOf('dialback:asked').length - before).toBeGreaterThan(64)
    // One leg beside them.
    expect(server.mostOpen).toBeLessThanOrEqual(context.limits.legVerifications + 1)
    for (const stream of streams) stream.vanish()
    await lives()
  })

  it('of streams: the oldest that have proven nothing make room, and the server still comes in', async () => {
    const { server } = beside
    const strangers: ClientSide[] = []
    for (let at = 0; at < LIMITS.unauthenticatedTotal + 20; at++) {
      const stream = mallory().say(header)
      await stream.header()
      strangers.push(stream)
    }
    await until(() => strangers.slice(0, 20).every(({ isEnded }) => isEnded))
    expect(strangers.slice(20).some(({ isEnded }) => isEnded)).toBe(false)
    const stream = await server.outgoing(FROM, 'verona.example')
    expect(good.isEnded).toBe(false)
    stream.leave()
    await stream.rest()
    for (const stranger of strangers) stranger.vanish()
    await lives()
  })

  it('of beginnings that are never ended', async () => {
    for (let at = 0; at < 200; at++) mallory().say(header).vanish()
    await lives()
  })
})

describe('addresses', () => {
  it.each([
    ['of another network only', ['192.0.2.0/24']],
    ['of the other family only', ['::1/128']],
    ['none', []],
  ])('where those that may connect are %s, this one may not', async (_, allow) => {
    const guarded = await besideServer({ host: { allow } })
    const stream = guarded.server.connect().say(streamHeader({ from: CAPULET, to: TO }))
    await stream.rest()
    expect(stream.text).toBe('')
    await until(() => guarded.context.eventsOf('connection:refused').length === 1)
    expect(guarded.context.eventsOf('connection:refused')).toMatchObject([
      { address: '127.0.0.1', detail: 'address not allowed' },
    ])
    await guarded.stop()
    await lives()
  })
})
