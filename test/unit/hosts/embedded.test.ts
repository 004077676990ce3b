import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { type EmbeddedHost, type EmbeddedOptions, embedded } from '../../../src/hosts/index.ts'
import { bounce, element, iq, message, resultOf, type Stanza } from '../../../src/xmpp/index.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { LOCAL, RecordingContext } from '../../kit/host-compliance.ts'
import { stanza } from '../../kit/stanza.ts'

const ROMEO = 'romeo@montague.example/orchard'

let context: RecordingContext

function started(options?: EmbeddedOptions): EmbeddedHost {
  const host = embedded(options)
  host.start(context)
  return host
}

beforeEach(() => {
  context = new RecordingContext(LOCAL)
})

const say = (to: string, body: string, more = '') =>
  stanza(
    `<message xmlns='jabber:server' from='${ROMEO}' to='${to}' id='m1' type='chat'${more}><body>${body}</body><thread>t1</thread></message>`,
  )
const ask = (to: string, payload: string, type = 'get') =>
  stanza(`<iq xmlns='jabber:server' from='${ROMEO}' to='${to}' id='q1' type='${type}'>${payload}</iq>`)
const text = (answer: Stanza | undefined) => new TextDecoder().decode(answer?.bytes)
const CALC = "<calc xmlns='urn:example:calc'/>"

describe('handlers of an embedded host', () => {
  it('get messages, and answer in the same conversation', async () => {
    const seen: Stanza[] = []
    const host = started({
      onMessage: async (received, { body, reply }) => {
        expect(body).toBe('hello')
        seen.push(received)
        await reply('wherefore?')
      },
    })
    expect(await host.deliver(say(`juliet@${LOCAL}/balcony`, 'hello', " xml:lang='it'"))).toEqual({
      taken: true,
    })
    expect(seen).toHaveLength(1)
    expect(context.sent).toHaveLength(1)
    expect(context.sent[0]).toMatchObject({ kind: 'message', type: 'chat' })
    const answer = text(context.sent[0])
    for (const part of [
      "from='juliet@capulet.example/balcony'",
      `to='${ROMEO}'`,
      "xml:lang='it'",
      '<thread>t1</thread>',
      'wherefore?',
    ]) {
      expect(answer).toContain(part)
    }
  })

  it('answer a room in the room', async () => {
    const host = started({ onMessage: (_, { reply }) => reply('all hear this') })
    await host.deliver(
      stanza(
        `<message xmlns='jabber:server' from='ball@rooms.montague.example/romeo' to='juliet@${LOCAL}' type='groupchat'><body>x</body></message>`,
      ),
    )
    expect(context.sent[0]?.to).toMatchObject({ local: 'ball', resource: '' })
    expect(context.sent[0]?.type).toBe('groupchat')
  })

  it('refuse with an error of their choice', async () => {
    const host = started({ onMessage: () => ({ condition: 'forbidden', text: 'not you' }) })
    expect(await host.deliver(say(`juliet@${LOCAL}`, 'hello'))).toEqual({
      taken: false,
      condition: 'forbidden',
      text: 'not you',
    })
  })

  it('know which accounts exist', async () => {
    const host = started({ accounts: local => local === 'juliet', onMessage: () => undefined })
    expect(await host.deliver(say(`juliet@${LOCAL}`, 'hello'))).toEqual({ taken: true })
    expect(await host.deliver(say(`tybalt@${LOCAL}`, 'hello'))).toMatchObject({
      condition: 'service-unavailable',
    })
    expect(await host.deliver(ask(`tybalt@${LOCAL}`, "<ping xmlns='urn:xmpp:ping'/>"))).toMatchObject({
      condition: 'service-unavailable',
    })
  })

  it('get requests by type, name and namespace, and answer with a payload, nothing, or an error', async () => {
    const answers = [
      element('sum', 'urn:example:calc', {}, '42'),
      undefined,
      { condition: 'not-allowed' } as const,
    ]
    const host = started({
      onIq: [
        { type: 'get', name: 'calc', namespace: 'urn:example:calc', handle: async () => answers.shift() },
      ],
    })
    expect(await host.deliver(ask(LOCAL, CALC))).toEqual({ taken: true })
    expect(await host.deliver(ask(LOCAL, CALC))).toEqual({ taken: true })
    expect(await host.deliver(ask(LOCAL, CALC))).toEqual({ taken: false, condition: 'not-allowed' })
    expect(text(context.sent[0])).toContain('42')
    expect(context.sent[1]?.element().children).toEqual([])
    expect(await host.deliver(ask(LOCAL, CALC, 'set'))).toMatchObject({ condition: 'service-unavailable' })
    expect(await host.deliver(ask(LOCAL, "<calc xmlns='urn:example:other'/>"))).toMatchObject({
      condition: 'service-unavailable',
    })
  })

  it('replace the host’s own', async () => {
    const host = started({
      onIq: [
        { type: 'get', name: 'ping', namespace: 'urn:xmpp:ping', handle: () => ({ condition: 'gone' }) },
      ],
    })
    expect(await host.deliver(ask(LOCAL, "<ping xmlns='urn:xmpp:ping'/>"))).toMatchObject({
      condition: 'gone',
    })
  })

  it('get presence, but no errors', async () => {
    const seen: string[] = []
    const host = started({ onPresence: presence => void seen.push(presence.type), accounts: () => true })
    for (const type of ["type='subscribe'", '', "type='error'"]) {
      const presence = `<presence xmlns='jabber:server' from='${ROMEO}' to='juliet@${LOCAL}' ${type}/>`
      expect(await host.deliver(stanza(presence))).toEqual({ taken: true })
    }
    expect(seen).toEqual(['subscribe', ''])
  })

  it('are waited for when the host stops, but no longer than it may take', async () => {
    const clock = new VirtualClock()
    let finish = () => {}
    const host = embedded({
      onMessage: () =>
        new Promise<undefined>(resolve => {
          finish = () => resolve(undefined)
        }),
    })
    host.start(Object.assign(new RecordingContext(LOCAL), { clock }))
    const delivery = host.deliver(say(`juliet@${LOCAL}`, 'hello'))
    let stopped = false
    const stopping = host.stop(100).then(() => {
      stopped = true
    })
    clock.advance(99)
    await Promise.resolve()
    expect(stopped).toBe(false)
    finish()
    await stopping
    expect(await delivery).toEqual({ taken: true })
    expect(clock.pending()).toBe(0)
  })
})

describe('an embedded host', () => {
  it('is started once, and sends only then', () => {
    const host = embedded()
    const hello = message({ from: LOCAL, to: ROMEO, body: 'hello' })
    expect(() => host.send(hello)).toThrow(TypeError)
    host.start(context)
    expect(host.send(hello)).toBeUndefined()
    expect(context.sent).toEqual([hello])
    expect(() => host.start(context)).toThrow(TypeError)
  })
})

describe('requests of an embedded host', () => {
  const request = (id = 'r1') =>
    iq({ from: LOCAL, to: 'montague.example', type: 'get', id, payload: element('ping', 'urn:xmpp:ping') })

  it('resolve with the result or the error, whichever comes, from whom was asked only', async () => {
    const host = started()
    const [one, two] = [request('1'), request('2')]
    const answers = [host.request(one), host.request(two)]
    expect(context.sent).toEqual([one, two])
    const forged = iq({
      from: 'verona.example',
      to: LOCAL,
      type: 'get',
      id: '1',
      payload: element('x', 'urn:x'),
    })
    expect(await host.deliver({ ...forged, type: 'result' })).toEqual({ taken: true })
    const error = bounce(two, { condition: 'remote-server-timeout' })
    if (error === null) throw new Error('a request has an error')
    await host.deliver(error)
    const result = resultOf(one)
    await host.deliver(result)
    expect(await Promise.all(answers)).toEqual([result, error])
  })

  it('fail after their time, with an error as from the one who was asked', async () => {
    const clock = new VirtualClock()
    const host = embedded()
    // The federation's limit, not the default.
    const limits = { ...defaultLimits, hostRequestMs: 7 }
    host.start(Object.assign(new RecordingContext(LOCAL), { clock, limits }))
    const answer = host.request(request())
    clock.advance(6)
    expect(clock.pending()).toBe(1)
    clock.advance(1)
    expect(await answer).toMatchObject({ type: 'error', id: 'r1', from: { domain: 'montague.example' } })
    expect(text(await answer)).toContain('remote-server-timeout')
    const quick = host.request(request(), { timeoutMs: 5 })
    clock.advance(5)
    expect((await quick).type).toBe('error')
    expect(clock.pending()).toBe(0)
  })

  it('end with their caller, and with the host', async () => {
    const host = started()
    const caller = new AbortController()
    const given = host.request(request('1'), { signal: caller.signal })
    caller.abort(new Error('enough'))
    await expect(given).rejects.toThrow('enough')
    await expect(host.request(request('2'), { signal: caller.signal })).rejects.toThrow('enough')
    const left = host.request(request('3'))
    await host.stop(10)
    expect((await left).type).toBe('error')
  })

  it('are refused where they are none, or the same waits already', async () => {
    const host = started()
    await expect(host.request(message({ from: LOCAL, to: ROMEO }))).rejects.toThrow(TypeError)
    const waiting = host.request(request())
    await expect(host.request(request())).rejects.toThrow(TypeError)
    await host.stop(10)
    await waiting
  })

  it('are bounded', async () => {
    const host = started()
    const waiting = Array.from({ length: defaultLimits.hostRequests }, (_, index) =>
      host.request(request(`${index}`)),
    )
    expect(text(await host.request(request('one too many')))).toContain('resource-constraint')
    await host.stop(10)
    await Promise.all(waiting)
  })
})

describe('the echo', () => {
  const echo = `echo@${LOCAL}`

  it('says the same, bodies in all languages, in the same conversation', async () => {
    const host = started({ echo: true })
    const both = stanza(
      `<message xmlns='jabber:server' from='${ROMEO}' to='${echo}' id='m1' type='chat'><body>hello</body><body xml:lang='it'>ciao</body><thread>t</thread></message>`,
    )
    expect(await host.deliver(both)).toEqual({ taken: true })
    expect(context.sent[0]).toMatchObject({
      kind: 'message',
      type: 'chat',
      id: 'm1',
      to: both.from,
      from: both.to,
    })
    for (const part of ['hello', 'ciao', '<thread>t</thread>']) expect(text(context.sent[0])).toContain(part)
  })

  it.each([
    [
      'what has no body',
      `<message xmlns='jabber:server' from='${ROMEO}' to='${echo}'><x xmlns='urn:x'/></message>`,
    ],
    [
      'a room',
      `<message xmlns='jabber:server' from='${ROMEO}' to='${echo}' type='groupchat'><body>x</body></message>`,
    ],
    [
      'a headline',
      `<message xmlns='jabber:server' from='${ROMEO}' to='${echo}' type='headline'><body>x</body></message>`,
    ],
    [
      'an error',
      `<message xmlns='jabber:server' from='${ROMEO}' to='${echo}' type='error'><body>x</body></message>`,
    ],
  ])('does not answer %s', async (_, xml) => {
    const host = started({ echo: true })
    expect(await host.deliver(stanza(xml))).toEqual({ taken: true })
    expect(context.sent).toEqual([])
  })

  it('does not talk to itself for ever: not to another of its kind, nor to a parrot', async () => {
    const host = started({ echo: true })
    await host.deliver(say(echo, 'hello'))
    const [answer] = context.sent
    if (answer === undefined) throw new Error('no answer')
    await host.deliver(
      stanza(
        text(answer)
          .replace(`from='${echo}'`, "from='echo@montague.example'")
          .replace(`to='${ROMEO}'`, `to='${echo}'`),
      ),
    )
    expect(context.sent).toHaveLength(1)
    for (let round = 0; round < 2 * defaultLimits.echoRepeats; round++) await host.deliver(say(echo, 'polly'))
    expect(context.sent).toHaveLength(1 + defaultLimits.echoRepeats)
    await host.deliver(say(echo, 'something else'))
    expect(context.sent).toHaveLength(2 + defaultLimits.echoRepeats)
  })

  it('is an account like any other: found by disco, pinged, and only where it is switched on', async () => {
    const host = started({ echo: true })
    await host.deliver(ask(LOCAL, "<query xmlns='http://jabber.org/protocol/disco#items'/>"))
    expect(text(context.sent[0])).toContain(`jid='${echo}'`)
    expect(await host.deliver(ask(echo, "<ping xmlns='urn:xmpp:ping'/>"))).toEqual({ taken: true })
    context = new RecordingContext(LOCAL)
    const plain = started()
    expect(await plain.deliver(say(echo, 'hello'))).toMatchObject({ condition: 'service-unavailable' })
  })
})
