import { createServer, type Server } from 'node:net'
import type { Event } from '../base/index.ts'
import { systemClock, systemRandom } from '../base/system.ts'
import { embedded } from '../hosts/index.ts'
import { type Authority, createAuthority, issue } from '../identity/index.ts'
import { createFederation, type Federation } from '../index.ts'
import { type ChaosProgress, converseThroughCuts } from './demo-chaos.ts'
import { DemoHost } from './demo-host.ts'
import { DemoRelay } from './demo-relay.ts'
import { type Conversation, converse, type Line } from './demo-talk.ts'

export interface DemoOptions {
  /** 'off': no listener sees a certificate of a client, as behind a platform's proxy that ends TLS; default 'request' */
  readonly clientCertificates?: 'request' | 'off'
  /** The connections between the two are cut every few seconds while they talk on; told of each cut. Absent: they stay. */
  readonly onCut?: (progress: ChaosProgress) => void
  /** every event of both gateways, and whose it is */
  readonly onEvent: (domain: string, event: Event) => void
  /** something was said, and has arrived */
  readonly onLine: (line: Line) => void
}

/** Two gateways on loopback that know nothing of each other but a name. */
export interface Demo {
  readonly towns: readonly { readonly domain: string; readonly port: number }[]
  /** Talk both ways; the first words make each side find the other. Rejects with the reason of `signal`. */
  converse(signal: AbortSignal): Promise<Conversation>
  stop(): Promise<void>
}

/** Rejects where loopback cannot be listened on. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryStart(options)
    } catch (cause) {
      // Somebody took a port between its choice and our listening.
      if (attempt === ATTEMPTS || !isInUse(cause)) throw cause
    }
  }
}

const ATTEMPTS = 3

function isInUse(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
}

async function tryStart(options: DemoOptions): Promise<Demo> {
  const authority = createAuthority({ commonName: 'Isthmus demo', serial: serial(), ...validity() })
  const ports = await freePorts(DOMAINS.length)
  const { onCut } = options
  const relays: DemoRelay[] = []
  const towns: Town[] = []
  const stop = async () => {
    await Promise.all(towns.map(({ federation }) => federation.close()))
    for (const relay of relays) relay.stop()
  }
  try {
    if (onCut !== undefined) for (const port of ports) relays.push(await DemoRelay.start(port))
    const connect = Object.fromEntries(
      DOMAINS.map((domain, index) => [`${domain}:443`, `127.0.0.1:${relays[index]?.port ?? ports[index]}`]),
    )
    for (const [index, domain] of DOMAINS.entries()) {
      towns.push(await startTown({ domain, port: ports[index] ?? 0, authority, connect, options }))
    }
  } catch (cause) {
    await stop()
    throw cause
  }
  const [capulet, montague] = towns
  if (capulet === undefined || montague === undefined) throw new TypeError('a demo of fewer than two')
  return {
    towns,
    async converse(signal) {
      const juliet = { domain: capulet.domain, host: capulet.host, person: JULIET }
      const romeo = { domain: montague.domain, host: montague.host, person: ROMEO }
      const shared = { signal, random: systemRandom, clock: systemClock }
      const conversation = await converse(juliet, romeo, { ...shared, onLine: options.onLine })
      if (onCut === undefined || conversation.problem !== null) return conversation
      const cut = () => relays.filter(relay => relay.cut()).length > 0
      return converseThroughCuts(juliet, romeo, { ...shared, cut, onCut })
    },
    stop,
  }
}

const DOMAINS = ['capulet.example', 'montague.example'] as const
const JULIET = 'juliet'
const ROMEO = 'romeo'

interface Town {
  readonly domain: string
  readonly port: number
  readonly host: DemoHost
  readonly federation: Federation
}

async function startTown(wanted: {
  readonly domain: string
  readonly port: number
  readonly authority: Authority
  readonly connect: Readonly<Record<string, string>>
  readonly options: DemoOptions
}): Promise<Town> {
  const { domain, port, authority, connect, options } = wanted
  const { clientCertificates = 'request' } = options
  const leaf = issue(authority, {
    dnsNames: [domain],
    // As public authorities issue them: for servers only.
    ekus: ['serverAuth'],
    serial: serial(),
    ...validity(),
  })
  const host = new DemoHost(embedded({ echo: true }), new Set([JULIET, ROMEO]))
  const federation = await createFederation({
    domains: [
      {
        name: domain,
        url: `wss://${domain}/s2s`,
        ips: ['127.0.0.1'],
        certificate: leaf.certificatePem,
        key: leaf.keyPem,
        host,
      },
    ],
    listen: [{ address: `127.0.0.1:${port}`, clientCertificates }],
    trust: { ca: [authority.certificatePem] },
    network: { allowPrivate: ['127.0.0.0/8'], connect },
    onEvent: event => options.onEvent(domain, event),
  })
  return { domain, port, host, federation }
}

function serial(): Uint8Array {
  return systemRandom.bytes(SERIAL_BYTES)
}

function validity(): { notBeforeMs: number; notAfterMs: number } {
  const nowMs = systemClock.wallMs()
  return { notBeforeMs: nowMs - HOUR_MS, notAfterMs: nowMs + LIFE_MS }
}

const SERIAL_BYTES = 16
const HOUR_MS = 3_600_000
const LIFE_MS = 30 * 24 * HOUR_MS

/** Ports that nobody listens on. Each gateway is told the other's before either listens, so they are chosen here. */
async function freePorts(count: number): Promise<number[]> {
  // All at once, or the second might be the first again.
  const servers = await Promise.all(Array.from({ length: count }, listening))
  const ports = servers.map(server => {
    const address = server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  })
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}

function listening(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
