import { createServer, type Server, type Socket } from 'node:net'
import type { Clock, Limits } from '../base/index.ts'
import { bind, bindPath, codeOf } from './bind.ts'
import { endInOrder, firstByte } from './first-byte.ts'
import { addressesIn, peerAddress } from './peer-address.ts'
import { acceptTcp, type TcpLimits } from './tcp.ts'
import type { Transport } from './transport.ts'

export interface TcpAddress {
  /** an IP address; the path of a unix socket */
  readonly address: string
  /** 0: a free one; of a unix socket always 0 */
  readonly port: number
}

/** Why a connection was ended before anybody heard of it. */
export type TcpRefusal = 'address not allowed' | 'too many connections' | 'TLS before the stream' | 'silent'

export interface ListenTcpOptions {
  readonly listen: readonly TcpAddress[] | { readonly path: string }
  /** CIDR blocks of those who may connect; a unix socket has its mode instead */
  readonly allow: readonly string[]
  /** at once, over all addresses; further ones are refused */
  readonly maxConnections: number
  /**
   * For protocols in which the peer speaks first: wait for the first byte, at most `limits.openMs`, and end what begins
   * with TLS, so that a server which tries that first goes on to plaintext and STARTTLS.
   */
  readonly sniffTls: boolean
  readonly limits: TcpLimits & Pick<Limits, 'openMs'>
  readonly clock: Clock
  /** Nobody has attached to it. A throw is the caller's defect. */
  readonly onTransport: (transport: Transport) => void
  /** @param address '' over a unix socket */
  readonly onRefused: (address: string, reason: TcpRefusal) => void
}

export interface TcpListener {
  readonly listening: readonly TcpAddress[]
  /** `::1` where the machine has no IPv6 */
  readonly skipped: readonly TcpAddress[]
  /** Stop listening. What has been handed over stays its owner's; who has said nothing yet is sent away in order. */
  close(): Promise<void>
}

/** Rejects with the system's error, nothing left bound, where an address cannot be had. */
export async function listenTcp(options: ListenTcpOptions): Promise<TcpListener> {
  const listener = new Listener(options)
  try {
    await listener.start()
    return listener
  } catch (error) {
    await listener.close()
    throw error
  }
}

class Listener implements TcpListener {
  readonly listening: TcpAddress[] = []
  readonly skipped: TcpAddress[] = []
  readonly #options: ListenTcpOptions
  readonly #allows: (address: string) => boolean
  readonly #servers: Server[] = []
  /** who has connected and said nothing yet */
  readonly #unheard = new Set<Socket>()
  #connections = 0

  constructor(options: ListenTcpOptions) {
    this.#options = options
    this.#allows = addressesIn(options.allow)
  }

  async start(): Promise<void> {
    const { listen } = this.#options
    if ('path' in listen) {
      await bindPath(
        this.#server(() => true),
        listen.path,
      )
      this.listening.push({ address: listen.path, port: 0 })
      return
    }
    let missing: unknown = null
    for (const wanted of listen) {
      try {
        await this.#bind(wanted)
      } catch (error) {
        if (wanted.address !== '::1' || !NO_IPV6.has(codeOf(error))) throw error
        missing = error
        this.skipped.push(wanted)
      }
    }
    if (this.listening.length === 0 && missing !== null) throw missing
  }

  close(): Promise<void> {
    const { limits, clock } = this.#options
    for (const server of this.#servers.splice(0)) server.close()
    for (const socket of this.#unheard) endInOrder(socket, limits, clock)
    this.#unheard.clear()
    // A server says that it is closed when its last connection is, which is not awaited; it has stopped listening.
    return Promise.resolve()
  }

  async #bind({ address, port }: TcpAddress): Promise<void> {
    const server = this.#server(this.#allows)
    const bound = await bind(server, { host: address, port })
    this.listening.push({ address, port: bound })
  }

  #server(allows: (address: string) => boolean): Server {
    const server = createServer({ pauseOnConnect: true }, socket => this.#onConnection(socket, allows))
    this.#servers.push(server)
    return server
  }

  #onConnection(socket: Socket, allows: (address: string) => boolean): void {
    const { limits, clock, maxConnections, sniffTls } = this.#options
    // 'close' follows; until somebody has taken the connection, there is nobody to tell.
    socket.on('error', () => {})
    const address = peerAddress(socket.remoteAddress ?? '')
    const refusal = !allows(address)
      ? 'address not allowed'
      : this.#connections >= maxConnections
        ? 'too many connections'
        : null
    if (refusal !== null) {
      socket.destroy()
      this.#options.onRefused(address, refusal)
      return
    }
    this.#connections += 1
    socket.on('close', () => {
      this.#connections -= 1
    })
    if (!sniffTls) {
      this.#handOver(socket)
      return
    }
    this.#unheard.add(socket)
    firstByte(socket, limits, clock, first => {
      // We have closed meanwhile: it is on its way out.
      if (!this.#unheard.delete(socket)) return
      if (first === 'text') {
        this.#handOver(socket)
        return
      }
      endInOrder(socket, limits, clock)
      this.#options.onRefused(address, first === 'tls' ? 'TLS before the stream' : 'silent')
    })
  }

  #handOver(socket: Socket): void {
    const { limits, clock, onTransport } = this.#options
    onTransport(acceptTcp(socket, limits, clock))
  }
}

const NO_IPV6: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT'])
