import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Place } from './admission.ts'
import type { Exchange } from './exchange.ts'

/** One that is connected to a listener. */
export interface Connection {
  readonly place: Place
  /** below TLS */
  readonly socket: Socket
  /** proxied requests that are being answered */
  readonly exchanges: Set<Exchange>
}

/** Who is connected, by both ends of the connection: Node does not say which TLS socket is over which TCP socket. */
export class Connections {
  readonly #connections = new Map<string, Connection>()

  /** Until the socket closes. */
  add(socket: Socket, place: Place): void {
    const key = keyOf(socket)
    const exchanges = new Set<Exchange>()
    this.#connections.set(key, { place, socket, exchanges })
    socket.once('close', () => {
      // Node does not tell answers that wait for their turn.
      for (const exchange of exchanges) exchange.leave()
      this.#connections.delete(key)
      place.leave()
    })
  }

  /** @param socket of TCP or TLS */
  of(socket: Duplex): Connection | null {
    return socket instanceof Socket ? (this.#connections.get(keyOf(socket)) ?? null) : null
  }

  /** proxied requests that are being answered */
  get exchanges(): number {
    let count = 0
    for (const { exchanges } of this.#connections.values()) count += exchanges.size
    return count
  }

  destroy(): void {
    for (const { socket } of this.#connections.values()) socket.destroy()
  }
}

/** Both ends: one peer may use one port towards two of our addresses. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
