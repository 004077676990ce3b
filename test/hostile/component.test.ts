import { createConnection } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ComponentHost } from '../../src/hosts/index.ts'
import { message, NS } from '../../src/xmpp/index.ts'
import { componentHost, digest, headerOf, placeOf, TestComponent } from '../kit/component.ts'
import { backTo, resources } from '../kit/fronts.ts'
import { RecordingContext } from '../kit/host-compliance.ts'

// What a process on this machine may do to the listener for components, while a component that behaves goes on. After each
// case that one is still served, nobody else has been heard, and every handle is gone.

const BOT = 'bot.example'
const OTHER = 'other.example'
const ROMEO = 'romeo@montague.example/orchard'

let host: ComponentHost
let context: RecordingContext
let good: TestComponent
let baseline: Record<string, number>

class Context extends RecordingContext {
  override readonly limits = {
    ...new RecordingContext().limits,
    openMs: 1_000,
    negotiationMs: 2_000,
    closeMs: 500,
  }
}

beforeAll(async () => {
  host = componentHost()
  context = new Context(BOT, OTHER)
  await host.start(context)
  good = await new TestComponent(placeOf(host)).enter(BOT)
  baseline = resources()
})
afterAll(() => host.stop(1_000))

const connect = () => new TestComponent(placeOf(host))

async function lives(): Promise<void> {
  const before = good.ids.length
  expect(await host.deliver(message({ from: ROMEO, to: BOT, id: `a-${before}`, body: 'x' }))).toEqual({
    taken: true,
  })
  await good.sees(({ ids }) => (ids.length > before ? true : undefined))
  good.say(`<presence from='${BOT}' to='${ROMEO}' id='b-${before}'/>`)
  while (!context.sent.some(({ id }) => id === `b-${before}`))
    await new Promise(resolve => setImmediate(resolve))
  expect(context.sent.every(({ from }) => from.domain === BOT)).toBe(true)
  await backTo(baseline)
}

const bytes = (...values: number[]) => Uint8Array.from(values)
const nested = (depth: number) => `${'<a>'.repeat(depth)}${'</a>'.repeat(depth)}`

describe('before the handshake', () => {
  it.each<readonly [string, string | Uint8Array]>([
    ['a ClientHello', bytes(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3)],
    ['HTTP', 'GET / HTTP/1.1\r\nHost: bot.example\r\n\r\n'],
    ['zeros', new Uint8Array(5_000)],
    ['bytes that are no UTF-8', bytes(0x3c, 0xff, 0xfe, 0x80)],
    ['a DTD with entities', `<!DOCTYPE x [<!ENTITY a "aaaa">]>${headerOf(BOT)}`],
    ['a header of half a MiB', `<stream:stream ${`a='x'`.padEnd(512 * 1024)}>`],
    [
      'a header with a thousand attributes',
      `<stream:stream ${Array.from({ length: 1_000 }, (_, n) => `a${n}=''`).join(' ')}>`,
    ],
    ['a name of many letters', headerOf(`${'x'.repeat(9_000)}.example`)],
    ['a name with markup', headerOf('&lt;/stream:stream&gt;')],
    ['names of prototypes', headerOf('__proto__')],
    ['a handshake of half a MiB', `${headerOf(OTHER)}<handshake>${'0'.repeat(512 * 1024)}</handshake>`],
    ['a deep handshake', `${headerOf(OTHER)}<handshake>${nested(1_000)}</handshake>`],
    ['a hundred thousand handshakes', `${headerOf(OTHER)}${'<handshake/>'.repeat(100_000)}`],
    ['stanzas in a row', `${headerOf(OTHER)}${`<message from='${OTHER}' to='${ROMEO}'/>`.repeat(1_000)}`],
    ['a second stream in the first', headerOf(OTHER) + headerOf(OTHER)],
    ['an end without a beginning', '</stream:stream>'],
  ])('%s is refused, and ended', async (_, said) => {
    const mallory = connect().say(said)
    await mallory.rest()
    expect(mallory.text).not.toContain('<handshake')
    mallory.socket.destroy()
    await lives()
  })

  it.each([
    ['nothing', ''],
    ['half a header', '<stream:str'],
    ['a header', headerOf(OTHER)],
    ['half a handshake', `${headerOf(OTHER)}<handshake>00`],
  ])('who says %s and waits is sent away in time', async (_, said) => {
    const mallory = connect().say(said)
    await mallory.rest()
    mallory.socket.destroy()
    await lives()
  })

  it('who dribbles, byte by byte, is sent away in time', async () => {
    const mallory = connect().say(headerOf(OTHER), '<handshake>')
    const dribble = setInterval(() => mallory.say('0'), 20)
    await mallory.rest()
    clearInterval(dribble)
    mallory.socket.destroy()
    await lives()
  })

  it('a thousand guesses cost a connection each, and nobody anything else', async () => {
    const guess = async (index: number) => {
      const mallory = connect()
      const id = await mallory.open(OTHER)
      mallory.say(`<handshake>${digest(id, `guess ${index}`)}</handshake>`)
      await mallory.rest()
      expect(mallory.error).toBe('not-authorized')
      mallory.socket.destroy()
    }
    for (let round = 0; round < 50; round++)
      await Promise.all(Array.from({ length: 20 }, (_, index) => guess(20 * round + index)))
    await lives()
  })

  it('a digest that was seen on one stream opens no other', async () => {
    const seen = connect()
    const shown = digest(await seen.open(OTHER))
    seen.say(`<handshake>${shown}</handshake>`)
    await seen.sees(({ elements }) => elements[0])
    seen.leave()
    await seen.rest()
    const mallory = connect()
    await mallory.open(OTHER)
    mallory.say(`<handshake>${shown}</handshake>`)
    await mallory.rest()
    expect(mallory.error).toBe('not-authorized')
    seen.socket.destroy()
    mallory.socket.destroy()
    await lives()
  })

  it('two hundred that connect and are silent keep nobody out', async () => {
    const { port } = placeOf(host)
    const sockets = Array.from({ length: 200 }, () => createConnection({ host: '127.0.0.1', port }))
    for (const socket of sockets) socket.on('error', () => {}).resume()
    const other = await connect().enter(OTHER)
    other.leave()
    await other.rest()
    other.socket.destroy()
    await Promise.all(
      sockets.map(socket => (socket.closed ? null : new Promise(resolve => socket.once('close', resolve)))),
    )
    await lives()
  })
})

describe('after it', () => {
  it.each([
    ['a stanza of somebody else', `<message from='${BOT}' to='${ROMEO}'/>`, 'invalid-from'],
    [
      'a stanza of half a MiB',
      `<message from='${OTHER}' to='${ROMEO}'><body>${'x'.repeat(600_000)}</body></message>`,
      'policy-violation',
    ],
    [
      'a deep stanza',
      `<message from='${OTHER}' to='${ROMEO}'>${nested(1_000)}</message>`,
      'policy-violation',
    ],
    [
      'a wide stanza',
      `<message from='${OTHER}' to='${ROMEO}'>${'<a/>'.repeat(20_000)}</message>`,
      'policy-violation',
    ],
    [
      'a stanza of clients',
      `<message xmlns='${NS.client}' from='${OTHER}' to='${ROMEO}'/>`,
      'invalid-namespace',
    ],
    [
      'a stanza with a prefix',
      `<c:message xmlns:c='${NS.component}' from='${OTHER}' to='${ROMEO}'/>`,
      'bad-namespace-prefix',
    ],
    ['an entity', `<message from='${OTHER}' to='${ROMEO}'>&x;</message>`, 'restricted-xml'],
    ['text between stanzas', 'hello', 'bad-format'],
  ])('%s ends that stream alone', async (_, said, condition) => {
    const mallory = await connect().enter(OTHER)
    mallory.say(said)
    await mallory.rest()
    expect(mallory.error).toBe(condition)
    mallory.socket.destroy()
    await lives()
  })

  it('who closes and goes on talking is not heard', async () => {
    const mallory = await connect().enter(OTHER)
    mallory.say(`</stream:stream><message from='${OTHER}' to='${ROMEO}'/>`)
    await mallory.rest()
    mallory.socket.destroy()
    await lives()
  })
})
