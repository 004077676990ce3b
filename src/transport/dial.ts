import { isIP, connect as netConnect, type Socket } from 'node:net'
import { type SecureContext, connect as tlsConnect } from 'node:tls'
import type { Clock, Limits, LocalFailure, NetworkFailure, Timer } from '../base/index.ts'
import { type DialStage, networkFailure, timeoutFailure } from './network-failure.ts'
import { sniOf, tlsFacts } from './tls.ts'
import type { TlsFacts, Transport } from './transport.ts'

/** What has been reached, for those who watch. */
export type DialStep = 'connected' | 'secured' | 'vetted' | 'upgraded'

export interface DialTlsOptions<F> {
  /** SNI; '' for none (CT-12) */
  readonly servername: string
  /** of createTlsContext: our certificate and whom Node trusts */
  readonly secureContext: SecureContext
  /** judges the peer's certificate before a byte is written; a failure ends the dial with it */
  readonly vet: (tls: TlsFacts) => F | null
}

export interface DialOptions {
  /** where the socket goes: resolved and vetted by the caller (DS-60) */
  readonly address: string
  readonly port: number
  readonly limits: Pick<Limits, 'chainCertificates' | 'connectMs'>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onStep?: (step: DialStep) => void
}

export type Dialled<F, T = Transport> =
  | { readonly ok: true; readonly transport: T }
  | { readonly ok: false; readonly failure: F | NetworkFailure | LocalFailure }

/** A connection that is being made: deadline, abort and errors from the first packet to the transport. */
export class Dial<F, T = Transport> {
  readonly #options: DialOptions & { readonly tls: DialTlsOptions<F> | null }
  readonly #resolve: (result: Dialled<F, T>) => void
  readonly #stages: {
    readonly afterTls: DialStage
    readonly next: (socket: Socket, tls: TlsFacts | null) => void
  }
  #stage: DialStage = 'connect'
  #socket: Socket | null = null
  #timer: Timer | null = null
  #settled = false

  /** @param afterTls the stage that errors belong to once `next` has the socket */
  constructor(
    options: DialOptions & { readonly tls: DialTlsOptions<F> | null },
    resolve: (result: Dialled<F, T>) => void,
    afterTls: DialStage,
    next: (socket: Socket, tls: TlsFacts | null) => void,
  ) {
    if (isIP(options.address) === 0)
      throw new TypeError('address is no IP address: resolving is the caller’s part')
    this.#options = options
    this.#resolve = resolve
    this.#stages = { afterTls, next }
  }

  get settled(): boolean {
    return this.#settled
  }

  start(): void {
    const { signal, clock, limits } = this.#options
    if (signal.aborted) {
      this.#onAbort()
      return
    }
    signal.addEventListener('abort', this.#onAbort)
    this.#timer = clock.setTimer(limits.connectMs, () => this.fail(timeoutFailure(this.#stage)))
    this.#connect()
  }

  step(step: DialStep): void {
    if (!this.#settled) this.#options.onStep?.(step)
  }

  done(transport: T): void {
    this.#settle({ ok: true, transport })
  }

  fail(failure: F | NetworkFailure | LocalFailure): void {
    if (this.#settled) return
    const socket = this.#socket
    this.#settle({ ok: false, failure })
    // What errs while it is torn down is nobody's business any more.
    socket?.on('error', () => {})
    socket?.destroy()
  }

  readonly onError = (error: Error): void => {
    this.fail(networkFailure(error, this.#stage))
  }

  readonly #onSocketClose = (): void => {
    this.onError(new Error('the peer ended the connection'))
  }

  readonly #onAbort = (): void => {
    this.fail({ by: 'us', kind: 'aborted', detail: 'the caller gave up' })
  }

  #connect(): void {
    const { address, port, tls } = this.#options
    const socket = tls === null ? netConnect({ host: address, port }) : this.#connectTls(tls)
    this.#socket = socket
    socket.on('error', this.onError)
    socket.on('close', this.#onSocketClose)
    socket.once('connect', () => {
      this.#stage = 'tls'
      this.step('connected')
      if (tls === null) this.#proceed(null)
    })
  }

  #connectTls(tls: DialTlsOptions<F>): Socket {
    const servername = sniOf(tls.servername)
    const socket = tlsConnect({
      host: this.#options.address,
      port: this.#options.port,
      servername,
      secureContext: tls.secureContext,
      // Node's verdict is a fact for `vet`, who alone judges (DECISIONS 8). WS-13: no ALPN.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    socket.once('secureConnect', () => {
      if (this.#settled) return
      const facts = tlsFacts(socket, servername, this.#options.limits)
      this.step('secured')
      const failure = judge(tls.vet, facts)
      if (failure !== null) {
        this.fail(failure)
        return
      }
      this.step('vetted')
      this.#proceed(facts)
    })
    return socket
  }

  #proceed(tls: TlsFacts | null): void {
    if (this.#settled || this.#socket === null) return
    this.#stage = this.#stages.afterTls
    this.#stages.next(this.#socket, tls)
  }

  #settle(result: Dialled<F, T>): void {
    if (this.#settled) return
    this.#settled = true
    this.#timer?.cancel()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    this.#socket?.off('close', this.#onSocketClose)
    this.#socket?.off('error', this.onError)
    this.#resolve(result)
  }
}

function judge<F>(vet: (tls: TlsFacts) => F | null, facts: TlsFacts): F | LocalFailure | null {
  try {
    return vet(facts)
  } catch (error) {
    return { by: 'us', kind: 'internal', detail: `vet threw ${String(error)}` }
  }
}
