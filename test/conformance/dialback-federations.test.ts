import { afterEach, describe, expect, it } from 'vitest'
import type { Event } from '../../src/base/index.ts'
import { message, type Stanza } from '../../src/xmpp/index.ts'
import { type TownOptions, twoFederations, type Verona } from '../kit/federations.ts'

// Server dialback between whole federations over wss: what PROTOCOL E leaves to the room that asks about keys.

let verona: Verona

afterEach(() => verona.close())

const JULIET = 'juliet@capulet.example/balcony'
const ROMEO = 'romeo@montague.example/orchard'

/** Where a platform's proxy ends TLS, no listener of ours sees a certificate. */
const BARE: Pick<TownOptions, 'more'> = {
  more: { listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }] },
}

type Established = Extract<Event, { type: 'stream:established' }>

function established(events: readonly Event[]): readonly Established[] {
  return events.filter(event => event.type === 'stream:established')
}

function asked(events: readonly Event[]) {
  return events.filter(event => event.type === 'dialback:asked')
}

async function talk(): Promise<readonly (string | undefined)[]> {
  const { capulet, montague } = verona
  await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
  const [heard] = await montague.host.receivesCount(1)
  await montague.host.send(message({ from: ROMEO, to: JULIET, body: 'call me but love' }))
  const [answer] = await capulet.host.receivesCount(1)
  return [heard, answer].map(bodyOf)
}

function bodyOf(stanza: Stanza | undefined): string | undefined {
  return /<body>([^<]*)<\/body>/.exec(Buffer.from(stanza?.bytes ?? []).toString())?.[1]
}

function errorOf(stanza: Stanza): string {
  return Buffer.from(stanza.bytes).toString()
}

describe('where no certificate of a client is seen', () => {
  it('[DB-46] both prove themselves by dialback, each by its own public endpoint', async () => {
    verona = await twoFederations({ capulet: BARE, montague: BARE })
    expect(await talk()).toEqual(['wherefore', 'call me but love'])
    for (const { events } of [verona.capulet, verona.montague]) {
      const streams = established(events).map(({ role, authentication, proof }) => ({
        role,
        authentication,
        proof,
      }))
      const [own, other] =
        events === verona.capulet.events ? ['capulet', 'montague'] : ['montague', 'capulet']
      expect(streams).toHaveLength(2)
      expect(streams).toContainEqual({
        role: 'initiating',
        authentication: 'dialback',
        proof: `dns-id ${other}.example`,
      })
      expect(streams).toContainEqual({
        role: 'receiving',
        authentication: 'dialback',
        proof: `its server, dns-id ${other}.example`,
      })
      expect(asked(events)).toMatchObject([
        { local: `${own}.example`, remote: `${other}.example`, outcome: 'valid' },
      ])
    }
  })

  it('[DB-41] asks on a connection of its own, which ends', async () => {
    verona = await twoFederations({ capulet: BARE, montague: BARE })
    await talk()
    // The peer's two documents, the stream, and the question about its key.
    expect([verona.capulet.relay.count, verona.montague.relay.count]).toEqual([4, 4])
  })

  it('[DB-46] a domain without any certificate of its own behaves the same', async () => {
    verona = await twoFederations({ montague: BARE })
    expect(await talk()).toEqual(['wherefore', 'call me but love'])
    const methods = established(verona.montague.events).map(({ role, authentication }) => [
      role,
      authentication,
    ])
    expect(methods).toContainEqual(['receiving', 'dialback'])
    expect(methods).toContainEqual(['initiating', 'sasl-external'])
  })
})

describe('which stream it is', () => {
  it('[DB-21] one for each pair, although both domains are at one endpoint', async () => {
    verona = await twoFederations({
      capulet: BARE,
      montague: { ...BARE, also: ['rooms.montague.example'] },
    })
    const { capulet, montague } = verona
    for (const to of [ROMEO, 'orchard@rooms.montague.example'])
      await capulet.host.send(message({ from: JULIET, to, body: 'wherefore' }))
    await montague.host.receivesCount(2)
    const pairs = established(montague.events).map(({ local, remote }) => `${remote} ${local}`)
    expect(pairs.sort()).toEqual([
      'capulet.example montague.example',
      'capulet.example rooms.montague.example',
    ])
  })
})

describe('whose answer counts', () => {
  it('[DB-42] not that of a server whose certificate is for another name', async () => {
    // Whoever speaks for capulet.example at the address that the network gives for it cannot prove to be it.
    verona = await twoFederations({
      capulet: { ...BARE, certificateNames: ['mantua.example'] },
      // Found without a document, which would be refused first.
      montague: {
        more: { ...BARE.more, endpoints: [{ domain: 'capulet.example', url: 'wss://capulet.example/s2s' }] },
      },
    })
    const { capulet, montague } = verona
    await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
    const [error] = await capulet.host.receivesCount(1)
    expect(errorOf(error as Stanza)).toMatch(/remote-server-timeout/)
    expect(errorOf(error as Stanza)).toMatch(
      /it answered our dialback key with not-authorized: the peer's certificate was refused \(name-mismatch\): it is for mantua\.example/,
    )
    expect(montague.host.received).toEqual([])
    expect(established(montague.events)).toEqual([])
    expect(asked(montague.events)).toMatchObject([
      { outcome: 'error', detail: expect.stringMatching(/mantua\.example/) },
    ])
  })

  it('[DB-42] nobody’s, where dialback is off', async () => {
    verona = await twoFederations({
      capulet: BARE,
      montague: { more: { ...BARE.more, dialback: 'off' } },
    })
    const { capulet, montague } = verona
    await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
    const [error] = await capulet.host.receivesCount(1)
    expect(errorOf(error as Stanza)).toMatch(/no certificate was presented/)
    expect(montague.host.received).toEqual([])
    expect(asked(montague.events)).toEqual([])
  })

  it('[DB-27] a domain that cannot be found is told so', async () => {
    verona = await twoFederations({ capulet: BARE, montague: BARE })
    const { capulet, montague } = verona
    capulet.relay.target = null
    await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
    const [error] = await capulet.host.receivesCount(1)
    expect(errorOf(error as Stanza)).toMatch(/it answered our dialback key with remote-server-/)
    expect(established(montague.events)).toEqual([])
  })
})

describe('how much is asked', () => {
  it.each(['dialbackTotal', 'dialbackPerAddress'] as const)(
    '[DB-23] above %s nothing is dialled',
    async limit => {
      verona = await twoFederations({ capulet: BARE, montague: { ...BARE, limits: { [limit]: 0 } } })
      const { capulet, montague } = verona
      await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
      const [error] = await capulet.host.receivesCount(1)
      expect(errorOf(error as Stanza)).toMatch(/resource-constraint/)
      expect(capulet.relay.count).toBe(0)
      expect(established(montague.events)).toEqual([])
    },
  )
})
