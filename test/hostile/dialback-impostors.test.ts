import { afterEach, describe, expect, it } from 'vitest'
import { dialbackKey, dialbackSecret } from '../../src/stream/index.ts'
import { message, NS } from '../../src/xmpp/index.ts'
import { type TestAuthority, testAuthority } from '../kit/authority.ts'
import { MALLORY, TO, VICTIM, type Victims, victims } from '../kit/dialback-victims.ts'
import { answerTo } from '../kit/scripted-peer.ts'
import { answerIn, dialback, keyIn, type ScriptedStream } from '../kit/scripted-stream.ts'

// Strangers who show keys over wss in another's name, and servers that answer for whom they are not, or never.

let stage: Victims
afterEach(() => stage.close())

/** The answer to the key that is shown. */
async function shown(stream: ScriptedStream, from: string, key: string): Promise<string> {
  const before = stream.texts.filter(isAnswer).length
  stream.say(dialback('result', { from, to: TO, key }))
  return answerIn(await stream.sees(({ texts }) => texts.filter(isAnswer)[before]))
}

const isAnswer = (text: string) => text.startsWith('<db:result')

const forged = `<message xmlns='jabber:server' from='juliet@${VICTIM}' to='romeo@${TO}' id='forged'><body>x</body></message>`

/** What is said in the victim's name on the stream ends it, and reaches nobody. */
async function isNotBelieved(stream: ScriptedStream): Promise<void> {
  stream.say(forged)
  await stream.rest()
  await stage.unharmed()
}

describe('in the name of capulet.example, whose own server is asked', () => {
  it('[DB-26] a key of his own making ends the stream', async () => {
    stage = await victims()
    const { stream } = await stage.stream(VICTIM)
    expect(await shown(stream, VICTIM, 'a key')).toBe('invalid')
    await stream.rest()
    expect(stage.montague.events).toContainEqual(
      expect.objectContaining({ type: 'dialback:asked', remote: VICTIM, outcome: 'invalid' }),
    )
    await stage.unharmed()
  })

  it('[DB-26 DB-30] the same on a stream that is proven for his own domain leaves that as it is', async () => {
    stage = await victims()
    stage.peer.judge = () => 'valid'
    const { stream } = await stage.stream()
    expect(await shown(stream, MALLORY, 'a key')).toBe('valid')
    expect(await shown(stream, VICTIM, 'a key')).toBe('forbidden')
    await isNotBelieved(stream)
    expect(stream.error).toBe('invalid-from')
  })

  it('[DB-01] a key that Capulet has shown to him, on a stream to which he gave the id of his own, is no key for others', async () => {
    stage = await victims()
    const { capulet, peer } = stage
    const { stream, id } = await stage.stream(VICTIM)
    peer.silent.add(MALLORY)
    await capulet.host.send(message({ from: `juliet@${VICTIM}`, to: `m@${MALLORY}`, body: 'who art thou' }))
    const called = await peer.opened(MALLORY)
    peer.greet(called.stream, called.opening, id)
    const key = keyIn(await called.stream.said('<db:result'))
    expect(key).toHaveLength(64)
    expect(await shown(stream, VICTIM, key)).toBe('invalid')
    await stream.rest()
    await stage.unharmed()
  })

  it('[BI-03] what is for Capulet does not go down his stream, whatever he asks for', async () => {
    stage = await victims()
    const { montague, capulet } = stage
    const { stream } = await stage.stream(VICTIM)
    // Nobody answers at Capulet's for now: his key is asked about, and Montague's stanza waits.
    capulet.relay.stall()
    stream.say(`<bidi xmlns='${NS.bidi}'/>`, dialback('result', { from: VICTIM, to: TO, key: 'a key' }))
    await montague.host.send(message({ from: `romeo@${TO}`, to: `juliet@${VICTIM}`, id: 'x', body: 'x' }))
    await stream.isRead()
    capulet.relay.flow()
    await capulet.host.receives(({ id }) => id === 'x')
    expect(answerIn(await stream.said('<db:result'))).toBe('invalid')
    const said = await stream.rest()
    expect(said.filter(text => text.startsWith('<message'))).toEqual([])
    await stage.unharmed()
  })

  it('[BI-03] nor down one that is proven for himself, where it goes both ways', async () => {
    stage = await victims()
    const { montague, capulet, peer } = stage
    peer.judge = () => 'valid'
    const { stream } = await stage.stream()
    stream.say(`<bidi xmlns='${NS.bidi}'/>`)
    expect(await shown(stream, MALLORY, 'a key')).toBe('valid')
    peer.judge = () => 'invalid'
    expect(await shown(stream, VICTIM, 'a key')).toBe('forbidden')
    for (const [to, id] of [
      [VICTIM, 'x'],
      [MALLORY, 'y'],
    ])
      await montague.host.send(message({ from: `romeo@${TO}`, to: `m@${to}`, id: `${id}`, body: 'x' }))
    await capulet.host.receives(({ id }) => id === 'x')
    await stream.said("id='y'")
    expect(stream.texts.filter(text => text.startsWith('<message'))).toHaveLength(1)
  })

  it('[DB-40] what another stream has heard is no answer on his', async () => {
    stage = await victims()
    const { stream, id } = await stage.stream(VICTIM)
    const about = { from: VICTIM, to: TO }
    stream.say(dialback('result', { ...about, type: 'valid' }))
    stream.say(dialback('verify', { ...about, id, type: 'valid' }))
    await isNotBelieved(stream)
    expect(stream.error).toBe('not-authorized')
  })

  it('[DB-40] nor does his server answer for Capulet, on the stream that asks it about his own key', async () => {
    stage = await victims()
    const { peer } = stage
    const { stream } = await stage.stream()
    stream.say(dialback('result', { from: MALLORY, to: TO, key: 'a key' }))
    const asking = await peer.takes('asks')
    const answer = answerTo(asking.word, 'valid')
    asking.stream.say(answer.replace(`from='${MALLORY}'`, `from='${VICTIM}'`))
    await asking.stream.isRead()
    await stream.isRead()
    expect(stream.texts.filter(isAnswer)).toEqual([])
    asking.stream.say(answer)
    await stream.said("type='valid'")
    await isNotBelieved(stream)
    expect(stream.error).toBe('invalid-from')
  })
})

describe('[DB-44] a key that was right', () => {
  const SECRET = 'the secret of capulet.example'
  const rightKey = (id: string) =>
    dialbackKey(dialbackSecret(SECRET), { receiving: TO, originating: VICTIM, id })
  const withSecret = () => victims({ capulet: { more: { dialbackSecret: SECRET } } })

  it('is right on the stream that it was made for, which then speaks for Capulet', async () => {
    stage = await withSecret()
    const { stream, id } = await stage.stream(VICTIM)
    expect(await shown(stream, VICTIM, rightKey(id))).toBe('valid')
  })

  it('is wrong on another, while that stands and after it', async () => {
    stage = await withSecret()
    const first = await stage.stream(VICTIM)
    const second = await stage.stream(VICTIM)
    expect(await shown(second.stream, VICTIM, rightKey(first.id))).toBe('invalid')
    first.stream.leave()
    await first.stream.rest()
    const third = await stage.stream(VICTIM)
    expect(await shown(third.stream, VICTIM, rightKey(first.id))).toBe('invalid')
    await stage.unharmed()
  })

  it('[DB-02] is right after a restart where the secret is configured, and wrong where it was random', async () => {
    stage = await withSecret()
    await stage.capulet.restart()
    const { stream, id } = await stage.stream(VICTIM)
    expect(await shown(stream, VICTIM, rightKey(id))).toBe('valid')
    await stage.close()

    stage = await victims()
    const { peer, capulet } = stage
    await capulet.host.send(message({ from: `juliet@${VICTIM}`, to: `m@${MALLORY}`, body: 'who art thou' }))
    const { word, id: own, stream: called } = await peer.takes('shows')
    const ask = async () => {
      const stream = await peer.dial(capulet.federation.listening[0]?.port ?? 0, VICTIM)
      await stream.opens(MALLORY, VICTIM)
      stream.say(dialback('verify', { from: MALLORY, to: VICTIM, id: own, key: keyIn(word) }))
      return answerIn(await stream.said('<db:verify'))
    }
    expect(await ask()).toBe('valid')
    called.vanish()
    await capulet.restart()
    expect(await ask()).toBe('invalid')
  })
})

describe('[DB-42] a server that answers', () => {
  const day = 86_400_000
  const certificates: readonly [
    title: string,
    issue: (authority: TestAuthority) => ReturnType<TestAuthority['issue']>,
  ][] = [
    ['with a certificate for another name', authority => authority.issue({ dns: ['paris.example'] })],
    ['with a certificate for a domain below', authority => authority.issue({ dns: [`x.${MALLORY}`] })],
    ['with a certificate of nobody’s authority', () => testAuthority().issue({ dns: [MALLORY] })],
    [
      'with a certificate that has expired',
      authority => authority.issue({ dns: [MALLORY], notAfterMs: Date.now() - day }),
    ],
    [
      'with a certificate for clients',
      authority => authority.issue({ dns: [MALLORY], ekus: ['clientAuth'] }),
    ],
  ]

  it.each(certificates)('%s is not asked', async (_, certificate) => {
    stage = await victims({ certificate })
    stage.peer.judge = () => 'valid'
    const { stream } = await stage.stream()
    expect(await shown(stream, MALLORY, 'a key')).toBe('not-authorized')
    expect([stage.peer.streams, stage.peer.questions]).toEqual([[], []])
    // DB-25: it may show another one.
    expect(stream.error).toBeUndefined()
    await stage.unharmed()
  })
})

describe('[DB-27] a server that is called and does not answer', () => {
  const limits = { openMs: 300, negotiationMs: 600, dialbackMs: 10_000 }

  const slow: readonly [title: string, does: (stream: ScriptedStream, opening: string) => void][] = [
    ['after the WebSocket', () => {}],
    ['after its header', (stream, opening) => void stage.peer.answerOpen(stream, opening)],
    ['after its features', (stream, opening) => void stage.peer.greet(stream, opening)],
    [
      'but says something else, again and again',
      (stream, opening) => {
        stage.peer.greet(stream, opening)
        const again = setInterval(() => {
          if (stream.isEnded) clearInterval(again)
          stream.say(dialback('verify', { from: MALLORY, to: TO, id: 'x', key: 'y' }))
        }, 20)
      },
    ],
    [
      'but leaves',
      (stream, opening) => {
        stage.peer.greet(stream, opening)
        stream.leave()
      },
    ],
    ['but vanishes', stream => stream.vanish()],
  ]

  it.each(slow)('%s, has its time, and no more', async (_, does) => {
    stage = await victims({ limits })
    const { peer } = stage
    peer.silent.add(MALLORY)
    const { stream } = await stage.stream()
    const answer = shown(stream, MALLORY, 'a key')
    const called = await peer.opened(MALLORY)
    does(called.stream, called.opening)
    expect(await answer).toBe('remote-server-timeout')
    await called.stream.rest()
    // DB-25: there is time for another attempt, which goes well.
    peer.silent.delete(MALLORY)
    peer.judge = () => 'valid'
    expect(await shown(stream, MALLORY, 'a key')).toBe('valid')
    await stage.unharmed()
  })

  it('[WS-56] has no longer than whoever has shown the key', async () => {
    stage = await victims({ limits: { ...limits, negotiationMs: 5_000, dialbackMs: 600 } })
    const { stream } = await stage.stream()
    stream.say(dialback('result', { from: MALLORY, to: TO, key: 'a key' }))
    const asking = await stage.peer.takes('asks')
    await Promise.all([stream.rest(), asking.stream.rest()])
    expect(stream.error).toBe('connection-timeout')
    await stage.unharmed()
  })
})
