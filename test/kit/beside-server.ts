import { defaultLimits, type Event, type Limits } from '../../src/base/index.ts'
import type { ConnectHandler, OutboundSession } from '../../src/federation/connect.ts'
import { type XmppServerHost, type XmppServerOptions, xmppServer } from '../../src/hosts/index.ts'
import { type DomainPair, type Failure, message, type Stanza } from '../../src/xmpp/index.ts'
import { RecordingContext } from './host-compliance.ts'
import { LocalServer } from './local-server.ts'
import type { LocalServerOptions } from './local-server-streams.ts'
import { domain } from './scripted-network.ts'

// A host for a server beside it, that server, and what federation is told. No stream but real ones, over loopback.

export const CAPULET = domain('capulet.example')
export const HALL = domain('hall.capulet.example')
export const MONTAGUE = domain('montague.example')
export const VERONA = domain('verona.example')

/** What federation is told; the host is for capulet.example and hall.capulet.example. */
class ServerContext extends RecordingContext {
  override readonly limits: Limits
  readonly events: Event[] = []
  readonly peersUp: DomainPair[] = []
  /** what the sender waits for */
  react: (stanza: Stanza) => Promise<void> | undefined = () => undefined

  constructor(limits: Partial<Limits>) {
    super(CAPULET, HALL)
    this.limits = { ...defaultLimits, ...limits }
    this.observer.subscribe(event => this.events.push(event))
  }

  override send(sending: Stanza): Promise<void> | undefined {
    return super.send(sending) ?? this.react(sending)
  }

  override peerIsUp(pair?: DomainPair): void {
    if (pair !== undefined) this.peersUp.push(pair)
  }

  eventsOf<K extends Event['type']>(type: K): readonly Extract<Event, { type: K }>[] {
    return this.events.filter((event): event is Extract<Event, { type: K }> => event.type === type)
  }
}

/** A dial of the host, and the stream that may come of it. */
export class Leg implements ConnectHandler {
  readonly pair: DomainPair
  readonly abort = new AbortController()
  session: OutboundSession | null = null
  failure: Failure | null = null
  drains = 0
  end: { readonly failure: Failure | null; readonly unconfirmed: number } | null = null

  constructor(host: XmppServerHost, pair: DomainPair) {
    this.pair = pair
    host.connect(pair, this, this.abort.signal)
  }

  onConnected(session: OutboundSession): void {
    this.session = session
  }

  onFailed(failure: Failure): void {
    if (this.failure !== null) throw new Error('failed twice')
    this.failure = failure
  }

  resumes(): null {
    return null
  }

  onConfirmed(): void {}

  onStanza(): undefined {
    throw new Error('what a server says goes to its host')
  }

  onDrain(): void {
    this.drains += 1
  }

  onEnded(failure: Failure | null, _unconfirmed: readonly Stanza[], unconfirmed: number): void {
    if (this.end !== null) throw new Error('ended twice')
    this.end = { failure, unconfirmed }
  }

  /** Resolves when it stands; rejects where it failed. */
  async stands(): Promise<OutboundSession> {
    await until(() => this.session !== null || this.failure !== null)
    if (this.session === null) throw new Error(JSON.stringify(this.failure))
    return this.session
  }

  async fails(): Promise<Failure> {
    await until(() => this.session !== null || this.failure !== null)
    if (this.failure === null) throw new Error('it stands')
    return this.failure
  }
}

export interface Beside {
  readonly server: LocalServer
  readonly host: XmppServerHost
  readonly context: ServerContext
  leg(local?: DomainPair['local'], remote?: DomainPair['remote']): Leg
  stop(): Promise<void>
}

export async function besideServer(
  options: {
    readonly server?: Partial<LocalServerOptions>
    readonly host?: Partial<XmppServerOptions>
    readonly limits?: Partial<Limits>
  } = {},
): Promise<Beside> {
  const server = await LocalServer.start({ domains: [CAPULET, HALL], ...options.server })
  const context = new ServerContext(options.limits ?? {})
  const host = xmppServer({
    address: server.address,
    listen: [{ address: '127.0.0.1', port: 0 }],
    security: { kind: 'plaintext' },
    ...options.host,
  })
  await host.start(context)
  server.host = host.listening[0] ?? null
  return {
    server,
    host,
    context,
    leg: (local = MONTAGUE, remote = CAPULET) => new Leg(host, { local, remote }),
    async stop() {
      await host.stop(1_000)
      await server.stop()
    },
  }
}

/** to a remote domain, from somebody on the server */
export const outgoing = (
  id: string | number,
  to = 'romeo@montague.example',
  from = 'juliet@capulet.example',
) => message({ from, to, id: String(id), type: 'chat', body: 'x' })

/** from a remote domain, to somebody on the server */
export const incoming = (
  id: string | number,
  from = 'romeo@montague.example',
  to = 'juliet@capulet.example',
) => message({ from, to, id: String(id), type: 'chat', body: 'x' })

/** Bounded by the test's own timeout, which then names the test. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise(resolve => setTimeout(resolve, 1))
}
