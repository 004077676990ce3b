import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { createTrustStore } from '../../src/identity/index.ts'
import {
  type EstablishedSession,
  type InitiatingSessionOptions,
  type ReceivingSessionOptions,
  type Session,
  type SessionHandler,
  startInitiating,
  startReceiving,
} from '../../src/session/index.ts'
import type { Callee, ProvenVerdict } from '../../src/stream/index.ts'
import {
  type MemoryTransport,
  type MemoryTransportOptions,
  memoryTransportPair,
  type TlsFacts,
} from '../../src/transport/index.ts'
import { type DomainPair, type Failure, message, NS, type Stanza } from '../../src/xmpp/index.ts'
import { type TestCertificate, testAuthority } from './authority.ts'
import { FixedRandom, VirtualClock } from './clock.ts'
import { domain } from './fronts.ts'
import { Recorder, turns } from './transport-compliance.ts'

// Sessions over memory transports, on a clock that passes when told: against each other, or against a peer by hand.

export const CAPULET = domain('capulet.example')
export const MONTAGUE = domain('montague.example')
export const PAIR = { local: CAPULET, remote: MONTAGUE }

const authority = testAuthority()
const certificate = authority.issue({ dns: ['capulet.example'] })

export function verdict(more: Partial<ProvenVerdict> = {}): ProvenVerdict {
  const notAfterMs = Number.POSITIVE_INFINITY
  return { ok: true, domain: MONTAGUE, via: 'dns-id', name: 'montague.example', notAfterMs, ...more }
}

export function tlsFacts(from: TestCertificate | null = certificate): TlsFacts {
  return {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    servername: 'montague.example',
    chain: from?.chainDer ?? [],
    nodeVerdict: from === null ? 'none' : 'INVALID_PURPOSE',
  }
}

/** Writes down what it is told. */
export class RecordingHandler implements SessionHandler {
  session: EstablishedSession | null = null
  readonly stanzas: Stanza[] = []
  readonly ends: { failure: Failure | null; unconfirmed: readonly Stanza[]; unconfirmedCount: number }[] = []
  /** what is known of what is unconfirmed */
  readonly rests: unknown[] = []
  drains = 0
  /** what onEstablished says */
  refusal: Failure | null = null
  /** what onAuthorised says */
  authorise: (pair: DomainPair) => Failure | null = () => null
  readonly authorised: DomainPair[] = []
  /** how often onBidi was called */
  bidis = 0
  /** what onBidi does besides */
  reactToBidi: (session: EstablishedSession) => void = () => {}
  /** what onStanza does besides */
  react: (stanza: Stanza) => void | Promise<void> = () => {}

  onEstablished(session: EstablishedSession): Failure | null {
    this.session = session
    return this.refusal
  }

  onAuthorised(pair: DomainPair): Failure | null {
    this.authorised.push(pair)
    return this.authorise(pair)
  }

  onBidi(session: EstablishedSession): void {
    this.bidis += 1
    this.reactToBidi(session)
  }

  onStanza(stanza: Stanza): void | Promise<void> {
    this.stanzas.push(stanza)
    return this.react(stanza)
  }

  onDrain(): void {
    this.drains += 1
  }

  onEnded(
    failure: Failure | null,
    unconfirmed: readonly Stanza[],
    unconfirmedCount: number,
    rest: unknown,
  ): void {
    this.rests.push(rest)
    this.ends.push({ failure, unconfirmed, unconfirmedCount })
  }

  /** the session that stands */
  get standing(): EstablishedSession {
    if (this.session === null) throw new Error('not established')
    return this.session
  }

  /** the numbers of what has come */
  get numbers(): number[] {
    return this.stanzas.map(({ id }) => Number(id))
  }

  get unconfirmed(): number[] | null {
    return this.ends[0]?.unconfirmed.map(({ id }) => Number(id)) ?? null
  }
}

export interface Setting {
  readonly limits?: Partial<Limits>
  readonly wire?: Partial<MemoryTransportOptions>
  /** of the initiating side, as the receiving one sees it */
  readonly tls?: TlsFacts | null
  readonly verdict?: Callee
  /** no TLS at all */
  readonly clear?: boolean
  readonly initiatingOptions?: Partial<InitiatingSessionOptions>
  readonly receivingOptions?: Partial<ReceivingSessionOptions>
  /** PEM, beside the authority of the usual certificate */
  readonly roots?: readonly string[]
  /** what every draw of jitter is */
  readonly random?: number
}

/** What peers say over TCP, where it is not what they say over WebSocket. */
export const TCP_OPEN = {
  capulet: tcpOpen({ from: 'capulet.example', to: 'montague.example', version: '1.0' }),
  montague: tcpOpen({ from: 'montague.example', to: 'capulet.example', id: 's1', version: '1.0' }),
} as const
export const TCP_CLOSE = '</stream:stream>'

function tcpOpen(attributes: Readonly<Record<string, string>>): string {
  const spelt = Object.entries(attributes).map(([name, value]) => ` ${name}='${value}'`)
  return `<?xml version='1.0'?><stream:stream xmlns='${NS.server}' xmlns:stream='${NS.stream}'${spelt.join('')}>`
}

/** Over TCP: chunks, and no pings. */
export function overTcp(
  cut: (available: number) => number = available => available,
): Partial<MemoryTransportOptions> {
  return { mode: 'chunk', pings: false, cut }
}

function wires(setting: Setting) {
  const clock = new VirtualClock(Date.now())
  const limits = { ...defaultLimits, ...setting.limits }
  const kind = setting.wire?.mode === 'chunk' ? 'tcp' : 'memory'
  const { tls = setting.clear === true ? null : tlsFacts() } = setting
  const transports = memoryTransportPair({
    limits,
    clock,
    facts: {
      initiating: { kind, tls: setting.clear === true ? null : tlsFacts() },
      receiving: { kind, tls, remoteAddress: '192.0.2.7' },
    },
    ...setting.wire,
  })
  const trust = createTrustStore({ roots: [authority.caPem, ...(setting.roots ?? [])] })
  const events: Event[] = []
  const observer = new Observer()
  observer.subscribe(event => events.push(event))
  return {
    clock,
    trust,
    transports,
    events,
    common: { observer, clock, random: new FixedRandom(setting.random), limits },
  }
}

export interface Side {
  readonly session: Session
  readonly handler: RecordingHandler
  readonly transport: MemoryTransport
}

export interface Streams {
  readonly initiating: Side
  readonly receiving: Side
  readonly clock: VirtualClock
  readonly events: Event[]
}

/** Both sides, from the first byte on. */
export function twoSessions(setting: Setting = {}): Streams {
  const { clock, trust, transports, events, common } = wires(setting)
  const handlers = { initiating: new RecordingHandler(), receiving: new RecordingHandler() }
  const receiving = startReceiving({
    ...common,
    transport: transports.receiving,
    handler: handlers.receiving,
    isLocal: name => name === MONTAGUE,
    trust,
    ...setting.receivingOptions,
  })
  const initiating = startInitiating({
    ...common,
    transport: transports.initiating,
    handler: handlers.initiating,
    pair: PAIR,
    verdict: setting.verdict ?? verdict(),
    ...setting.initiatingOptions,
  })
  const side = (session: Session, role: 'initiating' | 'receiving'): Side => ({
    session,
    handler: handlers[role],
    transport: transports[role],
  })
  return {
    initiating: side(initiating, 'initiating'),
    receiving: side(receiving, 'receiving'),
    clock,
    events,
  }
}

/** Both sides, established. */
export async function established(setting: Setting = {}): Promise<Streams> {
  const streams = twoSessions(setting)
  await turns()
  if (streams.initiating.session.established === null) throw new Error(JSON.stringify(streams.events))
  if (streams.receiving.session.established === null) throw new Error(JSON.stringify(streams.events))
  return streams
}

export interface Against {
  readonly session: Session
  readonly handler: RecordingHandler
  /** what the session writes */
  readonly seen: Recorder
  /** the peer's end of the wire */
  readonly peer: MemoryTransport
  readonly transport: MemoryTransport
  readonly clock: VirtualClock
  readonly events: Event[]
}

/** Our initiating side, and a peer that says what the test says. */
export function initiatingAgainst(setting: Setting = {}): Against {
  const { clock, transports, events, common } = wires(setting)
  const handler = new RecordingHandler()
  const seen = new Recorder()
  transports.receiving.setMaxMessageBytes(defaultLimits.stanzaBytes)
  transports.receiving.attach(seen)
  const transport = transports.initiating
  const session = startInitiating({
    ...common,
    transport,
    handler,
    pair: PAIR,
    verdict: setting.verdict ?? verdict(),
    ...setting.initiatingOptions,
  })
  return { session, handler, seen, peer: transports.receiving, transport, clock, events }
}

/** Our receiving side, and a peer that says what the test says. */
export function receivingAgainst(setting: Setting = {}): Against {
  const { clock, trust, transports, events, common } = wires(setting)
  const handler = new RecordingHandler()
  const seen = new Recorder()
  transports.initiating.setMaxMessageBytes(defaultLimits.stanzaBytes)
  transports.initiating.attach(seen)
  const transport = transports.receiving
  const session = startReceiving({
    ...common,
    transport,
    handler,
    trust,
    isLocal: name => name === MONTAGUE,
    ...setting.receivingOptions,
  })
  return { session, handler, seen, peer: transports.initiating, transport, clock, events }
}

const FEATURES = `<stream:features xmlns:stream='${NS.stream}'`

/** What the peers of each role say, step by step, to come to an established stream. */
export const STEPS = {
  receiving: [
    `<open xmlns='${NS.framing}' from='montague.example' to='capulet.example' id='s1' version='1.0'/>`,
    `${FEATURES}><mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>`,
    `<success xmlns='${NS.sasl}'/>`,
    `<open xmlns='${NS.framing}' from='montague.example' to='capulet.example' id='s2' version='1.0'/>`,
    `${FEATURES}/>`,
  ],
  initiating: [
    `<open xmlns='${NS.framing}' from='capulet.example' to='montague.example' version='1.0'/>`,
    `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`,
    `<open xmlns='${NS.framing}' from='capulet.example' to='montague.example' version='1.0'/>`,
  ],
} as const

export const CLOSE = `<close xmlns='${NS.framing}'/>`

/** Say the first `count` steps, one after the other. */
export async function say(against: Against, steps: readonly string[], count = steps.length): Promise<void> {
  for (const step of steps.slice(0, count)) {
    against.peer.send(step)
    await turns(3)
  }
}

/** Our initiating side with a stream that stands, and a peer by hand. */
export async function standingAgainst(setting: Setting = {}): Promise<Against> {
  const against = initiatingAgainst(setting)
  await say(against, STEPS.receiving)
  if (against.session.established === null) throw new Error(JSON.stringify(against.events))
  return against
}

/** Our receiving side with a stream that stands, and a peer by hand. */
export async function takenAgainst(setting: Setting = {}): Promise<Against> {
  const against = receivingAgainst(setting)
  await say(against, STEPS.initiating)
  if (against.session.established === null) throw new Error(JSON.stringify(against.events))
  return against
}

/** A numbered message from capulet to montague. */
export function numbered(number: number, bodyBytes = 10): Stanza {
  return message({
    from: 'juliet@capulet.example',
    to: 'romeo@montague.example',
    id: String(number),
    body: 'x'.repeat(bodyBytes),
  })
}

export function text(stanza: Stanza): string {
  return Buffer.from(stanza.bytes).toString()
}

/** from first to last */
export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}
