import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { createServer, type Server } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Clock, Limits, Observer, RefusalReason } from '../base/index.ts'
import type { AcceptWebSocket, Transport } from '../transport/index.ts'
import type { Admission, Place } from './admission.ts'
import type { Certificates } from './certificates.ts'
import { type Answer, judgeForm, judgeUpgrade, refuse } from './request.ts'
import type { Routes } from './routes.ts'

export interface ListenAddress {
  readonly address: string
  /** 0: a free one */
  readonly port: number
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

export interface ListenerOptions {
  readonly listen: ListenAddress
  readonly certificates: Certificates
  readonly routes: Routes
  readonly admission: Admission
  readonly accept: AcceptWebSocket
  readonly onTransport: (arrival: Arrival) => void
  readonly stopping: () => boolean
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
}

/** One `[[listen]]`: TLS, HTTP, and the upgrades that become streams. */
export class Listener {
  readonly #options: ListenerOptions
  readonly #server: Server
  /** what is connected, by the peer's address and port */
  readonly #connections = new Map<string, { readonly place: Place; readonly socket: Duplex }>()
  /** sockets that have been told to go: nothing further that they send counts */
  readonly #dismissed = new WeakSet<Duplex>()

  constructor(options: ListenerOptions) {
    this.#options = options
    const { limits, certificates, listen } = options
    this.#server = createServer({
      ...certificates.fallback,
      SNICallback: (servername, done) => done(null, certificates.choose(servername)),
      requestCert: listen.clientCertificates === 'request', // CT-15: requested, never required
      rejectUnauthorized: false,
      handshakeTimeout: limits.tlsHandshakeMs,
      maxHeaderSize: limits.httpHeaderBytes,
      headersTimeout: limits.httpHeadersMs,
      // A slow upload is not an attack (DECISIONS 27); our routes take no body.
      requestTimeout: 0,
      keepAliveTimeout: limits.httpIdleMs,
      connectionsCheckingInterval: limits.httpCheckMs,
      // Both are checked by judgeForm, where a refusal is also reported.
      requireHostHeader: false,
      insecureHTTPParser: false,
    })
    // Node cuts the list silently at this number.
    this.#server.maxHeadersCount = limits.httpHeaderFields + 1
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket))
    this.#server.on('request', (request, response) => this.#onRequest(request, response))
    this.#server.on('checkContinue', (request, response) => this.#onRequest(request, response))
    this.#server.on('checkExpectation', (request, response) =>
      this.#respond(request, response, refuse(417, 'no expectation is met here')),
    )
    this.#server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head))
    this.#server.on('connect', (request, socket) =>
      this.#dismiss(request, socket, refuse(400, 'no proxy is here')),
    )
    this.#server.on('clientError', (error, socket) => this.#onClientError(error, socket))
    this.#server.on('tlsClientError', (error, socket) => this.#onTlsError(error, socket))
  }

  /** Rejects where the address cannot be bound. */
  listen(): Promise<{ readonly address: string; readonly port: number }> {
    const { listen, limits, observer } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: listen.address, port: listen.port, backlog: limits.httpBacklog }, () => {
        this.#server.off('error', reject)
        // E.g. no descriptors left: the kernel keeps the connection for later.
        this.#server.on('error', () => {})
        const bound = this.#server.address()
        const port = bound === null || typeof bound === 'string' ? listen.port : bound.port
        observer.publish({ type: 'listening', address: listen.address, port })
        resolve({ address: listen.address, port })
      })
    })
  }

  /** The certificate for peers without SNI has changed. */
  refresh(): void {
    this.#server.setSecureContext(this.#options.certificates.fallback)
  }

  /** Listen no more and end what is still connected. */
  close(): Promise<void> {
    return new Promise(resolve => {
      this.#server.close(() => resolve())
      for (const { socket } of this.#connections.values()) socket.destroy()
    })
  }

  #onConnection(socket: Socket): void {
    const { remoteAddress = '' } = socket
    const admitted = this.#options.admission.enter(remoteAddress, () => socket.destroy())
    if (!admitted.ok) {
      this.#report(remoteAddress, 'limit', REFUSED[admitted.reason])
      socket.destroy()
      return
    }
    const key = keyOf(socket)
    const { place } = admitted
    this.#connections.set(key, { place, socket })
    socket.once('close', () => {
      this.#connections.delete(key)
      place.leave()
    })
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { limits, routes } = this.#options
    const answer = judgeForm(request, limits) ?? this.#crowded(request) ?? routes.answer(request)
    this.#respond(request, response, answer)
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const answer = this.#judgeUpgrade(request)
    if (answer !== null) {
      this.#dismiss(request, socket, answer)
      return
    }
    const transport = this.#dismissed.has(socket) ? null : this.#options.accept(request, socket, head)
    if (transport === null) socket.destroy()
    else this.#arrive(request, transport)
  }

  #judgeUpgrade(request: IncomingMessage): Answer | null {
    const { limits, routes, stopping } = this.#options
    const form = judgeForm(request, limits) ?? this.#crowded(request)
    if (form !== null) return form
    if (!routes.isEndpoint(request)) return refuse(404, 'not found')
    if (stopping()) return refuse(503, 'stopping', this.#later())
    return judgeUpgrade(request)
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
        this.#report(
          transport.facts.remoteAddress,
          'limit',
          'its place was needed before it had authenticated',
        )
        if (arrival.onEvict === null) transport.close(1008, 'no room')
        else arrival.onEvict()
      }
    }
    try {
      this.#options.onTransport(arrival)
    } catch (error) {
      // A defect of the owner costs this transport, not the process.
      this.#report(transport.facts.remoteAddress, 'internal', String(error))
      transport.close(1011)
    }
  }

  #crowded(request: IncomingMessage): Answer | null {
    if (this.#placeOf(request)?.crowded !== true) return null
    return refuse(429, 'too many connections from this address', this.#later())
  }

  #later(): Readonly<Record<string, string>> {
    return { 'Retry-After': String(Math.ceil(this.#options.limits.httpRetryAfterMs / 1_000)) }
  }

  #placeOf(request: IncomingMessage): Place | null {
    return this.#connections.get(keyOf(request.socket))?.place ?? null
  }

  #respond(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    if (answer.refused !== null) {
      this.#reportAnswer(request.socket.remoteAddress, answer)
      this.#dismissed.add(request.socket)
      response.shouldKeepAlive = false
    }
    response.writeHead(answer.status, {
      ...answer.headers,
      'Content-Length': Buffer.byteLength(answer.body),
    })
    response.end(answer.body)
  }

  /** Answer on a bare socket, and let go of it: a tunnel through a proxy must not stay open (WS-06). */
  #dismiss(request: IncomingMessage, socket: Duplex, answer: Answer): void {
    this.#reportAnswer(request.socket.remoteAddress, answer)
    this.#lastWords(socket, answer)
  }

  #onClientError(error: Error & { code?: string }, socket: Duplex): void {
    const answer = clientErrorAnswer(error.code ?? '')
    // It has its answer already, which must get out.
    if (this.#dismissed.has(socket)) return
    if (answer === null || !socket.writable) {
      socket.destroy()
      return
    }
    this.#reportAnswer(addressOf(socket), answer)
    this.#lastWords(socket, answer)
  }

  #lastWords(socket: Duplex, answer: Answer): void {
    this.#dismissed.add(socket)
    socket.on('error', () => {})
    const { clock, limits } = this.#options
    const timer = clock.setTimer(limits.closeMs, () => socket.destroy())
    socket.once('close', () => timer.cancel())
    // Read on: a reset for unread bytes would overtake the answer.
    socket.resume()
    socket.end(render(answer))
  }

  #onTlsError(error: Error & { code?: string }, socket: TLSSocket): void {
    socket.on('error', () => {})
    // They left by themselves: nobody was refused (QK-12).
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return
    const detail =
      error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' ? 'the TLS handshake took too long' : error.message
    this.#report(socket.remoteAddress ?? '', 'tls', detail)
  }

  #reportAnswer(address: string | undefined, { status, refused }: Answer): void {
    if (refused !== null) this.#report(address ?? '', 'http', refused, status)
  }

  #report(address: string, reason: RefusalReason, detail: string, status?: number): void {
    this.#options.observer.publish({
      type: 'connection:refused',
      address,
      reason,
      detail,
      ...(status === undefined ? {} : { status }),
    })
  }
}

const REFUSED = {
  connections: 'there are as many connections as we hold',
  rate: 'new connections come too fast from this address',
} as const

/** null: no answer is due, because the peer has left or TLS has failed, which is told elsewhere */
function clientErrorAnswer(code: string): Answer | null {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refuse(408, 'the request head took too long')
    case 'HPE_HEADER_OVERFLOW':
      return refuse(431, 'the request head is too long')
    case 'HPE_INVALID_EOF_STATE':
      return null
    default:
      return code.startsWith('HPE_') ? refuse(400, 'this is no HTTP request') : null
  }
}

/** Both ends: one peer may use one port towards two of our addresses. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}

function addressOf(socket: Duplex): string {
  return socket instanceof Socket ? (socket.remoteAddress ?? '') : ''
}

function render({ status, headers, body }: Answer): string {
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
