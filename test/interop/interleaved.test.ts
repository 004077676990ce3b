import { afterEach, describe, expect, it } from 'vitest'
import { message } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { type Country, federations, type Town } from '../kit/federations.ts'
import { type AsksOn, InterleavedPeer } from '../kit/interleaved-peer.ts'
import { ScriptedPeer } from '../kit/scripted-peer.ts'

// A peer with interleaved dialback, which answers nothing before its own stream is proven. Over real TLS and wss, found by
// its host-meta; montague.example shows it no certificate that it would look at.

const MALLORY = 'mallory.example'
const ROMEO = 'romeo@montague.example'
const ROOM = 'orchard@rooms.montague.example'
const THERE = `m@${MALLORY}`

let country: Country
let peer: ScriptedPeer
afterEach(async () => {
  await peer.close()
  await country.close()
})

async function stage(
  asksOn: AsksOn,
): Promise<{ readonly montague: Town; readonly mallory: InterleavedPeer }> {
  const authority = testAuthority()
  peer = await ScriptedPeer.listen({ certificate: authority.issue({ dns: [MALLORY] }) })
  const there = `127.0.0.1:${peer.port}`
  country = await federations([{ name: 'montague.example', also: ['rooms.montague.example'] }], {
    authority,
    connect: { [`${MALLORY}:443`]: there, [`${MALLORY}:${peer.port}`]: there },
  })
  const [montague] = country.towns
  if (montague === undefined) throw new Error('one town was asked for')
  const port = montague.federation.listening[0]?.port ?? 0
  return { montague, mallory: new InterleavedPeer({ peer, domain: MALLORY, port, asksOn }) }
}

const idOf = (text: string) => / id='([^']*)'/.exec(text)?.[1]
const say = (from: string, to: string, id: string) => message({ from, to, id, body: 'hail' })
const fromThere = (to: string, id: string) =>
  `<message xmlns='jabber:server' from='${THERE}' to='${to}' id='${id}'><body>hail</body></message>`

// What it does between being shown our key and answering, when we come first.
const STORIES: Readonly<Record<AsksOn, readonly string[]>> = {
  'its own stream': ['says that its key is its own', 'is proven', 'asks about ours'],
  'its own stream, unproven': ['asks about ours', 'says that its key is its own', 'is proven'],
  'a stream for it': ['says that its key is its own', 'is proven', 'asks about ours'],
}

describe.each(Object.entries(STORIES))('a peer that asks about our key on %s', (asksOn, between) => {
  it('is reached by us first, and answers', async () => {
    const { montague, mallory } = await stage(asksOn as AsksOn)
    await montague.host.send(say(ROMEO, THERE, '1'))
    expect((await mallory.receivesCount(1)).map(idOf)).toEqual(['1'])
    expect(mallory.story).toEqual(['is shown a key', 'shows its key', ...between, 'answers'])
    await mallory.send('montague.example', fromThere(ROMEO, '2'))
    expect((await montague.host.receives(({ id }) => id === '2')).from.domain).toBe(MALLORY)
  })

  it('comes to us first, and is answered', async () => {
    const { montague, mallory } = await stage(asksOn as AsksOn)
    await mallory.send('montague.example', fromThere(ROMEO, '1'))
    await montague.host.receives(({ id }) => id === '1')
    await montague.host.send(say(ROMEO, THERE, '2'))
    expect((await mallory.receivesCount(1)).map(idOf)).toEqual(['2'])
  })

  it('and we come to each other at once, for two pairs', async () => {
    const { montague, mallory } = await stage(asksOn as AsksOn)
    await Promise.all([
      montague.host.send(say(ROMEO, THERE, '1')),
      montague.host.send(say(ROOM, THERE, '2')),
      mallory.send('montague.example', fromThere(ROMEO, '3')),
      mallory.send('rooms.montague.example', fromThere(ROOM, '4')),
    ])
    expect((await mallory.receivesCount(2)).map(idOf).sort()).toEqual(['1', '2'])
    const received = await montague.host.receivesCount(2)
    expect(received.map(({ id }) => id).sort()).toEqual(['3', '4'])
    const streams = montague.events.filter(event => event.type === 'stream:established')
    expect(streams.map(({ authentication }) => authentication)).toEqual(Array(4).fill('dialback'))
  })
})
