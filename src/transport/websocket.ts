import type { Duplex } from 'node:stream'
import { type RawData, WebSocket } from 'ws'
import type { Clock, Limits, LocalFailure, NetworkFailure } from '../base/index.ts'
import { Delivery } from './delivery.ts'
import { FrameBatch } from './frame-batch.ts'
import { closedFailure, networkFailure, protocolFailure } from './network-failure.ts'
import type { CloseCode, Transport, TransportFacts, TransportHandler } from './transport.ts'
import { WebSocketReading } from './websocket-reading.ts'

/** The limits that a WebSocket keeps by itself. */
export type WebSocketLimits = Pick<
  Limits,
  | 'stanzaBytes'
  | 'preAuthStanzaBytes'
  | 'fragments'
  | 'bufferedChunks'
  | 'pingsPerSecond'
  | 'messageMs'
  | 'closeMs'
  | 'sendHighWaterBytes'
>

/** Settings of `ws` for both roles. */
export function webSocketSettings(limits: WebSocketLimits) {
  return {
    // WS-15: never compressed; `ws` offers it by itself.
    perMessageDeflate: false,
    // The largest that is ever allowed; FrameMeter keeps the smaller limit of the moment.
    maxPayload: limits.stanzaBytes,
    maxFragments: limits.fragments,
    maxBufferedChunks: limits.bufferedChunks,
    closeTimeout: limits.closeMs,
    autoPong: false,
  }
}

const SECOND_MS = 1_000
/** RFC 6455 §5.5: a control frame's payload is at most 125 bytes, two of them the code. */
const REASON_BYTES = 123

/** An open WebSocket of `ws` as a Transport. It must be made in the turn in which the WebSocket opened. */
export class WebSocketTransport implements Transport {
  readonly facts: TransportFacts
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly #limits: WebSocketLimits
  readonly #clock: Clock
  readonly #delivery: Delivery
  readonly #reading: WebSocketReading
  #controls = 0
  #controlsSinceMs = 0
  readonly #batch: FrameBatch
  /** what this turn has sent is written at its end */
  #willFlush = false
  #wantsDrain = false
  /** we sent the first close frame */
  #closing = false
  /** nothing that arrives is looked at any longer */
  #deaf = false
  #failure: NetworkFailure | LocalFailure | null = null

  constructor(options: {
    readonly ws: WebSocket
    readonly socket: Duplex
    readonly facts: TransportFacts
    readonly limits: WebSocketLimits
    readonly clock: Clock
    readonly role: 'client' | 'server'
  }) {
    const { ws, socket } = options
    this.facts = options.facts
    this.#ws = ws
    this.#socket = socket
    this.#limits = options.limits
    this.#clock = options.clock
    this.#delivery = new Delivery({ read: () => this.#read(), fail: failure => this.#end(failure) })
    this.#batch = new FrameBatch(options.role === 'client')
    ws.on('message', (data, binary) => this.#onMessage(data, binary))
    ws.on('ping', data => this.#onPing(data))
    ws.on('pong', data => this.#onPong(data))
    ws.on('error', error => this.#onError(error))
    ws.on('close', (code, reason) => this.#onClose(code, reason))
    this.#reading = new WebSocketReading({
      ...options,
      masked: options.role === 'server',
      isOpen: () => ws.readyState === WebSocket.OPEN,
      onMessage: message => this.#delivery.message(message),
      // It answers a close frame at once: what was sent before that goes out first.
      beforeWs: () => this.#flush(),
      onActivity: () => this.#delivery.activity(),
      onOversize: () => this.#oversize(),
      onSlow: () => this.#refuse(1008, 'message too slow'),
    })
    socket.on('drain', () => this.#onDrain())
    socket.on('error', error => {
      this.#failure ??= networkFailure(error, 'open')
    })
    ws.pause()
  }

  attach(handler: TransportHandler): void {
    this.#delivery.attach(handler)
    this.#read()
  }

  send(bytes: Uint8Array | string): boolean {
    if (this.#ws.readyState !== WebSocket.OPEN) return true
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
    return this.#ws.readyState === WebSocket.CLOSED ? 0 : this.#batch.bytes + this.#ws.bufferedAmount
  }

  pause(): void {
    if (!this.#delivery.open) return
    this.#delivery.pause()
    this.#ws.pause()
  }

  resume(): void {
    if (this.#delivery.paused) this.#reading.resume()
    this.#delivery.resume()
  }

  setMaxMessageBytes(bytes: number): void {
    if (!this.#closing) this.#reading.maxMessageBytes = Math.min(bytes, this.#limits.stanzaBytes)
  }

  ping(id: number): boolean {
    this.#flush()
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping(String(id))
    return true
  }

  close(code: CloseCode, reason = ''): void {
    this.#delivery.mute()
    this.#close(code, reason)
  }

  abort(): void {
    this.#delivery.mute()
    this.#failure ??= { by: 'us', kind: 'aborted', detail: 'we ended the transport at once' }
    this.#ws.terminate()
  }

  /** Give the kernel what this turn has sent so far: before `ws` writes anything, so that all goes out in order. */
  #flush(): void {
    if (this.#batch.bytes === 0) return
    const frames = this.#batch.take()
    if (this.#ws.readyState === WebSocket.OPEN) this.#socket.write(frames)
  }

  #read(): void {
    this.#ws.resume()
  }

  #close(code: CloseCode, reason: string): void {
    if (this.#ws.readyState !== WebSocket.OPEN) return
    this.#closing = true
    // Only the peer's close frame is looked for from now on.
    this.#reading.maxMessageBytes = Number.POSITIVE_INFINITY
    // In one piece with our last words.
    this.#socket.cork()
    this.#flush()
    this.#ws.close(code, cutToBytes(reason, REASON_BYTES))
    this.#socket.uncork()
    // The peer's close frame cannot be found any more behind what we do not read: end our side at once.
    if (this.#deaf) this.#socket.end()
    // It is found only if we read on.
    this.#delivery.resume()
    this.#ws.resume()
  }

  #onMessage(data: RawData, binary: boolean): void {
    this.#reading.told()
    if (this.#deaf) return
    // WS-20: `ws` delivers binary messages; we take none.
    if (binary || !(data instanceof Uint8Array)) this.#refuse(1003, 'binary message')
    else if (data.length > this.#reading.maxMessageBytes) this.#oversize()
    else this.#delivery.message(data)
  }

  /**
   * WS-62: answered with the same payload, behind what arrived before it: `ws` would answer while we hold messages back.
   */
  #onPing(data: Uint8Array): void {
    this.#onControl()
    this.#delivery.afterHeld(() => {
      // Who reads no answers gets none: RFC 6455 §5.5.3 lets a later pong stand for several pings.
      const { OPEN } = WebSocket
      if (this.#deaf || this.#ws.readyState !== OPEN) return
      if (this.bufferedBytes() > this.#limits.sendHighWaterBytes) return
      this.#flush()
      this.#ws.pong(data)
    })
  }

  #onPong(data: Uint8Array): void {
    this.#onControl()
    if (this.#deaf) return
    const id = idOf(data)
    if (id !== null) this.#delivery.pong(id)
  }

  #onControl(): void {
    if (this.#deaf) return
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#controlsSinceMs >= SECOND_MS) {
      this.#controlsSinceMs = nowMs
      this.#controls = 0
    }
    this.#controls += 1
    if (this.#controls > this.#limits.pingsPerSecond) this.#refuse(1008, 'too many pings')
  }

  #onDrain(): void {
    if (!this.#wantsDrain) return
    this.#wantsDrain = false
    this.#delivery.drain()
  }

  /** The announced or real size is above the limit: WS-49. */
  #oversize(): void {
    this.#listenNoMore()
    this.#failure ??= {
      by: 'network',
      kind: 'closed',
      detail: 'the peer sent a message above the size limit',
    }
    if (!this.#delivery.oversize()) this.close(1009, 'message too big')
  }

  /** The peer broke a rule that `ws` leaves to us. */
  #refuse(code: CloseCode, reason: string): void {
    this.#listenNoMore()
    this.#end(
      { by: 'network', kind: 'closed', detail: `the peer broke a WebSocket rule: ${reason}` },
      code,
      reason,
    )
  }

  /** `ws` could not write, or found the frames wrong; it has begun to close. */
  #onError(error: Error): void {
    this.#deaf = true
    this.#reading.stop()
    this.#failure ??= protocolFailure(error) ?? networkFailure(error, 'open')
    this.#delivery.mute()
  }

  #end(failure: NetworkFailure | LocalFailure, code: CloseCode = 1011, reason = ''): void {
    this.#failure ??= failure
    this.close(code, reason)
  }

  /** Read on, or the reset that unread bytes provoke would eat our last words, but throw away what arrives. */
  #listenNoMore(): void {
    if (this.#deaf) return
    this.#deaf = true
    this.#reading.stop()
    this.#socket.resume()
  }

  #onClose(code: number, reason: Buffer): void {
    this.#delivery.closed(this.#failure ?? this.#ended(code, reason.toString()))
  }

  #ended(code: number, reason: string): NetworkFailure | null {
    const answered = code !== NO_CLOSE_FRAME
    if (answered) return this.#closing ? null : closedFailure(code, reason)
    const detail = this.#closing
      ? 'the peer did not answer our close'
      : 'the peer ended the connection without a WebSocket close'
    return { by: 'network', kind: 'closed', detail }
  }
}

/** What `ws` reports where the peer sent no close frame. */
const NO_CLOSE_FRAME = 1006

/** null: no ping of ours */
function idOf(payload: Uint8Array): number | null {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('latin1')
  return /^\d{1,10}$/.test(text) ? Number(text) : null
}

function endTurn(transport: WebSocketTransport): void {
  transport.endTurn()
}

function cutToBytes(text: string, bytes: number): string {
  let cut = text
  while (Buffer.byteLength(cut) > bytes) cut = cut.slice(0, -1)
  return cut
}
