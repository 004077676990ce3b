import { createConnection } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { ComponentHost, ComponentOptions } from '../../src/hosts/index.ts'
import { serialize } from '../../src/xml/index.ts'
import { element, NS, type Stanza } from '../../src/xmpp/index.ts'
import { componentHost, digest, headerOf, placeOf, SECRET, TestComponent } from '../kit/component.ts'
import { RecordingContext } from '../kit/host-compliance.ts'
import { stanza } from '../kit/stanza.ts'

// XEP-0114 1.6 over TCP (PROTOCOL F.5).

const BOT = 'bot.example'
const OTHER = 'other.example'
const ROMEO = 'romeo@montague.example/orchard'

const stopping: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop()
})

interface Stage {
  readonly host: ComponentHost
  readonly context: RecordingContext
  connect(): TestComponent
}

async function stage(options: Partial<ComponentOptions> = {}): Promise<Stage> {
  const host = componentHost(options)
  const context = new RecordingContext(BOT, OTHER)
  await host.start(context)
  stopping.push(() => host.stop(1_000))
  return {
    host,
    context,
    connect() {
      const made = new TestComponent(placeOf(host))
      stopping.push(async () => void made.socket.destroy())
      return made
    },
  }
}

const say = (id: string, content = '<body>hello</body>') =>
  stanza(`<message xmlns='jabber:server' from='${ROMEO}' to='a@${BOT}' id='${id}'>${content}</message>`)

const until = async (isTrue: () => boolean) => {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

/** A header, an error, and the closing tag, in this order and nothing else. */
function expectRefusal(text: string, condition: string): void {
  expect(text).toMatch(/^(<\?xml version='1\.0'\?>)?<stream:stream [^>]*>/)
  expect(text).toContain(
    `<stream:error xmlns:stream='${NS.stream}'><${condition} xmlns='${NS.streamErrors}'/>`,
  )
  expect(text).toMatch(/<\/stream:error><\/stream:stream>$/)
  expect(text.match(/<stream:stream/g)).toHaveLength(1)
}

describe('the header', () => {
  it('[CO-01] of ours is in the component’s namespace, has no version, and no features follow', async () => {
    const { connect } = await stage()
    const bot = connect()
    await bot.open(BOT)
    bot.say('<handshake>wrong</handshake>')
    const text = await bot.rest()
    const [header = ''] = /<stream:stream [^>]*>/.exec(text) ?? []
    expect(header).toContain(`xmlns='${NS.component}'`)
    expect(header).not.toContain('version=')
    expect(text).not.toContain('features')
    expect(bot.events.map(event => (event.type === 'element' ? event.element.name : event.type))).toEqual([
      'header',
      'error',
      'end',
    ])
  })

  it('[CO-01] of a component may name a version: none is spoken', async () => {
    const { connect } = await stage()
    const bot = connect().say(headerOf(BOT).replace('>', ` version='1.0'>`))
    await bot.open(BOT)
    expect(bot.text).not.toContain('features')
  })

  it('[CO-02] of ours comes from the component’s name, each with another id', async () => {
    const { connect } = await stage()
    const ids = new Set<string>()
    for (let count = 0; count < 3; count++) {
      const bot = connect()
      ids.add(await bot.open(BOT))
      expect(bot.text).toContain(`from='${BOT}'`)
    }
    expect(ids.size).toBe(3)
    expect([...ids].every(id => id.length >= 16)).toBe(true)
  })

  it.each([
    ['a name that is not served', headerOf('stranger.example'), 'host-unknown'],
    ['no name', headerOf(BOT).replace(` to='${BOT}'`, ''), 'improper-addressing'],
    ['a name that is none', headerOf('bot..example'), 'improper-addressing'],
    ['an account', headerOf(`a@${BOT}`), 'improper-addressing'],
    ['the namespace of servers', headerOf(BOT, NS.server), 'invalid-namespace'],
    ['the namespace of clients', headerOf(BOT, NS.client), 'invalid-namespace'],
    ['the namespace of the other direction', headerOf(BOT, 'jabber:component:connect'), 'invalid-namespace'],
    ['no content namespace', headerOf(BOT).replace(` xmlns='${NS.component}'`, ''), 'invalid-namespace'],
    ['a root that is no stream', `<handshake xmlns='${NS.component}'>`, 'bad-format'],
  ])(
    '[CO-02] with %s is answered by a header, an error and the closing tag',
    async (_, header, condition) => {
      const { connect } = await stage()
      expectRefusal(await connect().say(header).rest(), condition)
    },
  )

  it('[CO-02] for a name that is taken: conflict, and who is there stays', async () => {
    const { host, connect } = await stage({ second: 'refuse' })
    const bot = await connect().enter(BOT)
    expectRefusal(await connect().say(headerOf(BOT)).rest(), 'conflict')
    expect(await host.deliver(say('1'))).toEqual({ taken: true })
    await bot.sees(({ ids }) => (ids.includes('1') ? true : undefined))
  })

  it('[CO-02] of two that come at once, the second to prove itself is refused', async () => {
    const { connect } = await stage({ second: 'refuse' })
    const [first, second] = [connect(), connect()]
    const [own, others] = await Promise.all([first.open(BOT), second.open(BOT)])
    first.say(`<handshake>${digest(own)}</handshake>`)
    await first.sees(({ elements }) => elements.find(({ name }) => name === 'handshake'))
    expectRefusal(await second.say(`<handshake>${digest(others)}</handshake>`).rest(), 'conflict')
    expect(first.isEnded).toBe(false)
  })

  it('[CO-02] one connection, one name; others may have theirs', async () => {
    const { host, connect } = await stage()
    const bot = await connect().enter(BOT)
    const other = await connect().enter(OTHER)
    await host.deliver(say('1'))
    await host.deliver(
      stanza(
        `<message xmlns='jabber:server' from='${ROMEO}' to='a@${OTHER}' id='2'><body>x</body></message>`,
      ),
    )
    await bot.sees(({ ids }) => (ids.length > 0 ? true : undefined))
    await other.sees(({ ids }) => (ids.length > 0 ? true : undefined))
    expect([bot.ids, other.ids]).toEqual([['1'], ['2']])
  })
})

describe('the handshake', () => {
  it('[CO-03] is the id and the secret, nothing between them: the sample of XEP-0114', () => {
    expect(digest('3BF96D32', 'test')).toBe('aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e')
  })

  it('[CO-03] that fits is answered by an empty one', async () => {
    const { connect } = await stage()
    const bot = await connect().enter(BOT)
    const answer = bot.elements.at(-1)
    expect(answer).toMatchObject({ name: 'handshake', namespace: NS.component, children: [] })
  })

  it.each([
    ['of another secret', (id: string) => digest(id, 'another secret')],
    ['of another id', () => digest('s0')],
    ['in upper case', (id: string) => digest(id).toUpperCase()],
    ['cut short', (id: string) => digest(id).slice(0, -1)],
    ['with more behind it', (id: string) => `${digest(id)}0`],
    ['with an element in it', (id: string) => `${digest(id)}<x/>`],
    ['with nothing', () => ''],
    ['with the secret itself', () => SECRET],
  ])('[CO-03] %s: not-authorized, and the end', async (_, shown) => {
    const { host, connect } = await stage()
    const bot = connect()
    bot.say(`<handshake>${shown(await bot.open(BOT))}</handshake>`)
    expectRefusal(await bot.rest(), 'not-authorized')
    expect(await host.deliver(say('1'))).toMatchObject({ taken: false })
  })

  it('[CO-03] in another namespace is none', async () => {
    const { connect } = await stage()
    const bot = connect()
    bot.say(`<handshake xmlns='urn:x'>${digest(await bot.open(BOT))}</handshake>`)
    expectRefusal(await bot.rest(), 'unsupported-stanza-type')
  })

  it('[CO-03] stanzas before it reach nobody', async () => {
    const { context, connect } = await stage()
    const bot = connect()
    await bot.open(BOT)
    bot.say(`<message from='a@${BOT}' to='${ROMEO}'/>`)
    expectRefusal(await bot.rest(), 'not-authorized')
    expect(context.sent).toEqual([])
  })

  it('[CO-03] a second one has no place', async () => {
    const { connect } = await stage()
    const bot = await connect().enter(BOT)
    bot.say('<handshake/>')
    await bot.rest()
    expect(bot.error).toBe('unsupported-stanza-type')
  })
})

describe('stanzas', () => {
  async function sending(xml: string): Promise<Stanza[]> {
    const { context, connect } = await stage()
    const bot = await connect().enter(BOT)
    bot.say(xml, `<presence from='${BOT}' to='${ROMEO}' id='behind'/>`)
    await until(() => bot.error !== undefined || context.sent.some(({ id }) => id === 'behind'))
    if (bot.error !== undefined) throw new Error(bot.error)
    return context.sent.filter(({ id }) => id !== 'behind')
  }

  it('[CO-04] of the component’s domain pass, whatever account and resource', async () => {
    for (const from of [BOT, `a@${BOT}`, `a@${BOT}/b`, `${BOT}/b`, 'a@BOT.example']) {
      const [sent] = await sending(`<message from='${from}' to='${ROMEO}' id='1'><body>hi</body></message>`)
      expect(sent).toMatchObject({ kind: 'message', id: '1', from: { domain: BOT } })
    }
  })

  it('[CO-04] of somebody else end the stream with invalid-from', async () => {
    for (const from of [OTHER, 'montague.example', `x.${BOT}`, ROMEO]) {
      await expect(sending(`<message from='${from}' to='${ROMEO}' id='1'/>`)).rejects.toThrow(
        /^invalid-from$/,
      )
    }
  })

  it.each([
    ['without from', `<message to='${ROMEO}'/>`],
    ['with an empty from', `<message from='' to='${ROMEO}'/>`],
    ['without to', `<message from='${BOT}'/>`],
    ['with a to that is none', `<message from='${BOT}' to='@'/>`],
  ])('[CO-04] %s end the stream with improper-addressing', async (_, xml) => {
    await expect(sending(xml)).rejects.toThrow(/^improper-addressing$/)
  })

  it('[CO-04 SZ-06] come in their own namespace and go on in that of servers', async () => {
    const inside = `<body>hi</body><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='x@y'><body>old</body></message></forwarded>`
    for (const root of [`<message `, `<message xmlns='${NS.component}' `]) {
      const [sent] = await sending(`${root}from='a@${BOT}' to='${ROMEO}' id='1'>${inside}</message>`)
      const text = Buffer.from(sent?.bytes ?? []).toString()
      expect(text).toContain("<message xmlns='jabber:server'")
      expect(text).not.toContain(NS.component)
      expect(stanza(text).element().children).toMatchObject([
        { name: 'body', namespace: NS.server },
        {
          name: 'forwarded',
          children: [{ name: 'message', namespace: NS.client, children: [{ namespace: NS.client }] }],
        },
      ])
      expect(sent?.element()).toEqual(stanza(text).element())
    }
  })

  it('[CO-04 SZ-06] go to a component in its namespace, what is inside them as it was', async () => {
    const { host, connect } = await stage()
    const bot = await connect().enter(BOT)
    const inside = `<body>hi</body><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:server'><body>old</body></message></forwarded>`
    await host.deliver(say('plain'))
    await host.deliver(say('nested', inside))
    await host.deliver(say('again', `<body xmlns='jabber:server'>hi</body>`))
    await bot.sees(({ ids }) => (ids.length === 3 ? true : undefined))
    const [plain, nested, again] = bot.elements.slice(-3)
    for (const each of [plain, nested, again]) {
      expect(each?.namespace).toBe(NS.component)
      expect(each?.children[0]).toMatchObject({ name: 'body', namespace: NS.component })
    }
    expect(nested?.children).toMatchObject([
      {},
      { children: [{ name: 'message', namespace: NS.server, children: [{ namespace: NS.server }] }] },
    ])
  })

  it('[CO-04] errors and the answers to iqs are stanzas like others', async () => {
    const sent = await sending(
      `<iq from='${BOT}' to='${ROMEO}' id='1' type='result'/><message from='${BOT}' to='${ROMEO}' id='2' type='error'><error type='cancel'/></message>`,
    )
    expect(sent.map(({ id, type }) => [id, type])).toEqual([
      ['1', 'result'],
      ['2', 'error'],
    ])
  })

  it.each([
    ['jabber:client', `<message xmlns='jabber:client' from='${BOT}' to='${ROMEO}'/>`],
    ['jabber:server', `<message xmlns='jabber:server' from='${BOT}' to='${ROMEO}'/>`],
  ])('[CO-04] in %s are refused', async (_, xml) => {
    await expect(sending(xml)).rejects.toThrow(/^invalid-namespace$/)
  })

  it.each(['route', 'log', 'xdb'])('[CO-05] <%s/> reaches nobody', async name => {
    const inside = `<message from='${BOT}' to='${ROMEO}'/>`
    const xml = `<${name} from='${BOT}' to='montague.example'>${inside}</${name}>`
    await expect(sending(xml)).rejects.toThrow(/^unsupported-stanza-type$/)
  })

  it('[SE-31] elements of other namespaces change nothing', async () => {
    const [sent] = await sending(
      `<enable xmlns='urn:xmpp:sm:3'/><presence from='${BOT}' to='${ROMEO}' id='1'/>`,
    )
    expect(sent?.id).toBe('1')
  })
})

describe('ends', () => {
  it('a component that leaves in order is answered in order, and may come back at once', async () => {
    const { host, context, connect } = await stage()
    const bot = await connect().enter(BOT)
    bot.say(`<presence from='${BOT}' to='${ROMEO}' id='last'/>`)
    bot.leave()
    expect(await bot.rest()).toMatch(/<\/stream:stream>$/)
    expect(bot.error).toBeUndefined()
    expect(context.sent.map(({ id }) => id)).toEqual(['last'])
    await (await connect()).enter(BOT)
    expect(await host.deliver(say('1'))).toEqual({ taken: true })
  })

  it('we leave with system-shutdown, and take what is still on its way', async () => {
    const { host, context, connect } = await stage()
    const bot = await connect().enter(BOT)
    bot.answersClose = false
    const stopped = host.stop(5_000)
    await bot.sees(({ isClosed }) => (isClosed ? true : undefined))
    expect(bot.error).toBe('system-shutdown')
    bot.send(stanza(serialized('late')))
    bot.leave()
    await stopped
    expect(context.sent.map(({ id }) => id)).toEqual(['late'])
  })

  it('a stranger who says nothing is gone when we stop', async () => {
    const { host } = await stage()
    const { port } = placeOf(host)
    const silent = createConnection({ host: '127.0.0.1', port })
    await new Promise(resolve => silent.once('connect', resolve))
    silent.on('error', () => {})
    const gone = new Promise(resolve => silent.once('close', resolve))
    silent.resume()
    await host.stop(1_000)
    await gone
  })
})

function serialized(id: string): string {
  const attributes = { from: BOT, to: ROMEO, id }
  return Buffer.from(serialize(element('message', NS.server, attributes))).toString()
}
