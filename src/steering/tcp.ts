import { createServer, type Socket } from 'node:net'
import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Endpoint } from './endpoint.ts'
import type { Responder } from './responder.ts'
import { forTcp, TcpMessages } from './tcp-messages.ts'
import type { Bound } from './udp.ts'

export interface TcpOptions {
  readonly responder: Responder
  readonly limits: Pick<
    Limits,
    'steeringConnections' | 'steeringPipelined' | 'steeringIdleMs' | 'steeringQueryBytes'
  >
  readonly clock: Clock
}

/** Rejects where the address cannot be had. */
export function listenTcp({ address, port }: Endpoint, options: TcpOptions): Promise<Bound> {
  const sockets = new Set<Socket>()
  // Some end their side behind the last question.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    new Connection(socket, options).start()
  })
  server.maxConnections = options.limits.steeringConnections
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, ipv6Only: true, exclusive: true }, () => {
      server.off('error', reject)
      // E.g. no descriptors left: the kernel keeps the connection for later.
      server.on('error', () => {})
      const bound = server.address()
      resolve({
        port: bound === null || typeof bound === 'string' ? port : bound.port,
        close: () =>
          new Promise(closed => {
            server.close(() => closed())
            for (const socket of sockets) socket.destroy()
          }),
      })
    })
  })
}

/** Questions of one connection, answered as their answers come (RFC 7766 §6.2.1.1). */
class Connection {
  readonly #socket: Socket
  readonly #options: TcpOptions
  readonly #messages: TcpMessages
  /** read from the socket, and not looked at yet */
  #ahead: Buffer = Buffer.alloc(0)
  #unanswered = 0
  /** answers that the kernel has not taken */
  #unsent = 0
  #ended = false
  #idle: Timer

  constructor(socket: Socket, options: TcpOptions) {
    this.#socket = socket
    this.#options = options
    this.#messages = new TcpMessages(options.limits.steeringQueryBytes)
    this.#idle = this.#armIdle()
  }

  start(): void {
    const socket = this.#socket
    socket.on('data', chunk => {
      this.#ahead = this.#ahead.length === 0 ? chunk : Buffer.concat([this.#ahead, chunk])
      this.#advance()
    })
    socket.on('end', () => {
      this.#ended = true
      this.#endIfDone()
    })
    socket.on('error', () => {})
    socket.on('close', () => this.#idle.cancel())
  }

  #advance(): void {
    const { steeringPipelined } = this.#options.limits
    while (this.#ahead.length > 0 && this.#unanswered + this.#unsent < steeringPipelined) {
      const read = this.#messages.read(this.#ahead)
      if (read === null) {
        this.#socket.destroy()
        return
      }
      this.#ahead = this.#ahead.subarray(read.taken)
      if (read.message !== null) this.#answer(read.message)
    }
    if (this.#ahead.length > 0) this.#socket.pause()
    else this.#socket.resume()
  }

  #answer(message: Buffer): void {
    this.#unanswered += 1
    this.#progress()
    void this.#options.responder.respond(message, 'tcp').then(answer => {
      this.#unanswered -= 1
      if (this.#socket.destroyed) return
      if (answer === null) {
        this.#continue()
        return
      }
      this.#unsent += 1
      this.#socket.write(forTcp(answer), () => {
        this.#unsent -= 1
        this.#continue()
      })
    })
  }

  #continue(): void {
    if (this.#socket.destroyed) return
    this.#progress()
    this.#advance()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#ended && this.#unanswered + this.#unsent === 0 && this.#ahead.length === 0) this.#socket.end()
  }

  #progress(): void {
    this.#idle.cancel()
    this.#idle = this.#armIdle()
  }

  #armIdle(): Timer {
    return this.#options.clock.setTimer(this.#options.limits.steeringIdleMs, () => {
      // It waits for us; what waits has a deadline of its own.
      if (this.#unanswered > 0) this.#progress()
      else this.#socket.destroy()
    })
  }
}
