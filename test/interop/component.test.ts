import { afterEach, expect, it } from 'vitest'
import type { ComponentOptions } from '../../src/hosts/index.ts'
import { element, iq, message, NS } from '../../src/index.ts'
import { componentHost, placeOf, SECRET } from '../kit/component.ts'
import { twoFederations } from '../kit/federations.ts'
import { Client } from '../kit/servers/client.ts'

// A real component, slixmpp's, with no server: capulet.example is behind our listener, montague.example across wss.

const ROMEO = 'romeo@montague.example/orchard'
const CAPULET = 'capulet.example'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function verona(options: Partial<ComponentOptions> = {}) {
  const host = componentHost(options)
  const running = await twoFederations({ capulet: { domain: { host } } })
  closing.push(() => running.close())
  const connect = async (secret = SECRET) => {
    const bot = await Client.component(CAPULET, secret, placeOf(host).port)
    closing.push(() => bot.end())
    return bot
  }
  return { ...running, host, connect }
}

const say = (id: string, to = `juliet@${CAPULET}`) => message({ from: ROMEO, to, id, type: 'chat', body: id })

it('slixmpp’s ComponentXMPP federates: messages, pings and disco, both ways', async () => {
  const { montague, connect } = await verona()
  const bot = await connect()

  await montague.federation.send(say('m-1'))
  expect(await bot.receives({ body: 'm-1' })).toMatchObject({ from: ROMEO, to: `juliet@${CAPULET}` })
  await bot.send(ROMEO, 'hark', { id: 'm-2', sender: `juliet@${CAPULET}/balcony` })
  const hark = await montague.host.receives(({ id }) => id === 'm-2')
  expect(hark.from).toMatchObject({ local: 'juliet', domain: CAPULET, resource: 'balcony' })
  expect(Buffer.from(hark.bytes).toString()).toContain('<body>hark</body>')

  await bot.ping('montague.example')
  const { features } = await bot.discoInfo('montague.example')
  expect(features).toContain(NS.ping)
  await montague.federation.send(
    iq({ from: ROMEO, to: CAPULET, type: 'get', id: 'p-1', payload: element('ping', NS.ping) }),
  )
  expect(await montague.host.receives(({ id }) => id === 'p-1')).toMatchObject({ kind: 'iq', type: 'result' })
})

it('500 numbered messages each way arrive in order', async () => {
  const { montague, connect } = await verona()
  const bot = await connect()
  const count = 500
  await bot.burst({ to: ROMEO, count, label: 'out' })
  for (let number = 1; number <= count; number++)
    await montague.federation.send(
      message({ from: ROMEO, to: CAPULET, id: `in-${number}`, type: 'chat', body: `in ${number}` }),
    )
  expect(await bot.collect('in', count)).toMatchObject({ missing: [], duplicates: [], isInOrder: true })
  const received = await montague.host.receivesCount(count)
  expect(received.map(({ id }) => id)).toEqual(
    Array.from({ length: count }, (_, index) => `out-${index + 1}`),
  )
})

it('while it is away its senders are told so; when it is back they are heard', async () => {
  const { montague, connect } = await verona()
  const bot = await connect()
  await bot.logout()
  await montague.federation.send(say('lost'))
  const error = await montague.host.receives(({ id }) => id === 'lost')
  expect(error.type).toBe('error')
  const text = Buffer.from(error.bytes).toString()
  expect(text).toContain('remote-server-timeout')
  expect(text).toContain('capulet.example: the component behind this name is not connected')
  await bot.reconnect()
  await montague.federation.send(say('heard'))
  await bot.receives({ body: 'heard' })
  expect(bot.messages.map(({ body }) => body)).toEqual(['heard'])
})

it('what is held for it comes in order when it is back', async () => {
  const { capulet, montague, connect } = await verona({ holdMs: 60_000 })
  const bot = await connect()
  await bot.logout()
  for (const id of ['1', '2', '3']) await montague.federation.send(say(id))
  while (capulet.federation.account().delivered < 3) await new Promise(resolve => setTimeout(resolve, 10))
  await bot.reconnect()
  await bot.receives({ body: '3' })
  expect(bot.messages.map(({ body }) => body)).toEqual(['1', '2', '3'])
})

it('with another secret it is turned away', async () => {
  const { capulet, connect } = await verona()
  await expect(connect('not the secret')).rejects.toThrow()
  await capulet.sees(event => event.type === 'stream:ended' && event.detail.includes('CO-03'))
})
