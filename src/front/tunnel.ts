import { type ClientRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { createProxyServer } from 'httpxy'
import { explain, type ProxyTask, seconds } from './exchange.ts'
import { judgeAnswer, passRequestHeaders, passUpgradeHeaders } from './proxy-headers.ts'
import { proxyOptions } from './proxy-paths.ts'
import { type Answer, plain } from './request.ts'
import { Watch } from './watch.ts'

export interface TunnelTask extends ProxyTask {
  /** the client's */
  readonly socket: Socket
  /** what it has sent already */
  readonly head: Buffer
  /** write an answer on the bare socket and let go of it */
  readonly dismiss: (answer: Answer) => void
}

/** A proxied upgrade: the request for it, then bytes both ways until one side ends. */
export class Tunnel {
  readonly #task: TunnelTask
  readonly #watch: Watch
  /** the client has been told something */
  #answered = false
  #settled = false

  constructor(task: TunnelTask) {
    this.#task = task
    this.#watch = new Watch(task.clock)
  }

  start(): void {
    const { route, request, address, limits, socket, head } = this.#task
    passRequestHeaders(request.headers, { address, host: request.headers.host ?? '' })
    socket.on('error', () => {})
    const proxy = createProxyServer()
    // Before the library's own listeners, so that it sees what was made of the answer.
    proxy.on('proxyReqWs', outgoing => this.#onOutgoing(outgoing))
    proxy.on('open', backend => this.#onOpen(backend))
    this.#watch.deadline(limits.proxyConnectMs, () =>
      this.#fail(504, `did not take the connection within ${seconds(limits.proxyConnectMs)}`),
    )
    void proxy.ws(request, socket, proxyOptions(route, limits), head).then(
      () => {},
      (error: Error) => this.#fail(502, explain(error)),
    )
  }

  #onOutgoing(outgoing: ClientRequest): void {
    const { socket, limits, onOver } = this.#task
    socket.once('close', () => {
      this.#settled = true
      this.#watch.stop()
      outgoing.destroy()
      onOver()
    })
    const connected = () => {
      if (this.#settled || this.#answered) return
      this.#watch.deadline(limits.proxyHeadersMs, () =>
        this.#fail(504, `did not answer within ${seconds(limits.proxyHeadersMs)}`),
      )
    }
    outgoing.once('socket', backend => {
      if (backend.connecting) backend.once('connect', connected)
      else connected()
    })
    outgoing.once('response', answer => this.#onRefused(answer))
    outgoing.once('upgrade', (answer, backend) => this.#onUpgrade(answer, backend))
    outgoing.once('error', error => this.#fail(502, explain(error)))
    outgoing.once('close', () => {
      if (!this.#answered) this.#fail(502, 'ended the connection without an answer')
    })
  }

  /** It takes no upgrade, and says so: the library passes that on and ends the connection. */
  #onRefused(answer: IncomingMessage): void {
    const problem = judgeAnswer(answer)
    if (this.#settled || problem !== null) {
      if (problem !== null) this.#fail(502, problem)
      answer.destroy()
      return
    }
    this.#answered = true
    answer.statusMessage = STATUS_CODES[answer.statusCode ?? 0] ?? ''
    const { socket, limits } = this.#task
    const position = () => answer.socket.bytesRead - socket.writableLength
    this.#watch.patience(limits.proxyIdleMs, position, () => socket.destroy())
    // Its last byte is out. The client ends, or is ended.
    socket.once('finish', () => this.#linger())
  }

  #onUpgrade(answer: IncomingMessage, backend: Socket): void {
    const { socket } = this.#task
    const to = answer.headers.upgrade?.toLowerCase()
    if (this.#settled || to !== 'websocket') {
      // The library is about to say 101: on a connection that is gone, nobody hears it.
      if (!this.#settled) this.#report(null, `switched to ${to ?? 'nothing'}, not to a WebSocket`)
      socket.destroy()
      backend.destroy()
      return
    }
    this.#answered = true
    passUpgradeHeaders(answer.headers)
  }

  #onOpen(backend: Socket): void {
    const { socket, limits } = this.#task
    for (const end of [socket, backend]) end.setKeepAlive(true, limits.proxyKeepAliveMs)
    this.#watch.patience(
      limits.proxyTunnelIdleMs,
      () => backend.bytesRead + backend.bytesWritten,
      () => this.#cut(backend),
    )
    for (const [one, other] of [
      [socket, backend],
      [backend, socket],
    ] as const) {
      // A WebSocket has no half: who has heard its close ends soon, or is ended. What was taken still goes out.
      one.once('close', () => {
        other.end()
        if (!other.destroyed) this.#linger(backend)
      })
    }
  }

  #linger(backend?: Socket): void {
    this.#watch.deadline(this.#task.limits.closeMs, () => this.#cut(backend))
  }

  #cut(backend?: Socket): void {
    this.#task.socket.destroy()
    backend?.destroy()
  }

  #fail(status: 502 | 504, detail: string): void {
    if (this.#settled) return
    if (this.#answered) {
      // In the middle of it: both ends hear of that from TCP.
      return
    }
    this.#report(status, detail)
    this.#answered = true
    this.#task.dismiss(plain(status, `the server behind this path: ${detail}`))
  }

  #report(status: number | null, detail: string): void {
    this.#settled = true
    this.#watch.stop()
    this.#task.onFailed(status, detail)
  }
}
