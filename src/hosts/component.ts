import { createHash } from 'node:crypto'
import type { Limits } from '../base/index.ts'
import type { Delivery, Host, HostContext } from '../federation/index.ts'
import { type EstablishedSession, type Session, startComponent } from '../session/index.ts'
import { listenTcp, type TcpListener, type Transport } from '../transport/index.ts'
import type { Domain, Failure, Stanza } from '../xmpp/index.ts'
import { ComponentSeat } from './component-seat.ts'
import { localLimits } from './local-limits.ts'

export interface ComponentOptions {
  /** where components connect: an IP address and a port (0: a free one), or the path of a unix socket */
  readonly listen: { readonly address: string; readonly port: number } | { readonly path: string }
  /** CIDR blocks that may connect there; by default this machine */
  readonly allow?: readonly string[]
  /** shared with the component; the same for all names of this listener */
  readonly secret: string
  /** what becomes of a second connection for a name */
  readonly second: 'refuse' | 'replace'
  /** how long stanzas wait for a component that is away, ms; 0: they are bounced at once */
  readonly holdMs: number
}

export interface ComponentHost extends Host {
  /** bound addresses, once started; of a unix socket its path, and port 0 */
  readonly listening: readonly { readonly address: string; readonly port: number }[]
}

/** Programs that connect as components (XEP-0114), one connection for each of the host's domains, with no server. */
export function component(options: ComponentOptions): ComponentHost {
  // Also for programs without types, where a forgotten variable would become the word 'undefined'.
  if (typeof options.secret !== 'string' || options.secret === '')
    throw new TypeError('a component proves itself with a secret')
  return new Component(options)
}

const LOOPBACK = ['127.0.0.0/8', '::1/128']

interface Running {
  readonly context: HostContext
  readonly limits: Limits
  readonly listener: TcpListener
}

class Component implements ComponentHost {
  readonly name = 'component'
  readonly #options: ComponentOptions
  readonly #seats = new Map<Domain, ComponentSeat>()
  readonly #sessions = new Set<Session>()
  #running: Running | null = null
  #started = false
  /** who waits for sessions to end */
  readonly #ended = new Set<() => void>()

  constructor(options: ComponentOptions) {
    this.#options = options
  }

  get listening(): readonly { readonly address: string; readonly port: number }[] {
    return this.#running?.listener.listening ?? []
  }

  /** Rejects with Node's error where the address cannot be had. */
  async start(context: HostContext): Promise<void> {
    if (this.#started) throw new TypeError('a component host is started once')
    this.#started = true
    const { listen, allow = LOOPBACK } = this.#options
    const { clock, observer, domains } = context
    for (const name of domains) this.#seat(name, context)
    // What a component has read nobody asks: there is nothing to remember for that.
    const limits = { ...localLimits(context.limits), unconfirmedStanzas: 0 }
    const listener = await listenTcp({
      listen: 'path' in listen ? listen : [listen],
      allow,
      sniffTls: false,
      maxConnections: limits.connections,
      limits,
      clock,
      onTransport: transport => this.#accept(transport, context, limits),
      onRefused: (address, detail) =>
        observer.publish({ type: 'connection:refused', address, reason: 'limit', detail }),
    })
    for (const bound of listener.listening) observer.publish({ type: 'listening', ...bound })
    this.#running = { context, limits, listener }
  }

  deliver(stanza: Stanza): Delivery | Promise<Delivery> {
    return this.#seats.get(stanza.to.domain)?.deliver(stanza) ?? UNAVAILABLE
  }

  serve(domain: Domain): void {
    if (this.#running !== null) this.#seat(domain, this.#running.context)
  }

  async leave(domain: Domain, deadlineMs: number): Promise<void> {
    const seat = this.#seats.get(domain)
    const running = this.#running
    if (seat === undefined || running === null) return
    this.#seats.delete(domain)
    seat.stop()
    const its = [...this.#sessions].filter(({ established }) => established?.pair.remote === domain)
    for (const session of its) session.end(GONE)
    await this.#quiet(running.context, deadlineMs, its)
    for (const session of its) session.abort(GONE)
  }

  /** What waits for a component goes back; then the streams end in order, and what they bring until then is taken. */
  async stop(deadlineMs: number): Promise<void> {
    const running = this.#running
    if (running === null) return
    this.#running = null
    await running.listener.close()
    for (const seat of this.#seats.values()) seat.stop()
    for (const session of this.#sessions) session.end(STOPPING)
    await this.#quiet(running.context, deadlineMs, [...this.#sessions])
    for (const session of this.#sessions) session.abort(STOPPING)
  }

  #accept(transport: Transport, context: HostContext, limits: Limits): void {
    const { clock, observer, random } = context
    let standing: EstablishedSession | null = null
    const seatOf = ({ pair }: EstablishedSession) => this.#seats.get(pair.remote)
    const session = startComponent({
      transport,
      isServed: name => this.#seats.has(name),
      isTaken: name => this.#options.second === 'refuse' && this.#seats.get(name)?.isTaken === true,
      digestOf: streamId => digest(streamId, this.#options.secret),
      onClosing: () => {
        if (standing !== null) seatOf(standing)?.left(standing)
      },
      handler: {
        onEstablished: stands => {
          standing = stands
          seatOf(stands)?.take(stands)
          return null
        },
        onStanza: stanza => context.send(stanza),
        onDrain: drained => seatOf(drained)?.drained(drained),
        onEnded: () => {
          this.#sessions.delete(session)
          for (const look of [...this.#ended]) look()
        },
      },
      observer,
      clock,
      random,
      limits,
    })
    this.#sessions.add(session)
  }

  #seat(name: Domain, context: HostContext): void {
    const { holdMs } = this.#options
    this.#seats.set(name, new ComponentSeat({ name, holdMs, context }))
  }

  /** Resolves when these have ended, or after `deadlineMs`. */
  async #quiet({ clock }: HostContext, deadlineMs: number, sessions: readonly Session[]): Promise<void> {
    const stand = () => sessions.some(session => this.#sessions.has(session))
    if (!stand()) return
    await new Promise<void>(resolve => {
      const done = () => {
        timer.cancel()
        this.#ended.delete(look)
        resolve()
      }
      const timer = clock.setTimer(deadlineMs, done)
      const look = () => {
        if (!stand()) done()
      }
      this.#ended.add(look)
    })
  }
}

/** CO-03: the id, then the secret, with nothing between them. */
function digest(streamId: string, secret: string): string {
  return createHash('sha1').update(`${streamId}${secret}`).digest('hex')
}

const UNAVAILABLE: Delivery = Object.freeze({ taken: false, condition: 'service-unavailable' })
const STOPPING: Failure = { by: 'us', kind: 'shutdown', detail: 'this server is stopping' }
const GONE: Failure = { by: 'us', kind: 'gone', detail: 'this domain is no longer served here' }
