import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Clock, Limits, Observer, RefusalReason } from '../base/index.ts'
import type { Connections } from './connections.ts'
import { clientErrorAnswer, lastWords } from './last-words.ts'
import type { Answer } from './request.ts'

export interface AnswersOptions {
  readonly observer: Observer
  readonly limits: Limits
  readonly clock: Clock
}

/** How a listener answers, and tells of those whom it refuses; a refused one's connection ends. */
export class Answers {
  readonly #options: AnswersOptions
  readonly #connections: Connections
  /** for whom a proxy has come with a request */
  readonly #clients = new WeakMap<IncomingMessage, string>()
  /** sockets that have been told to go: nothing further that they send counts */
  readonly #dismissed = new WeakSet<Duplex>()

  constructor(connections: Connections, options: AnswersOptions) {
    this.#connections = connections
    this.#options = options
  }

  /** A proxy has come with the request for this address. */
  isFrom(request: IncomingMessage, address: string): void {
    this.#clients.set(request, address)
  }

  isDismissed(socket: Duplex): boolean {
    return this.#dismissed.has(socket)
  }

  give(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
    if (answer.refused !== null) {
      this.#tell(this.#addressOf(request), answer)
      this.#dismissed.add(request.socket)
      response.shouldKeepAlive = false
    }
    response.writeHead(answer.status, {
      ...answer.headers,
      'Content-Length': Buffer.byteLength(answer.body),
    })
    response.end(answer.body)
  }

  /** The same where Node has let go of the socket. */
  dismiss(request: IncomingMessage, socket: Duplex, answer: Answer): void {
    this.#tell(this.#addressOf(request), answer)
    this.#lastWords(socket, answer)
  }

  clientError(error: Error & { code?: string }, socket: Duplex): void {
    const answer = clientErrorAnswer(error.code ?? '')
    // It has its answer already, which must get out.
    if (this.#dismissed.has(socket)) return
    const exchanges = [...(this.#connections.of(socket)?.exchanges ?? [])]
    // In the middle of an answer, another one would be taken for its rest.
    const answering = exchanges.some(exchange => exchange.answering)
    for (const exchange of exchanges) exchange.abandon()
    if (answer === null || !socket.writable) {
      socket.destroy()
      return
    }
    this.#tell(socket instanceof Socket ? (socket.remoteAddress ?? '') : '', answer)
    if (answering) socket.destroy()
    else this.#lastWords(socket, answer)
  }

  tlsError(error: Error & { code?: string }, socket: TLSSocket): void {
    socket.on('error', () => {})
    // They left by themselves: nobody was refused (QK-12).
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return
    const detail =
      error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT' ? 'the TLS handshake took too long' : error.message
    this.report(socket.remoteAddress ?? '', 'tls', detail)
  }

  report(address: string, reason: RefusalReason, detail: string, status?: number): void {
    this.#options.observer.publish({
      type: 'connection:refused',
      address,
      reason,
      detail,
      ...(status === undefined ? {} : { status }),
    })
  }

  #tell(address: string, { status, refused }: Answer): void {
    if (refused !== null) this.report(address, 'http', refused, status)
  }

  #lastWords(socket: Duplex, answer: Answer): void {
    this.#dismissed.add(socket)
    lastWords(socket, answer, this.#options.clock, this.#options.limits)
  }

  #addressOf(request: IncomingMessage): string {
    return this.#clients.get(request) ?? request.socket.remoteAddress ?? ''
  }
}
