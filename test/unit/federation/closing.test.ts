import { beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import { closeInOrder } from '../../../src/federation/closing.ts'
import { Inbound } from '../../../src/federation/inbound.ts'
import {
  FederationCore,
  type Host,
  type HostContext,
  readOptions,
  type StreamHost,
} from '../../../src/federation/index.ts'
import { Router } from '../../../src/federation/router.ts'
import type { EstablishedSession, SessionHandler } from '../../../src/session/index.ts'
import { type Domain, type Failure, message, type Stanza } from '../../../src/xmpp/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { CAPULET, domain, MONTAGUE, numbered, numbers, ScriptedNetwork } from '../../kit/scripted-network.ts'

// capulet.example has a server of its own, rooms.capulet.example is in this process; montague.example is a peer.

const ROOMS = domain('rooms.capulet.example')
const authority = testAuthority()
const { certificatePem: certificate, keyPem: key } = authority.issue({ dns: [CAPULET, ROOMS] })

/** what happened, in order */
let log: string[]
let server: ServerHost
let rooms: RoomsHost
let core: FederationCore

class ServerHost implements StreamHost {
  readonly name = 'server'
  readonly network = new ScriptedNetwork()
  readonly connect = this.network.connect
  context: HostContext | undefined
  onEndInbound: () => Promise<void> = async () => {}

  start(context: HostContext): void {
    this.context = context
  }

  async endInbound(): Promise<void> {
    log.push('no more from the server')
    await this.onEndInbound()
    log.push('nothing more from the server')
  }

  async stop(): Promise<void> {
    log.push('server host stopped')
  }
}

class RoomsHost implements Host {
  readonly name = 'embedded'
  readonly delivered: Stanza[] = []
  context: HostContext | undefined

  start(context: HostContext): void {
    this.context = context
  }

  deliver(stanza: Stanza) {
    this.delivered.push(stanza)
    return { taken: true } as const
  }

  async stop(): Promise<void> {
    log.push('rooms stopped')
  }
}

beforeEach(async () => {
  log = []
  server = new ServerHost()
  rooms = new RoomsHost()
  core = new FederationCore({
    settings: readOptions({
      domains: [
        { name: CAPULET, certificate, key, host: server },
        { name: ROOMS, certificate, key, host: rooms },
      ],
    }),
    // Found by nobody, and never done with.
    discovery: { discover: () => new Promise(() => {}), forget: () => {}, reconsider: () => {} },
    resolver: { resolve: async () => ({ ok: true, endpoints: [] }) },
    startInitiating: () => {
      throw new TypeError('nobody is reached here')
    },
    observer: new Observer(),
    clock: systemClock,
    random: systemRandom,
  })
  await core.start()
})

/** A stream that the peer has opened; it ends when it is asked to. */
function peerStream(): SessionHandler {
  const streams: SessionHandler[] = []
  const session = {
    role: 'receiving',
    pair: { local: CAPULET, remote: MONTAGUE },
    end: () => {
      log.push('peer stream ended')
      queueMicrotask(() => streams[0]?.onEnded(null, [], 0, 'unknown'))
    },
    abort: () => log.push('peer stream aborted'),
  } as unknown as EstablishedSession
  core.accept(
    handler => {
      streams.push(handler)
      handler.onEstablished(session)
      return session
    },
    () => {},
  )
  const [stream] = streams
  if (stream === undefined) throw new Error('no stream')
  return stream
}

const incoming = (number: number) => numbered(number, { from: MONTAGUE, to: CAPULET })
const onStanza = (stream: SessionHandler, stanza: Stanza) =>
  stream.onStanza(stanza, {} as EstablishedSession, null)

/** Lets the next dial to the server succeed, and its stream close when it is asked to. */
function serve(): ReturnType<ScriptedNetwork['last']['succeed']> {
  const session = server.network.last.succeed()
  session.end = (failure: Failure | null) => {
    log.push('leg ended')
    session.endedWith = failure
    queueMicrotask(() => session.close())
  }
  return session
}

/** A router of its own, with a network that the test writes, closed after `before`. */
function closingRouter(network: ScriptedNetwork, before: (router: Router) => void) {
  const hosts = [server, rooms]
  const limits = defaultLimits
  const clock = systemClock
  const router = new Router({
    hosts: new Map<Domain, Host | StreamHost>([
      [CAPULET, server],
      [ROOMS, rooms],
    ]),
    connect: network.connect,
    observer: new Observer(),
    limits,
    clock,
    random: systemRandom,
    schedule: setImmediate,
  })
  before(router)
  const inbound = new Inbound({ router, discovery: { reconsider: () => {} }, limits, clock })
  return { router, closed: closeInOrder({ router, inbound, hosts, limits, clock }, 2_000) }
}

/** What could happen without anybody's help has happened. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setImmediate(resolve))
}

describe('a stream host', () => {
  it('gets what it needs to serve', () => {
    const { context } = server
    expect([...(context?.domains ?? [])]).toEqual([CAPULET])
    expect(context?.isLocal(ROOMS)).toBe(true)
    expect(context?.isLocal(MONTAGUE)).toBe(false)
    expect(context?.observer).toBeInstanceOf(Observer)
    expect(context?.random).toBe(systemRandom)
  })

  it('sends from its own domains only, to any domain', () => {
    expect(() => server.context?.send(numbered(1, { from: ROOMS, to: CAPULET }))).toThrow(TypeError)
    server.context?.send(numbered(1, { from: CAPULET, to: ROOMS }))
    server.context?.send(numbered(2, { from: CAPULET, to: MONTAGUE }))
    expect(core.account()).toMatchObject({ accepted: 2, held: 2 })
  })

  it('tells that its server is there: the way to it backs off no longer', () => {
    onStanza(peerStream(), incoming(1))
    server.network.last.fail({ by: 'network', kind: 'unreachable', detail: 'connection refused' })
    server.context?.peerIsUp({ local: MONTAGUE, remote: CAPULET })
    expect(server.network.dials).toHaveLength(2)
    expect(numbers(server.network.last.succeed().sent)).toEqual([1])
  })
})

describe('closing', () => {
  it('ends what brings stanzas, then hosts, then what takes them', async () => {
    onStanza(peerStream(), incoming(1))
    serve()
    await core.close(2_000)
    expect(log.slice(0, 3).sort()).toEqual([
      'no more from the server',
      'nothing more from the server',
      'peer stream ended',
    ])
    expect(log.slice(3)).toEqual(['rooms stopped', 'leg ended', 'server host stopped'])
    expect(core.account()).toEqual({
      accepted: 1,
      delivered: 1,
      bounced: 0,
      dropped: 0,
      inDoubt: 0,
      resent: 0,
      ambiguous: 0,
      held: 0,
    })
  })

  it('returns to the server what no peer has taken, by a stream that is opened for it', async () => {
    for (const id of ['1', '2', '3'])
      server.context?.send(message({ from: CAPULET, to: MONTAGUE, id, type: 'chat', body: 'x' }))
    expect(server.network.dials).toEqual([])
    const closed = core.close(5_000)
    await until(() => log.includes('nothing more from the server'))
    await turns()
    expect(server.network.last.pair).toEqual({ local: MONTAGUE, remote: CAPULET })
    const session = serve()
    await closed
    expect(session.sent.map(({ id, type }) => `${id} ${type}`)).toEqual(['1 error', '2 error', '3 error'])
    expect(core.account()).toMatchObject({ accepted: 6, bounced: 3, delivered: 3, held: 0 })
  })

  it('returns what waited for a peer that reads no more, too', async () => {
    const network = new ScriptedNetwork()
    const { router, closed } = closingRouter(network, router => {
      const send = (id: string) =>
        router.send(message({ from: CAPULET, to: MONTAGUE, id, type: 'chat', body: 'x' }))
      send('1')
      network.last.succeed({ room: 1 })
      send('2')
      send('3')
    })
    await until(() => server.network.dials.length === 1)
    await turns()
    const session = serve()
    await until(() => network.sessions[0]?.endedWith !== undefined)
    network.sessions[0]?.close()
    await closed
    expect(session.sent.map(({ id, type }) => `${id} ${type}`)).toEqual(['2 error', '3 error'])
    expect(router.account()).toMatchObject({ accepted: 5, bounced: 2, delivered: 3, held: 0 })
  })

  it('tells a host in this process what the server has not taken, and why', async () => {
    rooms.context?.send(message({ from: ROOMS, to: CAPULET, id: '1', type: 'chat', body: 'x' }))
    await core.close(400)
    expect(rooms.delivered).toMatchObject([{ id: '1', type: 'error' }])
    expect(JSON.stringify(rooms.delivered[0]?.element())).toContain(
      'capulet.example: this server is stopping',
    )
    expect(core.account()).toMatchObject({ accepted: 1, bounced: 1, held: 0 })
  })

  it('takes what the server still sends while its streams end', async () => {
    server.onEndInbound = async () => {
      for (const number of [1, 2]) server.context?.send(numbered(number, { from: CAPULET, to: ROOMS }))
    }
    await core.close(2_000)
    expect(numbers(rooms.delivered)).toEqual([1, 2])
    expect(core.account()).toMatchObject({ accepted: 2, delivered: 2, held: 0 })
  })

  it('gives everything an outcome where nothing answers any more', async () => {
    const stream = peerStream()
    onStanza(stream, incoming(1))
    const session = server.network.last.succeed({ room: 1 })
    for (const number of [2, 3]) onStanza(stream, incoming(number))
    rooms.context?.send(numbered(4, { from: ROOMS, to: CAPULET, type: 'error' }))
    server.context?.send(numbered(5, { from: CAPULET, to: MONTAGUE, type: 'error' }))
    server.onEndInbound = () => new Promise(() => {})
    await core.close(400)
    expect(session.abortedWith).toMatchObject({ kind: 'shutdown' })
    // 1 was written and not confirmed, 2 and 3 waited behind it, 4 and 5 had no stream.
    expect(core.account()).toEqual({
      accepted: 5,
      delivered: 0,
      bounced: 0,
      dropped: 4,
      inDoubt: 1,
      resent: 0,
      ambiguous: 0,
      held: 0,
    })
  })
})
