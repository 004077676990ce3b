import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { AttackStage, ROOMS, TO, takesStanza } from '../kit/attack-stage.ts'
import { auth } from '../kit/mallory.ts'
import { answerTo } from '../kit/scripted-peer.ts'
import { answerIn, attributeIn, dialback, header, type ScriptedStream } from '../kit/scripted-stream.ts'

// Several pairs on one stream, against a gateway that runs; and how often it is made to ask.

let stage: AttackStage
let first: string
let second: string
beforeAll(async () => {
  stage = await AttackStage.create(400)
})
beforeEach(() => {
  first = stage.newDomain()
  second = stage.newDomain()
})
afterEach(() => {
  stage.peer.vanish()
  stage.peer.judge = () => null
})
afterAll(() => stage.close())

/** The answer to a key that is shown; the peer's server says the same at once. */
async function shows(
  stream: ScriptedStream,
  from: string,
  to = TO,
  type: 'valid' | 'invalid' = 'valid',
): Promise<string> {
  stage.peer.judge = () => type
  const before = stream.texts.filter(isResult).length
  stream.say(dialback('result', { from, to, key: 'a key' }))
  return answerIn(await stream.sees(({ texts }) => texts.filter(isResult)[before]))
}

const isResult = (text: string) => text.startsWith('<db:result')

/** A stream that is proven for `first`. */
async function proven(): Promise<ScriptedStream> {
  const { stream } = await stage.stream(first)
  expect(await shows(stream, first)).toBe('valid')
  return stream
}

/** The same, by a certificate. */
async function certified(...names: readonly string[]): Promise<ScriptedStream> {
  const certificate = stage.files.authority.issue({ dns: names })
  const stream = await stage.peer.dial(stage.port, TO, certificate)
  await stream.authenticates(first, TO)
  return stream
}

describe('pairs that share a stream', () => {
  it('[DB-20] another domain of the peer, whose own server says so, is believed beside it', async () => {
    const stream = await proven()
    expect(await shows(stream, second)).toBe('valid')
    for (const from of [first, second]) expect(await takesStanza(stream, from, TO)).toBe(true)
  })

  it('[DB-20] so is another domain of ours, and each with each other is not', async () => {
    const stream = await proven()
    expect(await shows(stream, first, ROOMS)).toBe('valid')
    expect(await shows(stream, second)).toBe('valid')
    expect(await takesStanza(stream, first, ROOMS)).toBe(true)
    expect(await takesStanza(stream, second, ROOMS)).toBe(false)
    expect(stream.error).toBe('host-unknown')
  })

  it('[DB-30] a stanza of the other before it is proven ends the stream', async () => {
    const stream = await proven()
    stage.peer.judge = () => null
    stream.say(dialback('result', { from: second, to: TO, key: 'a key' }))
    await stage.peer.takes('asks', ({ to }) => to === second)
    expect(await takesStanza(stream, second, TO)).toBe(false)
    expect(stream.error).toBe('invalid-from')
  })

  it('[DB-26] a wrong key of the other is forbidden, and the first goes on', async () => {
    const stream = await proven()
    expect(await shows(stream, second, TO, 'invalid')).toBe('forbidden')
    expect(await takesStanza(stream, first, TO)).toBe(true)
    expect(await takesStanza(stream, second, TO)).toBe(false)
    expect(stream.error).toBe('invalid-from')
  })

  it('[DB-40] what is said of one, where the other is asked about, counts for neither', async () => {
    const { stream, id } = await stage.stream(first)
    const asking = async (from: string) => {
      stream.say(dialback('result', { from, to: TO, key: 'a key' }))
      return stage.peer.takes('asks', ({ to }) => to === from)
    }
    const [aboutFirst, aboutSecond] = [await asking(first), await asking(second)]
    expect([aboutFirst, aboutSecond].map(({ word }) => attributeIn(word, 'id'))).toEqual([id, id])
    aboutFirst.stream.say(answerTo(aboutSecond.word, 'valid'))
    aboutSecond.stream.say(answerTo(aboutFirst.word, 'valid'))
    await aboutFirst.stream.isRead()
    await aboutSecond.stream.isRead()
    await stream.isRead()
    expect(stream.texts.filter(isResult)).toEqual([])
    expect(await takesStanza(stream, first, TO)).toBe(false)
    expect(stream.error).toBe('not-authorized')
  })

  it('[DB-22] beside a certificate that is for the first only, the other is asked about', async () => {
    const stream = await certified(first)
    const asked = stage.peer.questions.length
    expect(await shows(stream, second)).toBe('valid')
    expect(stage.peer.questions).toHaveLength(asked + 1)
    expect(await takesStanza(stream, second, TO)).toBe(true)
  })

  it('[DB-22] beside one that is for both, the other is not asked about', async () => {
    const stream = await certified(first, second)
    const asked = stage.peer.questions.length
    expect(await shows(stream, second, TO, 'invalid')).toBe('valid')
    expect(stage.peer.questions).toHaveLength(asked)
    expect(await takesStanza(stream, second, TO)).toBe(true)
  })

  it('[DB-44] a key from before a restart is void, whatever is said of it later', async () => {
    const certificate = stage.files.authority.issue({ dns: [first] })
    const stream = await stage.peer.dial(stage.port, TO, certificate)
    await stream.opens(first, TO)
    stream.say(dialback('result', { from: second, to: TO, key: 'a key' }))
    const { stream: asking, word } = await stage.peer.takes('asks', ({ to }) => to === second)
    stream.say(auth(), header(first, TO))
    await stream.sees(({ texts }) =>
      texts.filter(text => text.startsWith('<stream:features')).length === 2 ? true : undefined,
    )
    asking.say(answerTo(word, 'valid'))
    await asking.isRead()
    await stream.isRead()
    expect(await takesStanza(stream, first, TO)).toBe(true)
    expect(await takesStanza(stream, second, TO)).toBe(false)
    expect(stream.error).toBe('invalid-from')
  })

  it('[DB-23] fifty of them have room', async () => {
    const stream = await proven()
    for (let count = 2; count <= 50; count++) expect(await shows(stream, stage.newDomain())).toBe('valid')
    expect(await shows(stream, second)).toBe('resource-constraint')
    expect(await takesStanza(stream, first, TO)).toBe(true)
  })
})

describe('[DB-23] what a gateway is made to ask', () => {
  const shown = async (domains: readonly string[]) => {
    const { stream } = await stage.stream(domains[0] ?? '')
    return stream.say(...domains.map(from => dialback('result', { from, to: TO, key: 'a key' })))
  }
  const refusals = (stream: ScriptedStream) => stream.texts.filter(isResult).map(answerIn)
  const domains = (count: number) => Array.from({ length: count }, () => stage.newDomain())
  /** how often it has asked since, once all that was said has been read */
  const questions = async (before: number, count: number) => {
    while (stage.peer.questions.length < before + count) await new Promise(resolve => setTimeout(resolve, 2))
    return stage.peer.questions.length - before
  }

  /** They have ended, and with them the streams on which the gateway asked for them. */
  const left = async (...streams: readonly ScriptedStream[]) => {
    for (const stream of streams) stream.vanish()
    const asking = stage.peer.streams.filter(({ texts }) => texts.some(text => text.startsWith('<db:verify')))
    await Promise.all(asking.map(stream => stream.rest()))
  }

  it('on one stream sixteen times at once', async () => {
    const before = stage.peer.questions.length
    const stream = await shown(domains(20))
    expect(await questions(before, 16)).toBe(16)
    expect(refusals(stream)).toEqual(Array(4).fill('resource-constraint'))
    await left(stream)
  })

  it('of one domain once, however often it is shown', async () => {
    const before = stage.peer.questions.length
    const stream = await shown(Array.from({ length: 500 }, () => first))
    await stream.isRead()
    expect(await questions(before, 1)).toBe(1)
    await left(stream)
  })

  it('for one address 64 times at once', async () => {
    const before = stage.peer.questions.length
    const streams = [
      await shown(domains(16)),
      await shown(domains(16)),
      await shown(domains(16)),
      await shown(domains(16)),
    ]
    expect(await questions(before, 64)).toBe(64)
    const fifth = await shown(domains(16))
    await fifth.isRead()
    expect(refusals(fifth)).toEqual(Array(16).fill('resource-constraint'))
    expect(stage.peer.questions.length - before).toBe(64)
    // Who has left is not asked for any more.
    await left(...streams, fifth)
    expect(stage.peer.questions.length - before).toBe(64)
  })

  it('and asks nobody who is not of the network', async () => {
    const { stream } = await stage.stream(first)
    for (const from of ['localhost', '127.0.0.1', '[::1]', 'metadata.internal', 'x.onion'])
      stream.say(dialback('result', { from, to: TO, key: 'a key' }))
    await stream.isRead()
    expect(refusals(stream)).toEqual(Array(5).fill('not-acceptable'))
  })
})
