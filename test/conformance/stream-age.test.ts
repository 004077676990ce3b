import { afterEach, describe, expect, it } from 'vitest'
import { message, type Stanza } from '../../src/xmpp/index.ts'
import { type Town, twoFederations, type Verona } from '../kit/federations.ts'

// Streams that are moved before a platform cuts them, between whole federations over wss while both talk.

let verona: Verona

afterEach(() => verona.close())

const JULIET = 'juliet@capulet.example/balcony'
const ROMEO = 'romeo@montague.example/orchard'
const COUNT = 300
const EVERY_MS = 10

async function talk({ host }: Town, from: string, to: string): Promise<void> {
  for (let n = 0; n < COUNT; n++) {
    await host.send(message({ from, to, id: String(n), body: 'still here' }))
    await new Promise(resolve => setTimeout(resolve, EVERY_MS))
  }
}

/** What was not in its turn: errors, what is missing, what came twice. */
function outOfTurn(stanzas: readonly Stanza[]): readonly string[] {
  const found = stanzas.flatMap(({ id, type }, at) =>
    type === 'error' || id !== String(at) ? [`${at}: ${type} ${id}`] : [],
  )
  return found.slice(0, 5)
}

describe.each([
  ['one way each', {}],
  ['that one side opens for both ways', { capulet: { more: { bidi: true } } }],
  ['that both open for both ways', { capulet: { more: { bidi: true } }, montague: { more: { bidi: true } } }],
  ['that only one side can open', { capulet: { unreachable: true } }],
])('streams %s', (_, towns) => {
  it('[ST-22 BI-06 BI-07] live for a while only, and nothing is lost, bounced, or out of order', async () => {
    verona = await twoFederations({
      ...towns,
      limits: { maxStreamAgeMs: 1_000, confirmMs: 100, pingsPerSecond: 100 },
    })
    const { capulet, montague } = verona
    // Whoever nobody can dial begins.
    await capulet.host.send(message({ from: JULIET, to: ROMEO, id: 'first', body: 'hark' }))
    await montague.host.receivesCount(1)
    await Promise.all([talk(capulet, JULIET, ROMEO), talk(montague, ROMEO, JULIET)])
    await montague.host.receivesCount(COUNT + 1)
    await capulet.host.receivesCount(COUNT)
    expect(outOfTurn(montague.host.received.slice(1))).toEqual([])
    expect(outOfTurn(capulet.host.received)).toEqual([])
    for (const { federation, events } of [capulet, montague]) {
      await expect.poll(() => federation.account().held).toBe(0)
      expect(federation.account()).toMatchObject({ bounced: 0, dropped: 0, inDoubt: 0 })
      const streams = events.filter(({ type }) => type === 'stream:established')
      expect(streams.length).toBeGreaterThan(2)
      const failed = events.flatMap(event =>
        event.type === 'stream:ended' && event.reason !== 'closed' ? [event.reason] : [],
      )
      expect(failed).toEqual([])
    }
  })
})
