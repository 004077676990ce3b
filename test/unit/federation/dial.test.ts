import { createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, defaultLimits, type Event, Observer } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import type { Candidate, Discovered, Resolved } from '../../../src/discovery/index.ts'
import type { ConnectHandler, OutboundSession } from '../../../src/federation/connect.ts'
import { createConnect, type StartInitiating } from '../../../src/federation/dial.ts'
import { createTrustStore } from '../../../src/identity/index.ts'
import type { EstablishedSession } from '../../../src/session/index.ts'
import { createTlsContext, type Transport } from '../../../src/transport/index.ts'
import type { Failure } from '../../../src/xmpp/index.ts'
import { authority, frontDomain, type TestFront, testFront } from '../../kit/fronts.ts'
import { MONTAGUE, PAIR } from '../../kit/scripted-network.ts'
import { Recorder } from '../../kit/transport-compliance.ts'

// Real TLS, real WebSocket upgrades, real certificates; discovery and what streams say are the test's.

/** What the stream does once its transport is there. */
type Script = (stream: {
  readonly session: EstablishedSession
  stands(): Failure | null
  ends(failure: Failure | null): void
  /** what we try first there */
  readonly first: 'external' | 'dialback' | undefined
}) => void

const HOST_UNKNOWN: Failure = { by: 'peer', kind: 'reported', condition: 'host-unknown', detail: '' }
const CONFLICT: Failure = { by: 'peer', kind: 'reported', condition: 'conflict', detail: '' }
const POLICY: Failure = { by: 'peer', kind: 'reported', condition: 'policy-violation', detail: '' }
const UNAUTHENTICATED: Failure = { by: 'peer', kind: 'unauthenticated', detail: 'no mechanism in common' }
/** It went away with our certificate's refusal. */
const REFUSED: Failure = { ...UNAUTHENTICATED, retryWith: 'dialback' }
const to = (uri: string): Failure => ({ by: 'peer', kind: 'redirect', uri, detail: uri })

/** by the host of the candidate */
const SCRIPTS: Readonly<Record<string, Script>> = {
  'good.example': ({ stands }) => void stands(),
  'other.example': ({ stands }) => void stands(),
  'closes.example': ({ ends }) => ends(null),
  'unauthenticated.example': ({ ends }) => ends(UNAUTHENTICATED),
  'policy.example': ({ ends }) => ends(POLICY),
  'conflict.example': ({ ends }) => ends(CONFLICT),
  'unknown.example': ({ ends }) => ends(HOST_UNKNOWN),
  'redirects.example': ({ ends }) => ends(to('wss://good.example/s2s')),
  'insecure.example': ({ ends }) => ends(to('ws://good.example/s2s')),
  'circle.example': ({ ends }) => ends(to('wss://circle.example/s2s')),
  'astray.example': ({ ends }) => ends(to('wss://wrong.example/s2s')),
  'gruff.example': ({ first, stands, ends }) => void (first === 'dialback' ? stands() : ends(REFUSED)),
  'gone.example': ({ ends }) => ends(REFUSED),
  'silent.example': () => {},
  'dies.example': ({ stands, ends }) => {
    stands()
    ends({ by: 'network', kind: 'closed', detail: 'the connection was lost' })
  },
}

let front: TestFront
/** a port where nobody listens */
let deadPort: number
let discovered: Discovered
const resolved = new Map<string, Resolved>()
let events: Event[]
let forgotten: string[]
const transports: Transport[] = []

beforeAll(async () => {
  // Each proves montague.example by its own host, which the candidate names; wrong.example proves something else.
  front = await testFront({
    domains: [
      ...Object.keys(SCRIPTS).map(host => frontDomain(host)),
      frontDomain('wrong.example', { from: authority.issue({ dns: ['verona.example'] }) }),
    ],
  })
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  deadPort = typeof address === 'object' && address !== null ? address.port : 0
  await new Promise(resolve => server.close(resolve))
})
afterAll(() => front.front.close())

beforeEach(() => {
  events = []
  forgotten = []
  resolved.clear()
})
afterEach(() => {
  for (const transport of transports.splice(0)) transport.abort()
})

function candidate(host: string, path = '/s2s'): Candidate {
  return {
    kind: 'websocket',
    url: `wss://${host}${path}`,
    host,
    port: 443,
    addresses: null,
    servername: host,
    names: { domain: MONTAGUE, hosts: [host], pins: [] },
    source: 'host-meta',
  }
}

function found(...candidates: readonly Candidate[]): void {
  discovered = { ok: true, candidates, source: 'test' }
}

const startInitiating: StartInitiating = ({ transport, pair, handler, first }) => {
  transports.push(transport)
  transport.attach(new Recorder())
  let over = false
  const ends = (failure: Failure | null) => {
    if (over) return
    over = true
    transport.abort()
    handler.onEnded(failure, [], 0, 'unknown')
  }
  const session: EstablishedSession = {
    role: 'initiating',
    transport: transport.facts,
    get established() {
      return this
    },
    pair,
    pairs: [pair],
    get proof(): never {
      throw new TypeError('not looked at')
    },
    peerLimits: { maxBytes: null, idleSeconds: null },
    bidi: false,
    answered: () => {},
    setupMs: 1,
    send: () => true,
    isClosing: false,
    isManageable: false,
    management: null,
    carried: 0,
    isFull: false,
    confirmedCount: () => 0,
    end: ends,
    abort: ends,
  }
  const script = SCRIPTS[transport.facts.tls?.servername ?? '']
  setImmediate(() =>
    script?.({
      session,
      first,
      stands() {
        const failure = handler.onEstablished(session)
        if (failure !== null) ends(failure)
        return failure
      },
      ends,
    }),
  )
  return session
}

interface Outcome {
  readonly connected: OutboundSession | null
  readonly failure: Failure | null
  readonly ended: Failure | null | undefined
}

/** Dial; resolves with what the route is told: of a stream that stands, a little longer, to see it end. */
function connect(signal = new AbortController().signal, clock: Clock = systemClock): Promise<Outcome> {
  const observer = new Observer()
  observer.subscribe(event => events.push(event))
  const identity = authority.issue({ dns: ['capulet.example'] })
  const dialled = createConnect({
    discovery: {
      discover: async () => discovered,
      forget: domain => void forgotten.push(domain),
      reconsider: () => {},
    },
    resolver: {
      resolve: async host =>
        resolved.get(host) ?? { ok: true, endpoints: [{ address: '127.0.0.1', port: front.port }] },
    },
    trust: createTrustStore({ roots: [authority.caPem] }),
    secureContext: () =>
      createTlsContext({
        identity: { certificate: identity.certificatePem, key: identity.keyPem },
        ca: [authority.caPem],
      }),
    startInitiating,
    meansOf: () => ({ certificate: true, dialback: null, bidi: false }),
    streamManagement: true,
    observer,
    limits: defaultLimits,
    clock,
  })
  return new Promise(resolve => {
    let connected: OutboundSession | null = null
    let ended: Failure | null | undefined
    const calls: string[] = []
    const handler: ConnectHandler = {
      onConnected(session) {
        calls.push('connected')
        connected = session
        setImmediate(() => resolve({ connected, failure: null, ended }))
      },
      onFailed(failure) {
        expect(calls).toEqual([])
        calls.push('failed')
        resolve({ connected, failure, ended })
      },
      resumes: () => null,
      onDrain() {},
      onConfirmed() {},
      onStanza: () => undefined,
      onEnded(failure) {
        expect(calls).toEqual(['connected'])
        calls.push('ended')
        ended = failure
      },
    }
    dialled(PAIR, handler, signal)
    expect(calls).toEqual([])
  })
}

/** A new connection for this host has come to the front. */
async function reached(host: string): Promise<void> {
  const count = () =>
    front.arrivals.filter(({ transport }) => transport.facts.tls?.servername === host).length
  const before = count()
  while (count() === before) await new Promise(resolve => setImmediate(resolve))
}

const tried = () => events.flatMap(event => (event.type === 'candidate:trying' ? [event.url] : []))
const reasons = () => events.flatMap(event => (event.type === 'candidate:failed' ? [event.reason] : []))

describe('a dial', () => {
  it('takes the first candidate that leads to a stream, and no other', async () => {
    found(candidate('good.example'), candidate('other.example'))
    const { connected, failure } = await connect()
    expect(failure).toBeNull()
    expect(connected).not.toBeNull()
    expect(tried()).toEqual(['wss://good.example/s2s'])
    expect(events.map(({ type }) => type)).toEqual(['candidate:trying', 'identity', 'candidate:connected'])
    expect(forgotten).toEqual([])
  })

  it('comes once more, with a key, to whom our certificate is not enough (SA-14)', async () => {
    found(candidate('gruff.example'), candidate('other.example'))
    const { connected } = await connect()
    expect(connected).not.toBeNull()
    expect(tried()).toEqual(['wss://gruff.example/s2s', 'wss://gruff.example/s2s'])
    expect(reasons()).toEqual(['peer.unauthenticated'])
  })

  it('but not a third time (SA-14)', async () => {
    found(candidate('gone.example'), candidate('good.example'))
    const { connected } = await connect()
    expect(connected).not.toBeNull()
    expect(tried()).toEqual(['wss://gone.example/s2s', 'wss://gone.example/s2s', 'wss://good.example/s2s'])
  })

  it('goes on to the next one, whatever is wrong with an endpoint that does not speak for the domain', async () => {
    resolved.set('nowhere.example', {
      ok: false,
      failure: { by: 'network', kind: 'dns', detail: 'nowhere.example does not exist' },
    })
    resolved.set('private.example', {
      ok: false,
      failure: { by: 'network', kind: 'forbidden-address', detail: '10.0.0.1 is private' },
    })
    resolved.set('empty.example', { ok: true, endpoints: [] })
    resolved.set('dead.example', { ok: true, endpoints: [{ address: '127.0.0.1', port: deadPort }] })
    found(
      candidate('nowhere.example'),
      candidate('private.example'),
      candidate('empty.example'),
      candidate('dead.example'),
      candidate('wrong.example'),
      candidate('good.example', '/elsewhere'),
      candidate('unauthenticated.example'),
      candidate('policy.example'),
      candidate('closes.example'),
      candidate('insecure.example'),
      candidate('other.example'),
    )
    const { connected } = await connect()
    expect(connected).not.toBeNull()
    expect(reasons()).toEqual([
      'network.dns',
      'network.forbidden-address',
      'peer.no-endpoint',
      'network.unreachable',
      'peer.identity',
      'network.http',
      'peer.unauthenticated',
      'peer.reported',
      'peer.closed',
      'peer.redirect',
    ])
  })

  it.each([
    ['unknown.example', HOST_UNKNOWN],
    ['conflict.example', CONFLICT],
  ])('ends where the domain itself has spoken: %s', async (host, said) => {
    found(candidate(host), candidate('good.example'))
    const { connected, failure } = await connect()
    expect([connected, failure]).toEqual([null, said])
    expect(tried()).toEqual([`wss://${host}/s2s`])
    expect(forgotten).toEqual([MONTAGUE])
  })

  it('says of all failures what came furthest: a wrong certificate, with the names that it is for', async () => {
    resolved.set('dead.example', { ok: true, endpoints: [{ address: '127.0.0.1', port: deadPort }] })
    found(candidate('dead.example'), candidate('wrong.example'), candidate('dead.example'))
    const { failure } = await connect()
    expect(failure).toEqual({
      by: 'peer',
      kind: 'identity',
      reason: 'name-mismatch',
      detail: 'it is for verona.example, not montague.example',
    })
  })

  it('tries every address of a candidate', async () => {
    resolved.set('good.example', {
      ok: true,
      endpoints: [
        { address: '127.0.0.1', port: deadPort },
        { address: '127.0.0.1', port: deadPort },
        { address: '127.0.0.1', port: front.port },
      ],
    })
    found(candidate('good.example'))
    expect((await connect()).connected).not.toBeNull()
  })

  it('says what discovery says, and leaves its cache alone', async () => {
    discovered = { ok: false, failure: { by: 'peer', kind: 'no-endpoint', detail: 'no host-meta' } }
    expect((await connect()).failure).toMatchObject({ kind: 'no-endpoint', detail: 'no host-meta' })
    expect(forgotten).toEqual([])
  })

  it('follows redirects, and asks for the certificate of the domain or the new host', async () => {
    found(candidate('redirects.example'))
    expect((await connect()).connected).not.toBeNull()
    found(candidate('astray.example'))
    expect((await connect()).failure).toMatchObject({ kind: 'identity' })
  })

  it('does not walk in circles', async () => {
    found(candidate('circle.example'))
    const { failure } = await connect()
    expect(failure).toMatchObject({ kind: 'redirect', detail: 'more than 5 times' })
    expect(tried()).toHaveLength(1 + defaultLimits.redirects)
  })

  it('hands out no stream that has ended in the turn in which it stood', async () => {
    found(candidate('dies.example'))
    const { connected, failure } = await connect()
    expect(connected).toBeNull()
    expect(failure).toMatchObject({ kind: 'closed' })
  })

  it('ends with the caller, in the middle of a negotiation', async () => {
    found(candidate('silent.example'))
    const caller = new AbortController()
    const dialling = connect(caller.signal)
    await reached('silent.example')
    caller.abort()
    expect((await dialling).failure).toMatchObject({ by: 'us', kind: 'aborted' })
  })

  it('ends before it begins where the caller has given up already', async () => {
    found(candidate('good.example'))
    expect((await connect(AbortSignal.abort())).failure).toMatchObject({ by: 'us', kind: 'aborted' })
  })

  it('has a deadline of its own, and says so', async () => {
    found(candidate('policy.example'), candidate('silent.example'), candidate('good.example'))
    let expire = () => {}
    const clock: Clock = {
      ...systemClock,
      setTimer(afterMs, action) {
        if (afterMs === defaultLimits.attemptMs) expire = action
        return systemClock.setTimer(afterMs, action)
      },
    }
    const dialling = connect(undefined, clock)
    await reached('silent.example')
    expire()
    const { failure } = await dialling
    expect(failure).toEqual({
      by: 'network',
      kind: 'timeout',
      detail: 'timed out after 60 s: the peer ended the stream with policy-violation',
    })
    expect(tried()).not.toContain('wss://good.example/s2s')
  })

  it('turns a defect of ours into a failure', async () => {
    discovered = JSON.parse('{"ok":true}')
    expect((await connect()).failure).toMatchObject({ by: 'us', kind: 'internal' })
  })
})
