import type { Clock, Limits, LocalFailure, NetworkFailure, Timer } from '../base/index.ts'
import { Delivery } from './delivery.ts'
import { closedFailure } from './network-failure.ts'
import type { CloseCode, Transport, TransportFacts, TransportHandler } from './transport.ts'

export interface MemoryTransportOptions {
  /** 'message' (default): one send, one onMessage. 'chunk': a stream of bytes, cut as `cut` says. */
  readonly mode?: 'message' | 'chunk'
  /** 'chunk': bytes of the next chunk, 1 to `available`; default: one send, one chunk */
  readonly cut?: (available: number) => number
  /** whether the wire has a liveness probe; default: yes */
  readonly pings?: boolean
  /** runs one delivery later; default: a microtask. Tests that step through deliveries pass their own. */
  readonly schedule?: (action: () => void) => void
  /** for the close deadline; without a clock there is none */
  readonly clock?: Clock
  readonly limits: Pick<Limits, 'sendHighWaterBytes' | 'preAuthStanzaBytes' | 'closeMs'>
  /** what each end sees of the other */
  readonly facts?: {
    readonly initiating?: Partial<TransportFacts>
    readonly receiving?: Partial<TransportFacts>
  }
}

export interface MemoryTransport extends Transport {
  /** The wire breaks: both ends are told `closed`, what is under way is lost. */
  cut(detail?: string): void
}

/** Two connected transports in one process, deterministic: one delivery at a time, in the order of the sends. */
export function memoryTransportPair(options: MemoryTransportOptions): {
  readonly initiating: MemoryTransport
  readonly receiving: MemoryTransport
} {
  const initiating = new MemoryEnd(options, options.facts?.initiating ?? {})
  const receiving = new MemoryEnd(options, options.facts?.receiving ?? {})
  initiating.connect(receiving)
  receiving.connect(initiating)
  return { initiating, receiving }
}

type Item =
  | { readonly type: 'bytes'; bytes: Uint8Array }
  | { readonly type: 'ping' | 'pong'; readonly id: number }
  | { readonly type: 'close'; readonly code: CloseCode; readonly reason: string }

class MemoryEnd implements MemoryTransport {
  readonly facts: TransportFacts
  readonly #options: MemoryTransportOptions
  readonly #delivery: Delivery
  readonly #schedule: (action: () => void) => void
  #peer: MemoryEnd | null = null
  /** what the peer sent and we have not delivered: its send buffer */
  #inbox: Item[] = []
  #inboxBytes = 0
  #attached = false
  #scheduled = false
  #maxMessageBytes: number
  #wantsDrain = false
  #closing = false
  #gone = false
  #discarding = false
  #closeTimer: Timer | null = null

  constructor(options: MemoryTransportOptions, facts: Partial<TransportFacts>) {
    this.#options = options
    this.facts = { kind: 'memory', remoteAddress: '127.0.0.1', remotePort: 0, tls: null, ...facts }
    this.#schedule = options.schedule ?? queueMicrotask
    this.#maxMessageBytes = options.limits.preAuthStanzaBytes
    this.#delivery = new Delivery({ read: () => this.#wake(), fail: failure => this.#break(failure) })
  }

  connect(peer: MemoryEnd): void {
    this.#peer = peer
  }

  attach(handler: TransportHandler): void {
    this.#delivery.attach(handler)
    this.#attached = true
    this.#wake()
  }

  send(bytes: Uint8Array | string): boolean {
    const peer = this.#peer
    if (this.#closing || this.#gone || peer === null) return true
    peer.put({ type: 'bytes', bytes: typeof bytes === 'string' ? Buffer.from(bytes) : bytes })
    if (peer.unreadBytes() <= this.#options.limits.sendHighWaterBytes) return true
    this.#wantsDrain = true
    return false
  }

  bufferedBytes(): number {
    return this.#peer?.unreadBytes() ?? 0
  }

  pause(): void {
    this.#delivery.pause()
  }

  resume(): void {
    this.#delivery.resume()
  }

  setMaxMessageBytes(bytes: number): void {
    this.#maxMessageBytes = bytes
  }

  ping(id: number): boolean {
    if (this.#options.pings === false) return false
    if (!this.#closing && !this.#gone) this.#peer?.put({ type: 'ping', id })
    return true
  }

  close(code: CloseCode, reason = ''): void {
    if (this.#closing || this.#gone) return
    this.#closing = true
    this.#delivery.mute()
    this.#peer?.put({ type: 'close', code, reason })
    const { clock, limits } = this.#options
    this.#closeTimer =
      clock?.setTimer(limits.closeMs, () =>
        this.#break({ by: 'network', kind: 'timeout', detail: 'the peer did not answer the close in time' }),
      ) ?? null
    // The peer's answer is read even where we had paused.
    this.#delivery.resume()
    this.#wake()
  }

  abort(): void {
    if (this.#gone) return
    this.#delivery.mute()
    this.#break({ by: 'us', kind: 'aborted', detail: 'we ended the transport at once' })
  }

  cut(detail = 'the wire broke'): void {
    this.#break({ by: 'network', kind: 'closed', detail })
  }

  // -- called by the other end ----------------------------------------------------------------------------------------

  unreadBytes(): number {
    return this.#inboxBytes
  }

  put(item: Item): void {
    if (this.#gone) return
    this.#inbox.push(item)
    if (item.type === 'bytes') this.#inboxBytes += item.bytes.length
    this.#wake()
  }

  drained(): void {
    if (!this.#wantsDrain || this.#gone) return
    this.#wantsDrain = false
    this.#delivery.drain()
  }

  lose(failure: NetworkFailure | LocalFailure): void {
    if (this.#gone) return
    this.#gone = true
    this.#closeTimer?.cancel()
    this.#inbox = []
    this.#inboxBytes = 0
    this.#schedule(() => this.#delivery.closed(failure))
  }

  // -- own -----------------------------------------------------------------------------------------------------------

  #wake(): void {
    if (!this.#attached || this.#scheduled || this.#inbox.length === 0 || this.#delivery.paused) return
    this.#scheduled = true
    this.#schedule(() => {
      this.#scheduled = false
      this.#step()
    })
  }

  #step(): void {
    if (this.#gone || this.#delivery.paused) return
    const item = this.#inbox[0]
    if (item === undefined) return
    if (item.type === 'bytes') this.#takeBytes(item)
    else {
      this.#inbox.shift()
      if (item.type === 'close') this.#closedByPeer(item)
      else {
        this.#delivery.activity()
        if (item.type === 'pong') this.#delivery.pong(item.id)
        else this.#delivery.afterHeld(() => this.#peer?.put({ type: 'pong', id: item.id }))
      }
    }
    if (this.#gone) return
    if (this.#inboxBytes === 0) this.#peer?.drained()
    this.#wake()
  }

  #takeBytes(item: { bytes: Uint8Array }): void {
    let bytes = item.bytes
    if (this.#options.mode === 'chunk') bytes = this.#nextChunk(item)
    else this.#inbox.shift()
    this.#inboxBytes -= bytes.length
    if (this.#discarding) return
    this.#delivery.activity()
    if (this.#options.mode !== 'chunk' && bytes.length > this.#maxMessageBytes) {
      this.#discarding = true
      if (!this.#delivery.oversize()) this.close(1009, 'message too big')
      return
    }
    this.#delivery.message(bytes)
  }

  /** Sends run together as on a real stream: the end of one is not the end of a chunk. */
  #nextChunk(first: { bytes: Uint8Array }): Uint8Array {
    const { cut } = this.#options
    if (cut === undefined) {
      this.#inbox.shift()
      return first.bytes
    }
    const following = this.#inbox.findIndex(item => item.type !== 'bytes')
    const run = (following === -1 ? this.#inbox : this.#inbox.slice(0, following)).flatMap(item =>
      item.type === 'bytes' ? [item.bytes] : [],
    )
    const joined = Buffer.concat(run)
    const size = Math.min(Math.max(1, cut(joined.length)), joined.length)
    const rest = joined.subarray(size)
    this.#inbox.splice(0, run.length, ...(rest.length > 0 ? [{ type: 'bytes' as const, bytes: rest }] : []))
    return joined.subarray(0, size)
  }

  #closedByPeer({ code, reason }: { code: CloseCode; reason: string }): void {
    const answered = this.#closing
    this.#closing = true
    this.#gone = true
    this.#closeTimer?.cancel()
    if (!answered) this.#peer?.put({ type: 'close', code, reason: '' })
    this.#delivery.closed(answered ? null : closedFailure(code, reason))
  }

  /** Without the wire's close: lost for both ends. */
  #break(failure: NetworkFailure | LocalFailure): void {
    if (this.#gone) return
    this.lose(failure)
    const { detail } = failure
    this.#peer?.lose(
      failure.by === 'network'
        ? failure
        : { by: 'network', kind: 'closed', detail: `connection reset: ${detail}` },
    )
  }
}
