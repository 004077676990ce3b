import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Clock, Limits, LocalFailure, NetworkFailure, Timer } from '../base/index.ts'
import { Batch } from './batch.ts'
import { Delivery } from './delivery.ts'
import { Dial, type Dialled, type DialOptions, type DialTlsOptions } from './dial.ts'
import { networkFailure, timeoutFailure } from './network-failure.ts'
import { peerAddress } from './peer-address.ts'
import { type StartTlsOptions, secure } from './start-tls.ts'
import { servernameOf, tlsFacts } from './tls.ts'
import type { CloseCode, TlsFacts, Transport, TransportFacts, TransportHandler } from './transport.ts'

export type TcpLimits = Pick<
  Limits,
  'chainCertificates' | 'closeMs' | 'sendHighWaterBytes' | 'tlsHandshakeMs'
>

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
  const { remotePort = 0 } = socket
  const remoteAddress = peerAddress(socket.remoteAddress ?? '')
  return new TcpTransport(socket, { kind: 'tcp', remoteAddress, remotePort, tls }, limits, clock)
}

type TlsResult = TlsFacts | NetworkFailure | LocalFailure

/** TLS is being agreed on. */
interface Handshake {
  readonly resolve: (result: TlsResult) => void
  readonly timer: Timer
  /** what was sent meanwhile */
  readonly waiting: (Uint8Array | string)[]
}

class TcpTransport implements Transport {
  #facts: TransportFacts
  #socket: Socket
  readonly #limits: TcpLimits
  readonly #clock: Clock
  readonly #delivery: Delivery
  readonly #batch = new Batch()
  /** what this turn has sent is written at its end */
  #willFlush = false
  #wantsDrain = false
  #closing = false
  /** the peer has ended its side */
  #ended = false
  #failure: NetworkFailure | LocalFailure | null = null
  #closeTimer: Timer | null = null
  #handshake: Handshake | null = null

  constructor(socket: Socket, facts: TransportFacts, limits: TcpLimits, clock: Clock) {
    this.#facts = facts
    this.#socket = socket
    this.#limits = limits
    this.#clock = clock
    this.#delivery = new Delivery({
      read: () => this.#read(),
      fail: failure => this.#destroy(failure),
    })
    socket.setNoDelay()
    socket.on('data', this.#onData)
    this.#listen(socket)
    socket.pause()
  }

  get facts(): TransportFacts {
    return this.#facts
  }

  attach(handler: TransportHandler): void {
    this.#delivery.attach(handler)
    this.#read()
  }

  send(bytes: Uint8Array | string): boolean {
    if (!this.#socket.writable || this.#closing) return true
    if (this.#handshake !== null) {
      this.#handshake.waiting.push(bytes)
      return true
    }
    if (!this.#willFlush) {
      this.#willFlush = true
      setImmediate(endTurn, this)
    }
    this.#batch.add(bytes)
    if (this.bufferedBytes() <= this.#limits.sendHighWaterBytes) return true
    this.#flush()
    if (!this.#socket.writableNeedDrain) return true
    this.#wantsDrain = true
    return false
  }

  endTurn(): void {
    this.#willFlush = false
    this.#flush()
  }

  bufferedBytes(): number {
    return this.#socket.destroyed ? 0 : this.#batch.bytes + this.#socket.writableLength
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

  startTls(options: StartTlsOptions): Promise<TlsResult> {
    if (this.#facts.tls !== null || this.#handshake !== null) {
      throw new TypeError('a transport starts TLS once')
    }
    return new Promise(resolve => {
      const failure = this.#failure ?? (this.#ended || !this.#delivery.open ? ENDED : null)
      if (failure !== null) {
        resolve(failure)
        this.#destroy(failure)
        return
      }
      const timer = this.#clock.setTimer(this.#limits.tlsHandshakeMs, () =>
        this.#destroy(timeoutFailure('tls')),
      )
      this.#handshake = { resolve, timer, waiting: [] }
      const plain = this.#socket
      plain.pause()
      plain.off('data', this.#onData)
      this.#flush()
      // TLS writes past Node's own buffer: what was sent in plaintext must have left it.
      if (plain.writableLength === 0) this.#secure(options)
      else plain.write('', () => this.#secure(options))
    })
  }

  close(_code: CloseCode): void {
    this.#delivery.mute()
    if (this.#closing || this.#socket.destroyed) return
    if (this.#handshake !== null) {
      // Between plaintext and TLS there is no orderly end.
      this.#destroy({ by: 'us', kind: 'aborted', detail: 'we ended the transport during the TLS handshake' })
      return
    }
    this.#closing = true
    this.#flush()
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

  /** Give the kernel what this turn has sent so far. */
  #flush(): void {
    if (this.#batch.bytes === 0) return
    const bytes = this.#batch.take()
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  #read(): void {
    if (this.#handshake === null) this.#socket.resume()
  }

  #listen(socket: Socket): void {
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  #secure(options: StartTlsOptions): void {
    const plain = this.#socket
    if (this.#handshake === null || plain.destroyed) return
    plain.off('drain', this.#onDrain)
    plain.off('end', this.#onEnd)
    plain.off('close', this.#onClose)
    const tls = secure(plain, options, this.#limits, facts => this.#onSecured(facts))
    this.#socket = tls
    this.#listen(tls)
    tls.pause()
  }

  #onSecured(tls: TlsFacts): void {
    const handshake = this.#handshake
    if (handshake === null || this.#socket.destroyed) return
    this.#handshake = null
    handshake.timer.cancel()
    this.#facts = { ...this.#facts, tls }
    this.#socket.on('data', this.#onData)
    for (const bytes of handshake.waiting) this.send(bytes)
    handshake.resolve(tls)
    // The caller hears of TLS before it hears what comes over it.
    setImmediate(() => {
      if (!this.#delivery.paused) this.#read()
    })
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#delivery.activity()
    this.#delivery.message(chunk)
  }

  readonly #onDrain = (): void => {
    if (!this.#wantsDrain) return
    this.#wantsDrain = false
    this.#delivery.drain()
  }

  readonly #onEnd = (): void => {
    this.#ended = true
  }

  readonly #onError = (error: Error): void => {
    this.#destroy(networkFailure(error, this.#handshake === null ? 'open' : 'tls'))
  }

  /**
   * With a reset where Node can: an end would look like an orderly one. It cannot over TLS, nor after our end, and a unix
   * socket has none.
   */
  #destroy(failure: NetworkFailure | LocalFailure): void {
    this.#failure ??= failure
    const hasReset = this.#facts.remoteAddress !== '' && !(this.#socket instanceof TLSSocket)
    if (hasReset && !this.#closing) this.#socket.resetAndDestroy()
    else this.#socket.destroy()
  }

  readonly #onClose = (): void => {
    this.#closeTimer?.cancel()
    const handshake = this.#handshake
    if (handshake === null) {
      this.#delivery.closed(this.#failure ?? (this.#ended ? null : LOST))
      return
    }
    this.#handshake = null
    handshake.timer.cancel()
    const failure = this.#failure ?? networkFailure(new Error('the peer ended the connection'), 'tls')
    handshake.resolve(failure)
    // The caller hears of it first.
    setImmediate(() => this.#delivery.closed(failure))
  }
}

const LOST = { by: 'network', kind: 'closed', detail: 'the connection was lost' } as const
const ENDED = { by: 'network', kind: 'closed', detail: 'the connection had ended before TLS' } as const

function endTurn(transport: TcpTransport): void {
  transport.endTurn()
}
