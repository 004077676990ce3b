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

/**
 * Who is connected. Of a TLS socket by both ends of the connection, because Node does not say which TCP socket is below it; a
 * unix socket has no ends.
 */
export class Connections {
  readonly #connections = new Map<Socket, Connection>()
  readonly #byEnds = new Map<string, Connection>()

  /** Until the socket closes. */
  add(socket: Socket, place: Place): void {
    const key = keyOf(socket)
    const exchanges = new Set<Exchange>()
    const connection = { place, socket, exchanges }
    this.#connections.set(socket, connection)
    if (key !== null) this.#byEnds.set(key, connection)
    socket.once('close', () => {
      // Node does not tell answers that wait for their turn.
      for (const exchange of exchanges) exchange.leave()
      this.#connections.delete(socket)
      if (key !== null) this.#byEnds.delete(key)
      place.leave()
    })
  }

  /** @param socket of TCP or TLS */
  of(socket: Duplex): Connection | null {
    if (!(socket instanceof Socket)) return null
    const key = keyOf(socket)
    return this.#connections.get(socket) ?? (key === null ? null : (this.#byEnds.get(key) ?? null))
  }

  /** proxied requests that are being answered */
  get exchanges(): number {
    let count = 0
    for (const { exchanges } of this.#connections.values()) count += exchanges.size
    return count
  }

  destroy(): void {
    for (const socket of this.#connections.keys()) socket.destroy()
  }
}

/** Both ends: one peer may use one port towards two of our addresses. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string | null {
  if (remoteAddress === undefined) return null
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
