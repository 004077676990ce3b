import type { SecureContext } from 'node:tls'
import { defaultLimits, type Event, type Limits, Observer } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import {
  type Arrival,
  createFront,
  type Front,
  type FrontDomain,
  type FrontOptions,
} from '../../src/front/index.ts'
import { createTlsContext, dialWebSocket, type TlsFacts, type Transport } from '../../src/transport/index.ts'
import { type Domain, parseDomain } from '../../src/xmpp/index.ts'
import { type TestCertificate, testAuthority } from './authority.ts'
import { Recorder } from './transport-compliance.ts'

// A running front on loopback that echoes nothing and records everything.

export const authority = testAuthority()

export function domain(name: string): Domain {
  const parsed = parseDomain(name)
  if (parsed === null) throw new TypeError(`no domain: ${name}`)
  return parsed
}

export function frontDomain(
  name: string,
  more: Partial<FrontDomain> & { readonly from?: TestCertificate } = {},
): FrontDomain {
  const { from = authority.issue({ dns: [name] }), ...rest } = more
  return {
    name: domain(name),
    also: [],
    url: `wss://${name}/s2s`,
    certificate: from.certificatePem,
    key: from.keyPem,
    ...rest,
  }
}

export interface TestFront {
  readonly front: Front
  readonly port: number
  readonly events: Event[]
  readonly arrivals: Arrival[]
  /** one for each arrival */
  readonly recorders: Recorder[]
  /** resolves with the next arrival's recorder */
  arrived(): Promise<{ readonly arrival: Arrival; readonly recorder: Recorder }>
  refusals(): Extract<Event, { type: 'connection:refused' }>[]
}

/** TLS on a free port. */
export const LOOPBACK = {
  address: '127.0.0.1',
  port: 0,
  unix: false,
  clientCertificates: 'request',
  proxy: null,
} as const

export async function testFront(
  options: Partial<Omit<FrontOptions, 'limits'>> & {
    readonly limits?: Partial<Limits>
    /** what attaches to each transport; default: a Recorder */
    readonly recorder?: (arrival: Arrival) => Recorder
  } = {},
): Promise<TestFront> {
  const events: Event[] = []
  const observer = new Observer()
  observer.subscribe(event => events.push(event))
  const arrivals: Arrival[] = []
  const recorders: Recorder[] = []
  const waiting: ((at: number) => void)[] = []
  let taken = 0
  const { limits, recorder: makeRecorder = () => new Recorder(), ...rest } = options
  const front = await createFront({
    listen: [LOOPBACK],
    domains: [frontDomain('montague.example')],
    ca: [authority.caPem],
    documents: () => ({ jrd: '{"links":[]}', xrd: '<XRD/>', maxAgeSeconds: 3_600 }),
    onTransport: arrival => {
      const recorder = makeRecorder(arrival)
      arrival.transport.attach(recorder)
      recorders.push(recorder)
      arrivals.push(arrival)
      waiting.shift()?.(arrivals.length - 1)
    },
    observer,
    clock: systemClock,
    ...rest,
    // Every case comes from one address.
    limits: { ...defaultLimits, newBurstPerAddress: 10_000, newPerSecondPerAddress: 10_000, ...limits },
  })
  return {
    front,
    port: front.listening[0]?.port ?? 0,
    events,
    arrivals,
    recorders,
    async arrived() {
      const at = taken++
      if (arrivals.length <= at) await new Promise<number>(resolve => waiting.push(resolve))
      const [arrival, recorder] = [arrivals[at], recorders[at]]
      if (arrival === undefined || recorder === undefined) throw new Error('no arrival')
      return { arrival, recorder }
    },
    refusals: () => events.flatMap(event => (event.type === 'connection:refused' ? [event] : [])),
  }
}

const anonymous = createTlsContext({ identity: null, ca: [authority.caPem] })

function contextOf(certificate: TestCertificate | undefined): SecureContext {
  if (certificate === undefined) return anonymous
  const identity = { certificate: certificate.certificatePem, key: certificate.keyPem }
  return createTlsContext({ identity, ca: [authority.caPem] })
}

/** Dial a front or a raw server as an initiating side would; throws where it fails. */
export async function dial(
  port: number,
  options: {
    readonly certificate?: TestCertificate
    /** instead of a certificate: a context that is built already */
    readonly secureContext?: SecureContext
    readonly limits?: Partial<Limits>
    readonly vet?: (tls: TlsFacts) => null
    readonly recorder?: Recorder
  } = {},
): Promise<{ readonly transport: Transport; readonly recorder: Recorder }> {
  const { certificate, recorder = new Recorder() } = options
  const dialled = await dialWebSocket({
    url: 'wss://montague.example/s2s',
    address: '127.0.0.1',
    port,
    servername: 'montague.example',
    secureContext: options.secureContext ?? contextOf(certificate),
    vet: options.vet ?? (() => null),
    limits: { ...defaultLimits, ...options.limits },
    clock: systemClock,
    signal: new AbortController().signal,
  })
  if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
  dialled.transport.attach(recorder)
  return { transport: dialled.transport, recorder }
}

/** Handles and timers of the process, by kind, as Node counts them. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Waits until no kind has more than it had. Throws after five seconds. */
export async function backTo(baseline: Record<string, number>): Promise<void> {
  const watched = ['TCPSocketWrap', 'TLSWrap', 'Timeout'] as const
  for (let round = 0; round < 500; round++) {
    const now = resources()
    if (watched.every(kind => (now[kind] ?? 0) <= (baseline[kind] ?? 0))) return
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error(`not back to ${JSON.stringify(baseline)}: ${JSON.stringify(resources())}`)
}
