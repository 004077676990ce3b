import { afterEach, describe, expect, it } from 'vitest'
import type { Event } from '../../src/base/index.ts'
import { element, iq, message, NS, type Stanza } from '../../src/xmpp/index.ts'
import { twoFederations, type Verona } from '../kit/federations.ts'

// Streams that go both ways between whole federations over wss (PROTOCOL F.1).

let verona: Verona

afterEach(() => verona.close())

const JULIET = 'juliet@capulet.example/balcony'
const ROMEO = 'romeo@montague.example/orchard'

const established = (events: readonly Event[]) =>
  events
    .filter(event => event.type === 'stream:established')
    .map(({ role, authentication }) => [role, authentication])

const sent = (from: string, to: string, id: string) => message({ from, to, id, body: id })

const ids = (stanzas: readonly Stanza[]) => stanzas.map(({ id }) => id)

describe('a domain that nobody can dial', () => {
  it('[BI-07] federates by dialling out, with SASL EXTERNAL, and hears its answers on the same stream', async () => {
    verona = await twoFederations({ capulet: { unreachable: true } })
    const { capulet, montague } = verona
    await capulet.host.send(sent(JULIET, ROMEO, 'out'))
    await montague.host.receivesCount(1)
    for (const id of ['one', 'two', 'three']) await montague.host.send(sent(ROMEO, JULIET, id))
    expect(ids(await capulet.host.receivesCount(3))).toEqual(['one', 'two', 'three'])
    expect(established(capulet.events)).toEqual([['initiating', 'sasl-external']])
    expect(established(montague.events)).toEqual([['receiving', 'sasl-external']])
    expect(capulet.relay.count).toBe(0)
  })

  it('[BI-07] comes back by itself when the connection is cut', async () => {
    verona = await twoFederations({ capulet: { unreachable: true }, limits: { goodLifeMs: 0 } })
    const { capulet, montague } = verona
    await capulet.host.send(sent(JULIET, ROMEO, 'out'))
    await montague.host.receivesCount(1)
    const before = capulet.events.length
    montague.relay.cut()
    await capulet.sees(
      event => event.type === 'stream:established' && capulet.events.indexOf(event) >= before,
    )
    await montague.sees(
      event =>
        event.type === 'stream:established' &&
        montague.events.findLastIndex(({ type }) => type === 'stream:ended') < montague.events.indexOf(event),
    )
    await montague.host.send(sent(ROMEO, JULIET, 'back'))
    await capulet.host.receives(({ id }) => id === 'back')
  })

  it('[BI-07] without a stream of its own it cannot be reached, and who writes to it hears so', async () => {
    verona = await twoFederations({ capulet: { unreachable: true } })
    const { montague } = verona
    await montague.host.send(sent(ROMEO, JULIET, 'out'))
    const [error] = await montague.host.receivesCount(1)
    expect(error).toMatchObject({ type: 'error', id: 'out' })
  })

  it('[BI-07] shows no key: nobody could ask about it', async () => {
    verona = await twoFederations({
      capulet: { unreachable: true },
      montague: { more: { listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }] } },
    })
    const { capulet, montague } = verona
    await capulet.host.send(sent(JULIET, ROMEO, 'out'))
    const [error] = await capulet.host.receivesCount(1)
    expect(error).toMatchObject({ type: 'error', id: 'out' })
    expect(montague.events.filter(({ type }) => type === 'dialback:asked')).toEqual([])
  })
})

describe('where it is asked for', () => {
  it('[BI-06] answers and errors return on the socket that they belong to', async () => {
    verona = await twoFederations({ capulet: { more: { bidi: true } } })
    const { capulet, montague } = verona
    montague.host.answer = () => ({ taken: false, condition: 'service-unavailable' })
    await capulet.host.send(sent(JULIET, ROMEO, 'out'))
    const ping = iq({
      from: JULIET,
      to: 'montague.example',
      type: 'get',
      id: 'ping',
      payload: element('ping', NS.ping),
    })
    await capulet.host.send(ping)
    const answers = await capulet.host.receivesCount(2)
    expect(answers.map(({ id, type }) => [id, type])).toEqual([
      ['out', 'error'],
      ['ping', 'result'],
    ])
    await montague.host.send(sent(ROMEO, JULIET, 'later'))
    await capulet.host.receivesCount(3)
    expect(established(capulet.events)).toEqual([['initiating', 'sasl-external']])
    expect(capulet.relay.count).toBe(0)
    for (const { federation } of [capulet, montague])
      expect(federation.account()).toMatchObject({ inDoubt: 0, dropped: 0 })
  })

  it('[BI-06] by dialback as well, where no certificate is seen', async () => {
    const bare = { listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }] } as const
    verona = await twoFederations({ capulet: { more: { ...bare, bidi: true } }, montague: { more: bare } })
    const { capulet, montague } = verona
    await capulet.host.send(sent(JULIET, ROMEO, 'out'))
    await montague.host.receivesCount(1)
    await montague.host.send(sent(ROMEO, JULIET, 'back'))
    await capulet.host.receivesCount(1)
    expect(established(capulet.events)).toEqual([['initiating', 'dialback']])
    expect(established(montague.events)).toEqual([['receiving', 'dialback']])
  })

  it('[BI-06] ends in order with the side that opened it, and nothing is in doubt', async () => {
    verona = await twoFederations({ capulet: { more: { bidi: true } } })
    const { capulet, montague } = verona
    for (let n = 0; n < 50; n++) await capulet.host.send(sent(JULIET, ROMEO, `out-${n}`))
    await montague.host.receivesCount(50)
    for (let n = 0; n < 50; n++) await montague.host.send(sent(ROMEO, JULIET, `back-${n}`))
    await capulet.host.receivesCount(50)
    await expect.poll(() => montague.federation.account().held).toBe(0)
    await capulet.federation.close({ deadlineMs: 2_000 })
    await montague.sees(({ type }) => type === 'stream:ended')
    expect(capulet.federation.account()).toMatchObject({ accepted: 100, delivered: 100, inDoubt: 0, held: 0 })
    expect(montague.federation.account()).toMatchObject({
      accepted: 100,
      delivered: 100,
      inDoubt: 0,
      held: 0,
    })
  })
})
