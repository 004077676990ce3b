import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock, Limits, LocalFailure, NetworkFailure, Timer } from '../base/index.ts'
import { Delivery } from './delivery.ts'
import { Dial, type Dialled, type DialOptions, type DialTlsOptions } from './dial.ts'
import { networkFailure } from './network-failure.ts'
import { servernameOf, tlsFacts } from './tls.ts'
import type { CloseCode, Transport, TransportFacts, TransportHandler } from './transport.ts'

export type TcpLimits = Pick<Limits, 'closeMs' | 'sendHighWaterBytes' | 'chainCertificates'>

export interface DialTcpOptions<F> extends DialOptions {
  readonly limits: TcpLimits & DialOptions['limits']
  /** null: plaintext */
  readonly tls: DialTlsOptions<F> | null
}

/** Connect, TLS where wanted, vet, within `limits.connectMs`. Never rejects for what peer, network or caller do. */
export function dialTcp<F = never>(options: DialTcpOptions<F>): Promise<Dialled<F>> {
  return new Promise(resolve => {
    const dial = new Dial(options, resolve, 'open', (socket, tls) => {
      const facts = { kind: 'tcp', remoteAddress: options.address, remotePort: options.port, tls } as const
      dial.done(new TcpTransport(socket, facts, options.limits, options.clock))
    })
    dial.start()
  })
}

/** A connection that a listener has taken; where it is TLS, its handshake is done. */
export function acceptTcp(socket: Socket, limits: TcpLimits, clock: Clock): Transport {
  const tls = socket instanceof TLSSocket ? tlsFacts(socket, servernameOf(socket), limits) : null
  const { remoteAddress = '', remotePort = 0 } = socket
  return new TcpTransport(socket, { kind: 'tcp', remoteAddress, remotePort, tls }, limits, clock)
}

class TcpTransport implements Transport {
  readonly facts: TransportFacts
  readonly #socket: Socket
  readonly #limits: TcpLimits
  readonly #clock: Clock
  readonly #delivery: Delivery
  #corked = false
  #wantsDrain = false
  #closing = false
  /** the peer has ended its side */
  #ended = false
  #failure: NetworkFailure | LocalFailure | null = null
  #closeTimer: Timer | null = null

  constructor(socket: Socket, facts: TransportFacts, limits: TcpLimits, clock: Clock) {
    this.facts = facts
    this.#socket = socket
    this.#limits = limits
    this.#clock = clock
    this.#delivery = new Delivery({
      read: () => socket.resume(),
      fail: failure => this.#destroy(failure),
    })
    socket.setNoDelay()
    socket.on('data', chunk => this.#onData(chunk))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => {
      this.#ended = true
    })
    socket.on('error', error => {
      this.#failure ??= networkFailure(error, 'open')
    })
    socket.on('close', () => this.#onClose())
    socket.pause()
  }

  attach(handler: TransportHandler): void {
    this.#delivery.attach(handler)
    this.#socket.resume()
  }

  send(bytes: Uint8Array | string): boolean {
    if (!this.#socket.writable || this.#closing) return true
    // One write for all that one turn sends.
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      setImmediate(uncork, this)
    }
    this.#socket.write(bytes)
    const full = this.#socket.writableLength > this.#limits.sendHighWaterBytes
    if (!full || !this.#socket.writableNeedDrain) return true
    this.#wantsDrain = true
    this.flush()
    return false
  }

  /** Give the kernel what this turn has sent so far. */
  flush(): void {
    if (!this.#corked) return
    this.#corked = false
    this.#socket.uncork()
  }

  bufferedBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength
  }

  pause(): void {
    if (!this.#delivery.open) return
    this.#delivery.pause()
    this.#socket.pause()
  }

  resume(): void {
    this.#delivery.resume()
  }

  setMaxMessageBytes(): void {}

  ping(): boolean {
    return false
  }

  close(_code: CloseCode): void {
    this.#delivery.mute()
    if (this.#closing || this.#socket.destroyed) return
    this.#closing = true
    this.#socket.end()
    this.#closeTimer = this.#clock.setTimer(this.#limits.closeMs, () =>
      this.#destroy({ by: 'network', kind: 'timeout', detail: 'the peer did not end its side in time' }),
    )
    // Its end is found only if we read on.
    this.#delivery.resume()
    this.#socket.resume()
  }

  abort(): void {
    this.#delivery.mute()
    this.#destroy({ by: 'us', kind: 'aborted', detail: 'we ended the transport at once' })
  }

  #onData(chunk: Uint8Array): void {
    this.#delivery.activity()
    this.#delivery.message(chunk)
  }

  #onDrain(): void {
    if (!this.#wantsDrain) return
    this.#wantsDrain = false
    this.#delivery.drain()
  }

  /** With a reset where Node can: an end would look like an orderly one. It cannot over TLS, nor after our end. */
  #destroy(failure: NetworkFailure | LocalFailure): void {
    this.#failure ??= failure
    if (this.#closing || this.#socket instanceof TLSSocket) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }

  #onClose(): void {
    this.#closeTimer?.cancel()
    this.#delivery.closed(
      this.#failure ??
        (this.#ended ? null : { by: 'network', kind: 'closed', detail: 'the connection was lost' }),
    )
  }
}

function uncork(transport: TcpTransport): void {
  transport.flush()
}
