import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLOSE, conditionOf, message, type Scene, scene } from '../kit/mallory.ts'

// What a proven peer may do with stream management (XEP-0198) that is wrong, or too much. After each case two others still
// talk through the gateway, nobody has got anything, and every handle is gone.

const SM = 'urn:xmpp:sm:3'
const enable = (attributes = "resume='true'") => `<enable xmlns='${SM}' ${attributes}/>`
const resume = (previd: string, h = '0') => `<resume xmlns='${SM}' previd='${previd}' h='${h}'/>`
const ack = (h: string) => `<a xmlns='${SM}' h='${h}'/>`
const ASK = `<r xmlns='${SM}'/>`
/** so long a lost stream is kept */
const RESUME_MS = 1_000

type Row = readonly [title: string, condition: string, ...said: string[]]
type Quiet = readonly [title: string, answers: readonly RegExp[], ...said: string[]]

const refused: readonly Row[] = [
  ['an ack of what nobody has sent', 'undefined-condition', enable(), ack('1')],
  ['an ack from the end of the numbers', 'undefined-condition', enable(), ack('4294967295')],
  ['the number of one to resume that is none', 'invalid-xml', resume('x', 'minus one')],
  ['one to resume without a name', 'invalid-xml', `<resume xmlns='${SM}'/>`],
  ...['x', '-1', '', '4294967296'].map((h): Row => [`an ack of '${h}'`, 'invalid-xml', enable(), ack(h)]),
]

/** The stream goes on; what is answered, as patterns. */
const quiet: readonly Quiet[] = [
  ['asked for twice', [/^<enabled /, /^<failed .*unexpected-request/], enable(), enable()],
  ['an ack without it', [], ack('7')],
  ['a stream that nobody has heard of', [/^<failed .*item-not-found/], resume('x')],
  ['a name without end', [/^<failed .*item-not-found/], resume('x'.repeat(9_000))],
  ['answers to what we have not asked', [], `<enabled xmlns='${SM}'/>`, `<resumed xmlns='${SM}' h='9'/>`],
  ['kept for a lifetime', [/^<enabled (?!.*max=['"]9)/], enable("resume='true' max='999999999'")],
]

let stage: Scene
beforeAll(async () => {
  stage = await scene({ limits: { resumeMs: RESUME_MS } })
})
afterAll(() => stage.close())

async function unharmed(): Promise<void> {
  await stage.canary()
  expect(stage.strangers()).toEqual([])
  await stage.backToBaseline()
}

async function proven() {
  const mallory = await stage.dial()
  await mallory.reach('authenticated')
  return mallory
}

describe('what cannot be', () => {
  it.each(refused)('%s', async (...row) => {
    const [, condition, ...said] = row
    const mallory = await proven()
    mallory.say(...said)
    const { messages } = await mallory.rest()
    expect(conditionOf(messages)).toBe(condition)
    expect(messages.some(text => text.includes('handled-count-too-high'))).toBe(condition !== 'invalid-xml')
    await unharmed()
  })
})

describe('the stream goes on', () => {
  it.each(quiet)('%s', async (...row) => {
    const [, answers, ...said] = row as unknown as Quiet
    const mallory = await proven()
    mallory.say(...said, CLOSE)
    const { messages, ended } = await mallory.rest()
    const heard = messages.filter(text => /^<(enabled|failed|resumed)/.test(text))
    expect(heard).toEqual(answers.map(answer => expect.stringMatching(answer)))
    expect(conditionOf(messages)).toBeNull()
    expect(ended).toBeNull()
    await unharmed()
  })

  it('many wishes to resume, and questions', async () => {
    const mallory = await proven()
    for (let count = 0; count < 200; count++) mallory.say(resume(`guess-${count}`))
    mallory.say(enable())
    for (let count = 0; count < 2_000; count++) mallory.say(ASK)
    mallory.say(CLOSE)
    const { messages } = await mallory.rest()
    const count = (start: string) => messages.filter(text => text.startsWith(start)).length
    expect([count('<failed'), count('<enabled')]).toEqual([200, 1])
    // One answer may be for several.
    expect(count('<a ')).toBeLessThanOrEqual(2_002)
    await unharmed()
  })
})

describe('who is not the owner', () => {
  it('[SM-08] of a stream that stands, or was lost: another pair’s is not found', async () => {
    const mallory = await proven()
    mallory.say(enable())
    const id = /id=['"]([^'"]+)['"]/.exec(await mallory.hears())?.[1] ?? ''
    expect(id).not.toBe('')
    const laurence = stage.verona.authority.issue({ dns: ['laurence.example'] })
    const other = await stage.dial(laurence)
    other.say(
      `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' from='laurence.example' to='montague.example' version='1.0'/>`,
    )
    await other.hears()
    await other.hears()
    other.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`)
    expect(await other.hears()).toMatch(/^<success/)
    other.say(
      `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' from='laurence.example' to='montague.example' version='1.0'/>`,
    )
    await other.hears()
    await other.hears()
    other.say(resume(id))
    expect(await other.hears()).toMatch(/^<failed .*item-not-found/)
    mallory.transport.abort()
    other.say(resume(id))
    expect(await other.hears()).toMatch(/^<failed .*item-not-found/)
    other.say(CLOSE)
    await other.rest()
    await unharmed()
  })

  it('streams that are begun and lost, again and again, are kept for a while, and few of them', async () => {
    for (let round = 0; round < 30; round++) {
      const mallory = await proven()
      mallory.say(enable(), message())
      expect(await mallory.hears()).toMatch(/^<enabled /)
      mallory.transport.abort()
    }
    stage.verona.montague.host.received.length = 0
    await new Promise(resolve => setTimeout(resolve, RESUME_MS * 2))
    stage.verona.montague.host.received.length = 0
    await unharmed()
  })
})
