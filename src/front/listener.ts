import type { IncomingMessage, Server as PlainServer, ServerResponse } from 'node:http'
import { Server } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock, Limits, Observer } from '../base/index.ts'
import { type AcceptWebSocket, bind, bindPath, type Transport } from '../transport/index.ts'
import type { Admission, Place } from './admission.ts'
import { Answers } from './answers.ts'
import { type Behind, BehindProxy, type ProxyInFront } from './behind-proxy.ts'
import type { Certificates } from './certificates.ts'
import { Connections } from './connections.ts'
import { ForwardedPeers } from './forwarded-peers.ts'
import { httpServer } from './http-server.ts'
import type { Proxied } from './proxied.ts'
import type { ProxyRoute } from './proxy-paths.ts'
import { type Answer, judgeForm, judgeNoBody, judgeUpgrade, refuse } from './request.ts'
import type { Routes } from './routes.ts'

export interface ListenAddress {
  /** an IP address; the path of a unix socket */
  readonly address: string
  /** 0: a free one */
  readonly port: number
  readonly unix: boolean
  /** what is in front of it and says for whom it comes; null: whoever connects comes for himself */
  readonly proxy: ProxyInFront | null
  /** CT-16: 'off' for a port shared with browsers */
  readonly clientCertificates: 'request' | 'off'
}

/** A stream's transport has arrived. Attach to it in this turn. */
export interface Arrival {
  readonly transport: Transport
  /** the request target of the upgrade */
  readonly target: string
  /** the peer has proven itself: its connection counts against no address any longer */
  authenticated(): void
  /** Called when an unauthenticated peer's place is needed. Unless given, the transport is closed. */
  onEvict: (() => void) | null
}

/** What changes where the domains do. */
export interface Serving {
  readonly certificates: Certificates
  readonly routes: Routes
}

export interface ListenerOptions {
  readonly listen: ListenAddress
  readonly serving: Serving
  readonly proxied: Proxied
  readonly admission: Admission
  readonly accept: AcceptWebSocket
  readonly onTransport: (arrival: Arrival) => void
  readonly stopping: () => boolean
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
}

/** One `[[listen]]`: TLS or a proxy that has ended it, HTTP, the upgrades that become streams, and what is passed on to a server behind. */
export class Listener {
  readonly #options: ListenerOptions
  #serving: Serving
  readonly #server: Server | PlainServer
  /** null: whoever connects comes for himself */
  readonly #behind: BehindProxy | null
  readonly #forwarded: ForwardedPeers
  readonly #connections = new Connections()
  readonly #answers: Answers

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#serving = options.serving
    const { limits, listen } = options
    const { proxy } = listen
    this.#behind = proxy === null ? null : new BehindProxy(proxy, listen.unix)
    this.#forwarded = new ForwardedPeers(this.#behind, options.observer, limits)
    this.#answers = new Answers(this.#connections, options)
    this.#server = httpServer(listen, () => this.#serving.certificates, limits)
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket))
    this.#server.on('request', (request, response) => this.#onRequest(request, response))
    this.#server.on('checkContinue', (request, response) => this.#onRequest(request, response))
    this.#server.on('checkExpectation', (request, response) =>
      this.#answers.give(request, response, refuse(417, 'no expectation is met here')),
    )
    this.#server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    this.#server.on('connect', (request, socket) =>
      this.#answers.dismiss(request, socket, refuse(400, 'no proxy is here')),
    )
    this.#server.on('clientError', (error, socket) => this.#answers.clientError(error, socket))
    this.#server.on('tlsClientError', (error, socket) => this.#answers.tlsError(error, socket))
  }

  /** Rejects where the address cannot be bound. */
  async listen(): Promise<{ readonly address: string; readonly port: number }> {
    const { listen, limits, observer } = this.#options
    const { address } = listen
    let port = 0
    // The proxy runs as another user of our group.
    if (listen.unix) await bindPath(this.#server, address, 0o660)
    else {
      const where = { host: address, port: listen.port, backlog: limits.httpBacklog }
      port = await bind(this.#server, where)
    }
    observer.publish({ type: 'listening', address, port })
    return { address, port }
  }

  /** What comes is served like this from now on; what is connected stays. */
  serve(serving: Serving): void {
    this.#serving = serving
    this.refresh()
  }

  /** The certificate for peers without SNI has changed. */
  refresh(): void {
    if (this.#server instanceof Server) this.#server.setSecureContext(this.#serving.certificates.fallback)
  }

  /** Listen no more; proxied requests may end within the grace, then what is still connected is cut. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    await this.#options.proxied.finished(() => this.#connections.exchanges, graceMs)
    this.#connections.destroy()
    await closed
  }

  #onConnection(socket: Socket): void {
    const { remoteAddress = '' } = socket
    const { admission } = this.#options
    const evict = () => {
      this.#answers.report(remoteAddress, 'limit', EVICTED)
      socket.destroy()
    }
    const isProxy = this.#behind?.trusts(remoteAddress) === true
    const admitted = isProxy ? admission.enterForOthers(evict) : admission.enter(remoteAddress, evict)
    if (!admitted.ok) {
      this.#answers.report(remoteAddress, 'limit', REFUSED[admitted.reason])
      socket.destroy()
      return
    }
    this.#connections.add(socket, admitted.place)
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    // What was sent behind a request that was refused: its connection is ending.
    if (this.#answers.isDismissed(request.socket)) return
    const { routes } = this.#serving
    const client = this.#judge(request)
    if ('status' in client) {
      this.#answers.give(request, response, client)
      return
    }
    const route = this.#routeOf(request)
    if (route !== null) this.#passOn(route, request, response, client)
    else {
      const answer = judgeNoBody(request) ?? this.#crowded(request) ?? routes.answer(request)
      this.#answers.give(request, response, answer)
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#answers.isDismissed(socket)) {
      socket.destroy()
      return
    }
    const { proxied } = this.#options
    const dismiss = (last: Answer) => this.#answers.dismiss(request, socket, last)
    const client = this.#judge(request)
    if ('status' in client) {
      dismiss(client)
      return
    }
    const route = this.#routeOf(request)
    const answer = route === null ? this.#judgeUpgrade(request, client) : proxied.judgeUpgrade(request)
    if (answer !== null) dismiss(answer)
    else if (route !== null)
      proxied.tunnel(route, request, socket, head, client.address, this.#placeOf(request), dismiss)
    else {
      const transport = this.#options.accept(request, socket, head, this.#forwarded.peerOf(request, client))
      if (transport === null) socket.destroy()
      else this.#arrive(request, transport)
    }
  }

  /** What every request must be, and who asks; or why he is not answered. */
  #judge(request: IncomingMessage): Behind | Answer {
    const form = judgeForm(request, this.#options.limits)
    if (form !== null) return form
    const { remoteAddress: address = '' } = request.socket
    if (this.#behind === null || this.#serving.routes.isHealth(request)) return { address }
    const client = this.#behind.judge(request)
    if ('address' in client) {
      this.#answers.isFrom(request, client.address)
      this.#placeOf(request)?.vouched()
    }
    return client
  }

  #judgeUpgrade(request: IncomingMessage, client: Behind): Answer | null {
    const { routes } = this.#serving
    const { stopping } = this.#options
    const form = judgeNoBody(request) ?? this.#claim(request, client) ?? this.#crowded(request)
    if (form !== null) return form
    if (!routes.isEndpoint(request)) return refuse(404, 'not found')
    if (stopping()) return refuse(503, 'stopping', this.#later(this.#options.limits.httpStoppingRetryMs))
    return judgeUpgrade(request)
  }

  /** Where it is passed on to; null: nowhere, it is for us to answer. */
  #routeOf(request: IncomingMessage): ProxyRoute | null {
    return this.#serving.routes.isOwn(request) ? null : this.#options.proxied.find(request)
  }

  #passOn(route: ProxyRoute, request: IncomingMessage, response: ServerResponse, { address }: Behind): void {
    const { proxied } = this.#options
    const respond = (answer: Answer) => this.#answers.give(request, response, answer)
    const refused = proxied.judge(request)
    if (refused !== null) {
      respond(refused)
      return
    }
    const connection = this.#connections.of(request.socket)
    const exchange = proxied.exchange(route, request, response, address, connection?.place ?? null, {
      respond,
      onOver: () => {
        if (exchange !== null) connection?.exchanges.delete(exchange)
      },
    })
    if (exchange !== null) connection?.exchanges.add(exchange)
  }

  #arrive(request: IncomingMessage, transport: Transport): void {
    const place = this.#placeOf(request)
    const arrival: Arrival = {
      transport,
      target: request.url ?? '',
      authenticated: () => place?.authenticated(),
      onEvict: null,
    }
    if (place !== null) {
      place.evict = () => {
        this.#answers.report(transport.facts.remoteAddress, 'limit', EVICTED)
        if (arrival.onEvict === null) transport.close(1008, 'no room')
        else arrival.onEvict()
      }
    }
    try {
      this.#options.onTransport(arrival)
    } catch (error) {
      // A defect of the owner costs this transport, not the process.
      this.#answers.report(transport.facts.remoteAddress, 'internal', String(error))
      transport.close(1011)
    }
  }

  /** What a proxy brings counts for the one whom it comes for. */
  #claim(request: IncomingMessage, { address }: Behind): Answer | null {
    if (this.#behind === null || this.#placeOf(request)?.claim(address) !== false) return null
    return refuse(429, 'too many new connections from this address', this.#later())
  }

  #crowded(request: IncomingMessage): Answer | null {
    if (this.#placeOf(request)?.crowded !== true) return null
    return refuse(429, 'too many connections from this address', this.#later())
  }

  #later(afterMs = this.#options.limits.httpRetryAfterMs): Readonly<Record<string, string>> {
    return { 'Retry-After': String(Math.ceil(afterMs / 1_000)) }
  }

  #placeOf(request: IncomingMessage): Place | null {
    return this.#connections.of(request.socket)?.place ?? null
  }
}

const EVICTED = 'its place was needed before it had authenticated'
const REFUSED = {
  connections: 'there are as many connections as we hold',
  rate: 'new connections come too fast from this address',
} as const
