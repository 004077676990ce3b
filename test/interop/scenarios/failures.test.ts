import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { JRD, jrd, link, type WebServer, webServer } from '../../kit/host-meta.ts'
import { createRelay, type Relay } from '../../kit/relay.ts'
import type { Client, Shown } from '../../kit/servers/client.ts'
import { buildComponentHouse } from '../../kit/servers/component-house.ts'
import { buildHouse, type House, publicPorts } from '../../kit/servers/house.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'

// Scenario 6: what users see where a domain cannot be reached. Their client learns it by an error from whom they wrote to, which says
// what happened; the server, which has only brought its streams to the gateway, has nothing to add and no reason to wait.

const newStage = stages()
const SERVERS = ['prosody', 'ejabberd'] as const

/** Whoever says nothing is given up after host_meta, 5 s, or connect, 10 s. A server of its own accord takes 30 to 90 s. */
const ANSWERED_MS = 25_000

const LATE = { type: 'wait', condition: 'remote-server-timeout' }
const NONE = { type: 'cancel', condition: 'remote-server-not-found' }

/** The domains and what the sender is told of each. */
const TOLD = {
  /** DNS knows no such name */
  unknown: { ...NONE, text: 'unknown.example: unknown.example has no address' },
  /** its web server has no host-meta */
  absent: { ...NONE, text: 'absent.example: absent.example has no host-meta' },
  /** its web server's certificate is for another name */
  mistaken: {
    ...LATE,
    text: "mistaken.example: the peer's certificate was refused (name-mismatch): mistaken.example over HTTPS: none of the certificate's names is mistaken.example",
  },
  /** its host-meta names an endpoint whose certificate is for another name */
  misled: {
    ...LATE,
    text: "misled.example: the peer's certificate was refused (name-mismatch): it is for other.example, rooms.other.example, not misled.example",
  },
  /** nobody listens */
  down: { ...LATE, text: 'down.example: connection refused' },
  /** its web server accepts, and says nothing */
  silent: { ...LATE, text: 'silent.example: host-meta of silent.example: no answer within 5 s' },
  /** its host-meta names an endpoint that accepts, and says nothing */
  mute: { ...LATE, text: 'mute.example: the TLS handshake failed: no answer in time' },
} as const

type Name = keyof typeof TOLD
const NAMES = Object.keys(TOLD) as Name[]
/** Those that can be put right here. */
const REPAIRED = ['absent', 'mistaken', 'misled', 'down', 'silent', 'mute'] as const

/** The broken part of the network. */
class Broken {
  /** by domain: where it takes HTTPS */
  readonly ports: Record<string, number> = {}
  readonly #relays = new Map<string, Relay>()
  readonly #stage: Stage

  private constructor(stage: Stage) {
    this.#stage = stage
  }

  static async build(stage: Stage): Promise<Broken> {
    const broken = new Broken(stage)
    const other = await broken.#web('other')
    const [down = 0] = await takePorts(1)
    Object.assign(broken.ports, { down, misleading: other.port })
    await broken.#door('absent', await broken.#web('absent'))
    await broken.#door('mistaken', other)
    await broken.#door('misled', await broken.#web('misled', 'misleading'))
    for (const name of ['silent', 'muted']) (await broken.#door(name, other)).stall()
    await broken.#door('mute', await broken.#web('mute', 'muted'))
    return broken
  }

  /** From now on the domain is where its gateway listens. */
  repair(name: string, port: number): void {
    const relay = this.#relays.get(name)
    if (relay === undefined) return
    relay.target = port
    relay.flow()
  }

  async #door(name: string, { port }: WebServer): Promise<Relay> {
    const relay = await createRelay()
    this.#stage.closes(() => relay.close())
    relay.target = port
    this.#relays.set(name, relay)
    this.ports[name] = Number(relay.address.split(':')[1])
    return relay
  }

  /** @param endpoint whose host-meta names it; undefined: 404 for everything */
  async #web(name: string, endpoint?: string): Promise<WebServer> {
    const certificate = this.#stage.issue(`${name}.example`)
    const pages = endpoint === undefined ? {} : { [JRD]: jrd([link(`wss://${endpoint}.example/s2s`)]) }
    const web = await webServer(pages, { certificate })
    this.#stage.closes(() => web.close())
    return web
  }
}

interface Told extends Shown {
  readonly ms: number
}

/** Write to somebody there; what comes back. */
async function refused(writer: Client, to: string): Promise<Told> {
  const startMs = performance.now()
  const id = await writer.send(to, 'what light through yonder window breaks')
  const { error, from } = await writer.receives({ id, type: 'error' }, ANSWERED_MS)
  if (error === undefined) throw new Error('an error that says nothing')
  return { ...error, from, ms: Math.round(performance.now() - startMs) }
}

describe('6. what cannot be delivered', () => {
  it.each(SERVERS)('%s: the sender is told why, and the next one is not made to wait', async server => {
    const stage = newStage()
    const broken = await Broken.build(stage)
    const ports = { ...(await publicPorts('capulet')), ...broken.ports }
    const options = { name: 'capulet', server, users: ['juliet'], init: ['--tcp-egress', 'no'] } as const
    const capulet = await buildHouse(stage, options, ports)
    const juliet = await stage.login(capulet.server, 'juliet')

    const told = await Promise.all(
      NAMES.map(async name => {
        const to = `romeo@${name}.example`
        const first = await refused(juliet, to)
        const second = await refused(juliet, to)
        for (const { ms: _, ...shown } of [first, second]) expect(shown).toEqual({ ...TOLD[name], from: to })
        return [name, `${TOLD[name].condition} ${first.ms} ms, again ${second.ms} ms`]
      }),
    )

    const reached: [string, number][] = []
    for (const name of REPAIRED) {
      const [own = 0] = name === 'down' ? [ports['down']] : await takePorts(1)
      const house = await buildComponentHouse(stage, { name }, { ...ports, [name]: own })
      const romeo = await house.connect()
      broken.repair(name, own)
      // Its first word to us says that it is there.
      const hello = await romeo.send(juliet.jid, 'I take thee at thy word', {
        sender: `romeo@${name}.example`,
      })
      await juliet.receives({ id: hello })
      const startMs = performance.now()
      const id = await juliet.send(`romeo@${name}.example`, 'how camest thou hither')
      await romeo.receives({ id })
      reached.push([name, Math.round(performance.now() - startMs)])
      await romeo.end()
    }
    process.stdout.write(
      `6. ${server}: ${JSON.stringify({ ...Object.fromEntries(told), reached: Object.fromEntries(reached) })}\n`,
    )
  })
})

describe('6. a process of this machine that says it is the server', () => {
  it.each(SERVERS)('%s: nobody hears of it', async server => {
    const stage = newStage()
    const ports = await publicPorts('capulet', 'montague')
    const init = ['--tcp-egress', 'no']
    const capulet = await buildHouse(stage, { name: 'capulet', server, users: ['juliet'], init }, ports)
    const montague = await buildComponentHouse(stage, { name: 'montague' }, ports)
    const romeo = await montague.connect()
    const juliet = await stage.login(capulet.server, 'juliet')

    const way = { from: capulet.domain, to: montague.domain }
    const forged = `<message from='${juliet.bare}' to='romeo@${montague.domain}' type='chat'><body>forged</body></message>`
    const at = listenerOf(capulet)
    // As the server: without a key, with one that the server has never made, and that only just before.
    const bare = await rogue(at, way, [forged])
    const keyed = await rogue(at, way, [key(way), forged], '<db:result')
    const hasty = await rogue(at, way, [key(way) + forged])
    // As the remote domain.
    const back = { from: montague.domain, to: capulet.domain }
    const posing = await rogue(at, back, [key(back) + forged])
    for (const said of [bare, hasty]) expect(said).toContain('<not-authorized')
    expect(keyed).toMatch(/<db:result [^>]*type='invalid'\/><\/stream:stream>$/)
    expect(posing).toContain('<host-unknown')
    for (const said of [bare, keyed, hasty, posing]) expect(said).not.toMatch(/type=.valid/)

    const id = await juliet.send(`romeo@${montague.domain}`, 'the real one')
    await romeo.receives({ id })
    const answer = await romeo.send(juliet.jid, 'and its answer', { sender: `romeo@${montague.domain}` })
    await juliet.receives({ id: answer })
    expect([romeo, juliet].map(({ messages }) => messages.map(({ body }) => body))).toEqual([
      ['the real one'],
      ['and its answer'],
    ])
  })
})

interface Way {
  readonly from: string
  readonly to: string
}

function key({ from, to }: Way): string {
  return `<db:result from='${from}' to='${to}'>${'0'.repeat(64)}</db:result>`
}

/** Where the server brings its streams. */
function listenerOf({ gateway, port }: House): number {
  const listening = gateway.log().find(line => line['event'] === 'listening' && line['port'] !== port)
  return Number(listening?.['port'])
}

/**
 * Open a stream and say the words, each after `cue` has come.
 * @returns what was said to it, once the other side has ended it
 */
async function rogue(at: number, { from, to }: Way, words: readonly string[], cue = ''): Promise<string> {
  const socket = connect(at, '127.0.0.1')
  const waiting = [...words]
  let said = ''
  const speak = () => {
    if (said.includes(cue) || waiting.length === words.length) socket.write(waiting.shift() ?? '')
  }
  const ended = once(socket, 'close')
  socket.setEncoding('utf8').on('data', text => {
    said += text
    speak()
  })
  socket.write(
    `<stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams' from='${from}' to='${to}' version='1.0'>`,
  )
  await ended
  return said
}
