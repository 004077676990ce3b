import type { Duplex } from 'node:stream'
import type { Clock, Limits } from '../base/index.ts'
import { FrameMeter } from './frame-meter.ts'
import { PlainFrames } from './plain-frames.ts'

export interface ReadingOptions {
  /** `ws` listens to it already */
  readonly socket: Duplex
  /** frames must be masked: they come from a client */
  readonly masked: boolean
  readonly limits: Pick<Limits, 'messageMs' | 'preAuthStanzaBytes'>
  readonly clock: Clock
  /** neither side has begun to close */
  readonly isOpen: () => boolean
  readonly onMessage: (message: Buffer) => void
  /** `ws` is about to be given something that it may answer */
  readonly beforeWs: () => void
  /** a chunk has come and been read */
  readonly onActivity: () => void
  /** the message under way announces more than is accepted */
  readonly onOversize: () => void
  /** the message under way has passed its deadline */
  readonly onSlow: () => void
}

/** From chunks to messages: plain frames are read here, all else by `ws`, which tells of it itself. */
export class WebSocketReading {
  readonly #options: ReadingOptions
  readonly #meter: FrameMeter
  readonly #frames: PlainFrames
  readonly #giveToWs: (bytes: Buffer) => void
  /** monotonic; when the message under way began */
  #messageSinceMs = 0
  #messagesSeen = 0
  /** messages that `ws` has told of; only ever compared */
  #told = 0
  /** `ws` has been given something in this turn: what it finds wrong it tells when that is over */
  #judging = false
  /** nothing that arrives is looked at any longer */
  #stopped = false

  constructor(options: ReadingOptions) {
    const { socket, limits, masked } = options
    this.#options = options
    this.#meter = new FrameMeter(limits.preAuthStanzaBytes)
    this.#frames = new PlainFrames(masked)
    const listeners = socket.listeners('data')
    this.#giveToWs = bytes => {
      for (const listener of listeners) listener.call(socket, bytes)
    }
    socket.removeAllListeners('data')
    socket.on('data', chunk => this.#onData(chunk))
  }

  get maxMessageBytes(): number {
    return this.#meter.maxMessageBytes
  }

  set maxMessageBytes(bytes: number) {
    this.#meter.maxMessageBytes = bytes
  }

  /** We read again: our own waiting must not count as the peer's dribbling. */
  resume(): void {
    this.#messageSinceMs = this.#options.clock.monotonicMs()
  }

  /** `ws` has told of a message. */
  told(): void {
    this.#told += 1
  }

  /** What arrives is thrown away. */
  stop(): void {
    this.#stopped = true
  }

  #onData(chunk: Buffer): void {
    if (this.#stopped) return
    // Behind what may be wrong nothing is read that `ws` would not read.
    const rest = this.#judging ? 0 : this.#readPlain(chunk)
    if (rest < chunk.length) this.#readByWs(rest === 0 ? chunk : chunk.subarray(rest))
    if (!this.#stopped && this.#options.isOpen()) this.#options.onActivity()
  }

  /** @returns where that begins which is for `ws` */
  #readPlain(chunk: Buffer): number {
    let start = 0
    if (this.#meter.partial) {
      // `ws` has the beginning of this message already.
      start = this.#meter.missing ?? chunk.length
      if (start >= chunk.length) return 0
      const told = this.#told
      this.#readByWs(chunk.subarray(0, start))
      // It tells of a message at once.
      if (this.#told === told) return start
    }
    const { isOpen, onMessage } = this.#options
    const frames = this.#frames
    frames.begin(chunk, start)
    while (!this.#stopped && isOpen()) {
      const message = frames.next(this.#meter.maxMessageBytes)
      if (message === null) break
      onMessage(message)
    }
    frames.end()
    return frames.position
  }

  #readByWs(bytes: Buffer): void {
    const { isOpen, beforeWs, onOversize } = this.#options
    // Behind its answer to a close frame it takes nothing more.
    if (this.#stopped || this.#meter.closed) return
    beforeWs()
    this.#judge()
    this.#giveToWs(bytes)
    // What the bytes complete is delivered before they are judged.
    if (this.#stopped) return
    const wasPartial = this.#meter.partial
    const fits = this.#meter.feed(bytes)
    if (!isOpen()) return
    if (!fits) onOversize()
    else if (this.#meter.partial) this.#checkPace(wasPartial)
  }

  #judge(): void {
    if (this.#judging) return
    this.#judging = true
    // Behind all ticks, in one of which it tells.
    queueMicrotask(this.#judged)
  }

  readonly #judged = (): void => {
    this.#judging = false
  }

  /** A message under way has its deadline; a message that has just begun starts one. */
  #checkPace(wasPartial: boolean): void {
    const { clock, limits, onSlow } = this.#options
    const nowMs = clock.monotonicMs()
    if (!wasPartial || this.#meter.messages !== this.#messagesSeen) {
      this.#messagesSeen = this.#meter.messages
      this.#messageSinceMs = nowMs
    } else if (nowMs - this.#messageSinceMs > limits.messageMs) onSlow()
  }
}
