import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { createProxyServer } from 'httpxy'
import type { Clock, Limits } from '../base/index.ts'
import { hasBody, judgeAnswer, passRequestHeaders, passResponseHeaders } from './proxy-headers.ts'
import { type ProxyRoute, proxyOptions } from './proxy-paths.ts'
import { type Answer, plain, refuse } from './request.ts'
import { Watch } from './watch.ts'

export type ProxyLimits = Pick<
  Limits,
  | 'proxyConnectMs'
  | 'proxyHeadersMs'
  | 'proxyIdleMs'
  | 'proxyTunnelIdleMs'
  | 'proxyKeepAliveMs'
  | 'proxyHeaderBytes'
  | 'closeMs'
>

/** One thing that is proxied, for whoever does it. */
export interface ProxyTask {
  readonly route: ProxyRoute
  readonly request: IncomingMessage
  /** of the client */
  readonly address: string
  readonly limits: ProxyLimits
  readonly clock: Clock
  /** The server behind is at fault. status: what the client was told; null: nothing, it was cut. */
  readonly onFailed: (status: number | null, detail: string) => void
  /** Nothing of it is left. Once. */
  readonly onOver: () => void
}

export interface ExchangeTask extends ProxyTask {
  readonly response: ServerResponse
  /** the client is at fault and nothing was answered yet */
  readonly onRefused: (answer: Answer) => void
}

/** A proxied request and its answer. */
export class Exchange {
  readonly #task: ExchangeTask
  readonly #watch: Watch
  #outgoing: ClientRequest | null = null
  /** the client waits to be told to send its body */
  #expectsContinue = false
  #answered = false
  /** it has its end, good or bad; what else comes is its echo */
  #settled = false
  #over = false

  constructor(task: ExchangeTask) {
    this.#task = task
    this.#watch = new Watch(task.clock)
  }

  /** Something of an answer is with the client, or on its way. */
  get answering(): boolean {
    return this.#task.response.headersSent
  }

  start(): void {
    const { route, request, response, address, limits } = this.#task
    this.#expectsContinue = request.headers.expect !== undefined
    // Else the library would have sent the head before it lets go of the request.
    delete request.headers.expect
    passRequestHeaders(request.headers, { address, host: request.headers.host ?? '' })
    response.once('close', () => this.leave())
    const proxy = createProxyServer()
    proxy.on('proxyReq', outgoing => this.#onOutgoing(outgoing))
    proxy.on('proxyRes', answer => this.#onAnswer(answer))
    this.#watch.deadline(limits.proxyConnectMs, () =>
      this.#fail(504, `did not take the connection within ${seconds(limits.proxyConnectMs)}`),
    )
    void proxy.web(request, response, proxyOptions(route, limits)).then(
      () => {},
      (error: Error) => this.#fail(502, explain(error)),
    )
  }

  /** The client has broken off, or broken a rule: nothing more goes to the server behind. */
  abandon(): void {
    this.#settled = true
    this.#watch.stop()
    this.#outgoing?.destroy()
  }

  #onOutgoing(outgoing: ClientRequest): void {
    const { request, response } = this.#task
    this.#outgoing = outgoing
    if (this.#settled) {
      outgoing.destroy()
      return
    }
    // Node tells of some broken answers, such as an upgrade that nobody asked for, by this alone.
    outgoing.once('close', () => {
      if (!this.#answered) this.#fail(502, 'ended the connection without an answer')
    })
    if (this.#expectsContinue) {
      outgoing.setHeader('Expect', '100-continue')
      outgoing.once('continue', () => {
        if (!this.#expectsContinue || this.#settled || response.headersSent) return
        this.#expectsContinue = false
        response.writeContinue()
      })
    }
    // Else it would wait for the first byte of the body, which may wait for an answer.
    if (hasBody(request)) outgoing.flushHeaders()
    const connected = () => {
      if (request.complete && request.readableEnded) this.#await()
      else this.#send()
    }
    if (outgoing.socket?.connecting === true) outgoing.socket.once('connect', connected)
    else connected()
  }

  #send(): void {
    if (this.#settled || this.#answered) return
    const { request, limits } = this.#task
    request.once('end', () => this.#await())
    this.#watch.patience(
      limits.proxyIdleMs,
      () => this.#position(),
      () => {
        const idle = seconds(limits.proxyIdleMs)
        // Who is waited for: a client that was not told to go on, or the server that takes no more.
        if (this.#expectsContinue || this.#outgoing?.writableNeedDrain === true)
          this.#fail(504, `took no more of the request for ${idle}`)
        else this.#refuse(refuse(408, `nothing more of the request came for ${idle}`))
      },
    )
  }

  #await(): void {
    if (this.#settled || this.#answered) return
    const { proxyHeadersMs } = this.#task.limits
    this.#watch.deadline(proxyHeadersMs, () =>
      this.#fail(504, `did not answer within ${seconds(proxyHeadersMs)}`),
    )
  }

  #onAnswer(answer: IncomingMessage): void {
    const { response, limits } = this.#task
    const problem = judgeAnswer(answer)
    if (this.#settled || problem !== null) {
      // The answer that is given here keeps the library from passing on this one.
      if (problem !== null) this.#fail(502, problem)
      answer.destroy()
      return
    }
    this.#answered = true
    passResponseHeaders(answer.headers)
    // Who was not told to send its body may or may not send it: what follows could be either (RFC 9110 §10.1.1).
    if (!response.shouldKeepAlive || this.#expectsContinue) answer.headers.connection = 'close'
    // Node has the right words, and chokes on wrong ones.
    answer.statusMessage = ''
    this.#watch.patience(
      limits.proxyIdleMs,
      () => this.#position(),
      () => this.#fail(502, `its answer did not move for ${seconds(limits.proxyIdleMs)}`),
    )
  }

  /** Grows while the bodies move. */
  #position(): number {
    const backend = this.#outgoing?.socket
    const { response } = this.#task
    return (backend?.bytesRead ?? 0) + (backend?.bytesWritten ?? 0) - response.writableLength
  }

  #fail(status: 502 | 504, detail: string): void {
    if (this.#settled) return
    const { response, onFailed } = this.#task
    const sentence = `the server behind this path: ${detail}`
    this.abandon()
    if (response.headersSent || response.destroyed) {
      onFailed(null, detail)
      response.destroy()
      return
    }
    onFailed(status, detail)
    this.#answer(plain(status, sentence))
  }

  #refuse(answer: Answer): void {
    if (this.#settled) return
    this.abandon()
    if (this.#task.response.headersSent) this.#task.response.destroy()
    else this.#task.onRefused(answer)
  }

  /** With an end that a client which is still sending gets to see: a reset for unread bytes would overtake it. */
  #answer({ status, headers, body }: Answer): void {
    const { request, response, limits } = this.#task
    const length = { 'Content-Length': Buffer.byteLength(body) }
    if (request.complete) {
      response.writeHead(status, { ...headers, ...length })
      response.end(body)
      return
    }
    response.shouldKeepAlive = false
    response.writeHead(status, { ...headers, ...length, Connection: 'close' })
    response.write(body)
    const end = () => response.end()
    request.once('end', end)
    request.resume()
    this.#watch.deadline(limits.closeMs, end)
  }

  /** The answer is out, or the client has left. Idempotent. */
  leave(): void {
    if (this.#over) return
    this.#over = true
    const { request, limits, onOver } = this.#task
    this.abandon()
    onOver()
    if (request.complete || request.destroyed) return
    // It was answered before it had sent all, and may send the rest, but not for ever.
    this.#watch.deadline(limits.proxyIdleMs, () => request.destroy())
    request.once('close', () => this.#watch.stop())
    request.once('end', () => this.#watch.stop())
  }
}

/** What Node says of a connection that failed, in words for an operator. */
export function explain(error: Error & { readonly code?: string }): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'refused the connection'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'broke the connection off'
    case 'HPE_HEADER_OVERFLOW':
      return 'its answer has too long a head'
    default:
      return error.code?.startsWith('HPE_') ? 'its answer is no HTTP' : error.message
  }
}

export function seconds(ms: number): string {
  return `${ms / 1_000} s`
}
