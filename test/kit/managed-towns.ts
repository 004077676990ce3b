import { defaultLimits, type Event, type Limits, Observer, type Random } from '../../src/base/index.ts'
import { Answers } from '../../src/federation/answers.ts'
import type { Connect } from '../../src/federation/connect.ts'
import { eventsFor } from '../../src/federation/dial.ts'
import { Inbound } from '../../src/federation/inbound.ts'
import type { Delivery, Host } from '../../src/federation/index.ts'
import { limitsToPeers } from '../../src/federation/policy.ts'
import { Router } from '../../src/federation/router.ts'
import { createTrustStore } from '../../src/identity/index.ts'
import {
  type EstablishedSession,
  openStream,
  type SessionHandler,
  startInitiating,
  startReceiving,
} from '../../src/session/index.ts'
import { type MemoryTransport, memoryTransportPair } from '../../src/transport/index.ts'
import type { Domain, Failure, Stanza } from '../../src/xmpp/index.ts'
import { testAuthority } from './authority.ts'
import { VirtualClock } from './clock.ts'
import { CAPULET, MONTAGUE } from './scripted-network.ts'

// Two whole federations of one domain each, with real streams over memory transports: what their wires and hosts do, and when,
// the test says.

const authority = testAuthority()
const DOWN: Failure = { by: 'network', kind: 'unreachable', detail: 'connection refused' }

/** One domain: its router, what comes in, and a host that takes when it is told to. */
export class ManagedTown {
  readonly domain: Domain
  readonly router: Router
  readonly events: Event[] = []
  /** what the host was given, in its order */
  readonly delivered: Stanza[] = []
  /** deliveries that wait for their answer */
  readonly open: (() => void)[] = []
  /** the host answers later */
  isSlow = false
  /** streams that stand, of either side */
  readonly sessions = new Set<EstablishedSession>()
  readonly world: ManagedTowns
  inbound: Inbound
  readonly #facts

  constructor(world: ManagedTowns, domain: Domain) {
    this.world = world
    this.domain = domain
    const certificate = authority.issue({ dns: [domain] })
    this.#facts = {
      protocol: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      servername: domain,
      chain: certificate.chainDer,
      nodeVerdict: 'INVALID_PURPOSE',
    }
    const host: Host = {
      name: 'recording',
      start() {},
      deliver: stanza => this.#deliver(stanza),
      stop: async () => {},
    }
    const observer = this.observer()
    const { clock, random, limits } = world
    this.router = new Router({
      hosts: new Map([[domain, host]]),
      connect: this.#connect,
      answers: new Answers(),
      observer,
      limits,
      clock,
      random,
      schedule: action => setImmediate(action),
    })
    this.inbound = this.#newInbound()
  }

  observer(): Observer {
    const observer = new Observer()
    observer.subscribe(event => this.events.push(event))
    return observer
  }

  /** As after a restart: what peers could resume here is not known any more. */
  forget(): void {
    this.inbound = this.#newInbound()
  }

  #newInbound(): Inbound {
    const { clock, limits } = this.world
    return new Inbound({ router: this.router, discovery: { reconsider: () => {} }, limits, clock })
  }

  #deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    this.delivered.push(stanza)
    if (!this.isSlow) return { taken: true }
    return new Promise(resolve => this.open.push(() => resolve({ taken: true })))
  }

  /** Everything that is told of sessions, and which of them stand. */
  watched(handler: SessionHandler): SessionHandler {
    const { sessions } = this
    let standing: EstablishedSession | null = null
    return {
      onEstablished(session) {
        const refusal = handler.onEstablished(session)
        if (refusal === null) sessions.add(session)
        standing = session
        return refusal
      },
      onAuthorised: (...args) => handler.onAuthorised?.(...args) ?? null,
      onBidi: session => handler.onBidi?.(session),
      onManaged: session => handler.onManaged?.(session),
      onResume: (...args) => handler.onResume?.(...args) ?? null,
      onStanza: (...args) => handler.onStanza(...args),
      onDrain: session => handler.onDrain(session),
      onConfirmed: session => handler.onConfirmed?.(session),
      onEnded(...end) {
        if (standing !== null) sessions.delete(standing)
        handler.onEnded(...end)
      },
    }
  }

  readonly #connect: Connect = (pair, handler, signal) => {
    const { world } = this
    queueMicrotask(() => {
      if (!world.isUp) {
        handler.onFailed(DOWN)
        return
      }
      const { clock, random } = world
      const limits = limitsToPeers(world.limits)
      const transports = memoryTransportPair({
        limits,
        clock,
        facts: {
          initiating: { kind: 'memory', tls: this.#facts },
          receiving: { kind: 'memory', tls: this.#facts, remoteAddress: '192.0.2.7' },
        },
      })
      world.wires.push(transports.initiating)
      world.other(this).takes(transports.receiving)
      const start = (events: SessionHandler) =>
        startInitiating({
          transport: transports.initiating,
          handler: this.watched(events),
          pair,
          verdict: {
            ok: true,
            domain: pair.remote,
            via: 'dns-id',
            name: pair.remote,
            notAfterMs: Number.POSITIVE_INFINITY,
          },
          bidi: world.bidi,
          management: { when: 'offered', resumable: true, resumes: () => handler.resumes() },
          observer: this.observer(),
          clock,
          random,
          limits,
        })
      void openStream(start, signal, session => {
        handler.onConnected(session)
        return eventsFor(handler)
      }).then(failure => {
        if (failure !== null) handler.onFailed(failure)
      })
    })
  }

  /** A peer's stream comes. */
  takes(transport: MemoryTransport): void {
    const { clock, random, limits } = this.world
    this.inbound.accept(
      handler =>
        startReceiving({
          transport,
          handler: this.watched(handler),
          isLocal: name => name === this.domain,
          trust: createTrustStore({ roots: [authority.caPem] }),
          bidi: true,
          management: { resumable: true },
          observer: this.observer(),
          clock,
          random,
          limits,
        }),
      () => {},
    )
  }
}

export class ManagedTowns {
  readonly clock = new VirtualClock(Date.now())
  readonly random: Random
  readonly limits: Limits
  /** streams that are opened go both ways */
  readonly bidi: boolean
  /** new connections come to stand */
  isUp = true
  readonly wires: MemoryTransport[] = []
  readonly capulet: ManagedTown
  readonly montague: ManagedTown

  constructor(seed: number, bidi: boolean, limits: Partial<Limits> = {}) {
    this.random = seeded(seed)
    this.limits = { ...defaultLimits, ...limits }
    this.bidi = bidi
    this.capulet = new ManagedTown(this, CAPULET)
    this.montague = new ManagedTown(this, MONTAGUE)
  }

  get towns(): readonly [ManagedTown, ManagedTown] {
    return [this.capulet, this.montague]
  }

  other(town: ManagedTown): ManagedTown {
    return town === this.capulet ? this.montague : this.capulet
  }

  /** Every connection breaks; what is under way is lost. */
  cut(): void {
    for (const wire of this.wires.splice(0)) wire.cut()
  }
}

/** The same for the same seed; no two draws alike. */
function seeded(seed: number): Random {
  let state = seed % 2_147_483_647 || 1
  const next = () => {
    state = (state * 48_271) % 2_147_483_647
    return state
  }
  return {
    bytes: length => Uint8Array.from({ length }, () => next() % 256),
    unit: () => next() / 2_147_483_647,
  }
}
