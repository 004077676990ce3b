import { afterEach, describe, expect, it } from 'vitest'
import { domainsOf, MALLORY, TO, VICTIM, type Victims, victims } from '../kit/dialback-victims.ts'
import { backTo, resources } from '../kit/fronts.ts'
import { link } from '../kit/host-meta.ts'
import { answerIn, dialback, type ScriptedStream } from '../kit/scripted-stream.ts'
import { rawTcpServer } from '../kit/wire.ts'

// Strangers who show keys over wss, and by them have us call others: how often, whom, and for how long.

let stage: Victims
afterEach(() => stage.close())

/** All answers to keys on a stream, once there are so many. */
function answers(stream: ScriptedStream, count: number): Promise<readonly string[]> {
  return stream.sees(({ texts }) => {
    const said = texts.filter(text => text.startsWith('<db:result'))
    return said.length >= count ? said.map(answerIn) : undefined
  })
}

/** Montague has asked Mallory's server so often. */
async function questions(count: number): Promise<void> {
  while (stage.peer.questions.length < count) await new Promise(resolve => setTimeout(resolve, 2))
}

const shows = (from: string) => dialback('result', { from, to: TO, key: 'a key' })
const refused = (count: number) => Array(count).fill('resource-constraint')

describe('[DB-23] how often we call', () => {
  // Of each domain two documents are read, and its server is called.
  const EACH = 3

  it('for sixteen of a thousand keys on one stream; no socket is opened for the others', async () => {
    stage = await victims({ domains: 1_000, limits: { dialbackPerAddress: 1_000 } })
    const stream = await stage.shows(...domainsOf(1_000))
    expect(await answers(stream, 984)).toEqual(refused(984))
    await questions(16)
    await stage.unharmed()
    expect([stage.peer.questions.length, stage.peer.connections]).toEqual([16, 16 * EACH])
  })

  it('for 64 keys from one address, on however many streams; who leaves gives room', async () => {
    stage = await victims({ domains: 97 })
    const all = domainsOf(97)
    const streams: ScriptedStream[] = []
    for (let at = 0; at < 96; at += 16) streams.push(await stage.shows(...all.slice(at, at + 16)))
    await questions(64)
    for (const stream of streams.slice(4)) expect(await answers(stream, 16)).toEqual(refused(16))
    expect([stage.peer.questions.length, stage.peer.connections]).toEqual([64, 64 * EACH])
    await stage.unharmed()
    streams[0]?.vanish()
    await stage.shows(...all.slice(96))
    await questions(65)
  })

  it('for 256 keys in all, and leave nothing behind', async () => {
    stage = await victims({ domains: 272, limits: { dialbackPerAddress: 1_000 } })
    await stage.unharmed()
    const baseline = resources()
    const all = domainsOf(272)
    const streams: ScriptedStream[] = []
    for (let at = 0; at < all.length; at += 16) streams.push(await stage.shows(...all.slice(at, at + 16)))
    await questions(256)
    for (const stream of streams.slice(16)) expect(await answers(stream, 16)).toEqual(refused(16))
    expect([stage.peer.questions.length, stage.peer.connections]).toEqual([256, 256 * EACH])
    await stage.unharmed()
    for (const stream of streams) stream.vanish()
    // Nobody waits for the answers any more.
    await Promise.all(stage.peer.streams.map(stream => stream.rest()))
    await stage.unharmed()
    await backTo(baseline)
  })

  it('once for a domain that is shown a thousand times on one stream', async () => {
    stage = await victims()
    const stream = await stage.shows(...Array.from({ length: 1_000 }, () => MALLORY))
    await questions(1)
    await stream.isRead()
    expect([stage.peer.questions.length, stream.error]).toEqual([1, undefined])
    await stage.unharmed()
  })

  it('without reading where a domain is anew for each who shows a key and leaves', async () => {
    stage = await victims()
    for (let count = 1; count <= 10; count++) {
      const stream = await stage.shows(MALLORY)
      await questions(count)
      stream.vanish()
      await Promise.all(stage.peer.streams.map(stream => stream.rest()))
    }
    expect(stage.peer.connections).toBe(10 + 2)
    await stage.unharmed()
  })

  it('at four endpoints, however many a host-meta names', async () => {
    stage = await victims()
    const victim = await rawTcpServer()
    const hangUp = async () => {
      for (;;) (await victim.accept()).destroy()
    }
    void hangUp()
    stage.peer.links = () =>
      Array.from({ length: 16 }, (_, index) => link(`wss://127.0.0.1:${victim.port}/${index}`))
    const stream = await stage.shows(MALLORY)
    expect(await answers(stream, 1)).toEqual(['remote-server-timeout'])
    expect(victim.connections).toBe(4)
    victim.close()
    await stage.unharmed()
  })

  it('no longer once fifty keys of a stream have proven nothing', async () => {
    stage = await victims()
    const { peer, capulet } = stage
    peer.judge = () => 'valid'
    const stream = await stage.shows(MALLORY)
    await answers(stream, 1)
    const before = capulet.relay.count
    for (let count = 2; count <= 60; count++) {
      stream.say(shows(VICTIM))
      await answers(stream, count)
    }
    const said = await answers(stream, 60)
    expect(said).toEqual(['valid', ...Array(49).fill('forbidden'), ...refused(10)])
    // And the two documents.
    expect(capulet.relay.count - before).toBe(49 + 2)
    await stage.unharmed()
  })
})

describe('[DS-60] whom we call', () => {
  const rows: readonly [title: string, links: (port: number) => readonly unknown[]][] = [
    ['this machine, by its address', port => [link(`wss://[::1]:${port}/s2s`)]],
    ['this machine, by a hint', port => [link(`wss://x.${MALLORY}:${port}/s2s`, { ips: ['::1'] })]],
    ['a private network', () => [link('wss://10.0.0.1/s2s')]],
    ['a private network, in another notation', () => [link('wss://0x0a000001/s2s')]],
    ['a private network, in an IPv6 address', () => [link('wss://[::ffff:10.0.0.1]/s2s')]],
    ['where clouds keep secrets', () => [link('wss://169.254.169.254/s2s')]],
    ['a port of another protocol', () => [link(`wss://127.0.0.1:25/s2s`)]],
    ['in the clear', port => [link(`ws://[::1]:${port}/s2s`)]],
    ['a name that is never looked up', port => [link(`wss://localhost:${port}/s2s`)]],
  ]

  it.each(rows)('not %s', async (_, links) => {
    stage = await victims()
    const victim = await rawTcpServer('::1')
    stage.peer.links = () => links(victim.port)
    const stream = await stage.shows(MALLORY)
    const [answer] = await answers(stream, 1)
    expect(answer).toMatch(/^remote-server-/)
    expect(victim.connections).toBe(0)
    const [asked] = stage.montague.events.filter(event => event.type === 'dialback:asked')
    expect(asked?.detail).toMatch(/outside private|port 25 is none|no host-meta/)
    victim.close()
    await stage.unharmed()
  })

  it('nor where the one that we have called sends us', async () => {
    stage = await victims()
    const victim = await rawTcpServer('::1')
    stage.peer.silent.add(MALLORY)
    const stream = await stage.shows(MALLORY)
    const called = await stage.peer.opened(MALLORY)
    called.stream.say(
      `<close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' see-other-uri='wss://[::1]:${victim.port}/s2s'/>`,
    )
    expect((await answers(stream, 1))[0]).toMatch(/^remote-server-/)
    expect(victim.connections).toBe(0)
    victim.close()
    await stage.unharmed()
  })
})
