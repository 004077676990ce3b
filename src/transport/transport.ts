import type { LocalFailure, NetworkFailure } from '../base/index.ts'
import type { StartTlsOptions } from './start-tls.ts'

/** What TLS said: facts, never a verdict. */
export interface TlsFacts {
  /** 'TLSv1.3'; 'proxy' where a proxy has ended it */
  readonly protocol: string
  readonly cipher: string
  /** SNI: sent by us (initiating) or by the peer (receiving); '' for none */
  readonly servername: string
  /** the peer's certificates as DER, leaf first, as far as Node shows them; empty without a certificate */
  readonly chain: readonly Uint8Array[]
  /**
   * Node's own word: 'authorized', an error code such as 'INVALID_PURPOSE', or 'none' without a certificate; 'forwarded'
   * where a proxy has ended TLS and hands on what it was shown
   */
  readonly nodeVerdict: string
}

export interface TransportFacts {
  readonly kind: 'websocket' | 'tcp' | 'memory'
  readonly remoteAddress: string
  readonly remotePort: number
  /** null: there is none, or a proxy has ended it and hands on no certificate */
  readonly tls: TlsFacts | null
  /** a proxy in front of us has ended TLS; the address is the one that it names */
  readonly proxied?: boolean
}

/**
 * Who is told what arrives. Called from the event loop, never from within a method of the transport. A handler that
 * throws ends its own transport (`us.internal`) and no other.
 */
export interface TransportHandler {
  /**
   * WebSocket: one whole text message of valid UTF-8. TCP: a chunk. Not called between pause and resume.
   * The bytes are the handler's to keep, but may be a view into a larger read buffer: copy what is kept for long.
   */
  onMessage(bytes: Uint8Array): void
  /** any sign of life, pongs and pings included */
  onActivity(): void
  /** The peer has answered this ping of ours: it has taken all that was sent before. Also while paused. */
  onPong?(id: number): void
  /** `send` had returned false and all of it has gone to the kernel */
  onDrain(): void
  /**
   * The peer began a message above the limit, whose bytes are thrown away; nothing more arrives. The handler may still
   * send, then ends with close(1009) (WS-49). Without this method the transport does so at once.
   */
  onOversize?(): void
  /** exactly once, last. null: the peer and we closed in order */
  onClosed(failure: NetworkFailure | LocalFailure | null): void
}

/** Codes of RFC 6455 §7.4 that we send (WS-48); other wires ignore them. */
export type CloseCode = 1000 | 1001 | 1002 | 1003 | 1007 | 1008 | 1009 | 1011

/** Moves messages; knows no XMPP. */
export interface Transport {
  /** after startTls others than before */
  readonly facts: TransportFacts
  /** Once. Nothing is read before, and nothing lost: what happened meanwhile is told afterwards. */
  attach(handler: TransportHandler): void
  /**
   * A string or UTF-8 bytes, which must not be changed afterwards.
   * @returns false when more than the high-water mark is buffered: stop until onDrain. Never throws; ignored after close.
   */
  send(bytes: Uint8Array | string): boolean
  /** bytes accepted by `send` that the kernel has not taken */
  bufferedBytes(): number
  /** stop and go on reading from the peer: backpressure. Idempotent. What arrived before the peer's end comes before it. */
  pause(): void
  resume(): void
  /** The largest message accepted from now on; until then it is `preAuthStanzaBytes`. Message wires only. */
  setMaxMessageBytes(bytes: number): void
  /**
   * Liveness probe. The answer is onPong with the same id; the answer to a later ping may come in its place.
   * @param id a natural number below 2^32
   * @returns false where the wire has none: silence means nothing there
   */
  ping(id: number): boolean
  /**
   * TCP: TLS from here on, as agreed on in the stream; once, on a transport without TLS that has a handler. What was sent
   * goes out first. Nothing is handed over and what is sent waits until it resolves; then `facts.tls` is set and reading
   * goes on. What the peer had sent and the handler has not seen is taken as TLS; text that the handler holds from
   * before is its to throw away (RFC 6120 §5.4.3.3). Never rejects; a failure ends the transport: onClosed follows with
   * it, or with the end that had come before.
   */
  startTls?(options: StartTlsOptions): Promise<TlsFacts | NetworkFailure | LocalFailure>
  /** Orderly end: what was sent is flushed, then the wire's close. Only onClosed follows, within the close deadline. */
  close(code: CloseCode, reason?: string): void
  /** End at once. Only onClosed follows. */
  abort(): void
}
