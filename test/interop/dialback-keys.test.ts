import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AttackStage, ROOMS, TO, takesStanza } from '../kit/attack-stage.ts'
import type { Taken } from '../kit/scripted-peer.ts'
import { answerIn, attributeIn, dialback, keyIn, type ScriptedStream } from '../kit/scripted-stream.ts'

// What dialback is played with, against a gateway that runs: keys that are nearly right, odd addresses, several pairs on
// one stream, and questions that a gateway is made to ask.

let stage: AttackStage
beforeAll(async () => {
  stage = await AttackStage.create(200)
})
afterEach(() => {
  stage.peer.vanish()
  stage.peer.judge = () => null
})
afterAll(() => stage.close())

/** The next dialback answer on a stream, behind the `count` that were there. */
function answered(stream: ScriptedStream, count = 0): Promise<string> {
  return stream.sees(({ texts }) => texts.filter(text => text.startsWith('<db:'))[count]).then(answerIn)
}

describe('a key of ours that we are asked about', () => {
  type Question = { readonly from: string; readonly to: string; readonly id: string; readonly key: string }
  /** what is asked, where the gateway has shown `own` to who asks, and `other` to somebody else */
  const games: readonly [name: string, ask: (own: Question, other: Question) => Question, answer: string][] =
    [
      ['as it was shown', own => own, 'valid'],
      ['with white space around it', own => ({ ...own, key: `\n  ${own.key}\t` }), 'valid'],
      ['in upper case', own => ({ ...own, key: own.key.toUpperCase() }), 'invalid'],
      ['with a space in it', own => ({ ...own, key: own.key.replace(/^.{32}/, '$& ') }), 'invalid'],
      ['without its last letter', own => ({ ...own, key: own.key.slice(0, -1) }), 'invalid'],
      ['with a letter more', own => ({ ...own, key: `${own.key}0` }), 'invalid'],
      ['that is empty', own => ({ ...own, key: '' }), 'invalid'],
      ['of another stream', (own, other) => ({ ...own, key: other.key }), 'invalid'],
      ['with the id of another stream', (own, other) => ({ ...own, id: other.id }), 'invalid'],
      ['for another domain of ours', own => ({ ...own, to: ROOMS }), 'invalid'],
      ['that was shown to another domain', (own, other) => ({ ...other, from: own.from }), 'invalid'],
      ['for a domain that is none of ours', own => ({ ...own, to: 'capulet.example' }), 'item-not-found'],
    ]

  const questionOf = ({ to, from, id, word }: Taken): Question => ({
    from: to,
    to: from,
    id,
    key: keyIn(word),
  })

  it.each(games)('%s', async (_, ask, answer) => {
    const own = questionOf(await stage.owed(stage.newDomain()))
    const other = questionOf(await stage.owed(stage.newDomain()))
    const { stream } = await stage.stream(own.from)
    stream.say(dialback('verify', ask(own, other)))
    expect(await answered(stream)).toBe(answer)
    // DB-25: nobody is worse off for having asked.
    stream.say(dialback('verify', own))
    expect(await answered(stream, 1)).toBe('valid')
  })

  it('[DB-06] as it was shown, where that stream has ended: the answer is remade, not remembered', async () => {
    const shown = await stage.owed(stage.newDomain())
    shown.stream.leave()
    await shown.stream.rest()
    const { stream } = await stage.stream(shown.to)
    stream.say(dialback('verify', questionOf(shown)))
    expect(await answered(stream)).toBe('valid')
  })

  it('of a megabyte ends the stream', async () => {
    const { stream, id } = await stage.stream(stage.newDomain())
    stream.say(dialback('verify', { from: 'd0.mallory.example', to: TO, id, key: 'x'.repeat(2 ** 20) }))
    await stream.rest()
    expect(stream.error).toBe('policy-violation')
  })

  it.each([
    ['none of its where its secret was random', '', 'invalid'],
    ['one of its where its secret is configured', 'dialback_secret = "of gateways of one domain"', 'valid'],
  ])('[DB-02] from before the gateway was started anew is %s', async (_, top, answer) => {
    const own = await AttackStage.create(1, top)
    try {
      const shown = await own.owed(own.newDomain())
      await own.restart()
      const { stream } = await own.stream(shown.to)
      stream.say(dialback('verify', questionOf(shown)))
      expect(await answered(stream)).toBe(answer)
    } finally {
      await own.close()
    }
  })
})

describe('addresses of a key that is shown to us', () => {
  type Addresses = (domain: string) => { readonly from: string; readonly to: string }
  const rows: readonly [name: string, addresses: Addresses, answer: string][] = [
    ['as they are', from => ({ from, to: TO }), 'valid'],
    ['in upper case', from => ({ from: from.toUpperCase(), to: TO.toUpperCase() }), 'valid'],
    ['with a dot behind them', from => ({ from: `${from}.`, to: `${TO}.` }), 'valid'],
    ['in full-width letters', from => ({ from: from.replace('d', '\uff44'), to: TO }), 'valid'],
    ['to a domain below ours', from => ({ from, to: `x.${TO}` }), 'item-not-found'],
    ['from ourselves', () => ({ from: TO, to: TO }), 'not-acceptable'],
    ['from another domain of ours', () => ({ from: ROOMS, to: TO }), 'not-acceptable'],
    ['from localhost', () => ({ from: 'localhost', to: TO }), 'not-acceptable'],
    ['from an IPv4 address', () => ({ from: '127.0.0.1', to: TO }), 'not-acceptable'],
    ['from the same in another notation', () => ({ from: '0x7f.1', to: TO }), 'not-acceptable'],
    ['from an IPv6 address', () => ({ from: '[::1]', to: TO }), 'not-acceptable'],
    ['from a name that is never looked up', () => ({ from: 'metadata.internal', to: TO }), 'not-acceptable'],
    ['from a person', from => ({ from: `m@${from}`, to: TO }), 'jid-malformed'],
    ['from what is no name', () => ({ from: 'mallory example', to: TO }), 'jid-malformed'],
    ['from a name without end', () => ({ from: `${'x'.repeat(3_000)}.example`, to: TO }), 'jid-malformed'],
    ['from nobody', () => ({ from: '', to: TO }), 'improper-addressing'],
    ['to nobody', from => ({ from, to: '' }), 'improper-addressing'],
  ]

  it.each(rows)('%s', async (_, addresses, answer) => {
    stage.peer.judge = () => 'valid'
    const asked = stage.peer.questions.length
    const domain = stage.newDomain()
    const { stream } = await stage.stream(domain)
    const { from, to } = addresses(domain)
    stream.say(dialback('result', { from, to, key: 'a key' }))
    const heard = await stream.sees(({ texts }) => texts.find(text => /^<(?:db|stream:error)/.test(text)))
    // Whoever is no domain of the network is not asked about at all.
    expect(stage.peer.questions.length - asked).toBe(answer === 'valid' ? 1 : 0)
    if (heard.startsWith('<db:')) {
      expect(answerIn(heard)).toBe(answer)
      // DB-25: the addresses as they stood, the other way round.
      expect([attributeIn(heard, 'from'), attributeIn(heard, 'to')]).toEqual([to, from])
    } else expect(stream.error).toBe(answer)
    expect(await takesStanza(stream, domain, TO)).toBe(answer === 'valid')
  })
})
