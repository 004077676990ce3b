import type { LocalFailure, NetworkFailure } from '../base/index.ts'
import type { TransportHandler } from './transport.ts'

type Ending = { readonly failure: NetworkFailure | LocalFailure | null }

/** What a wire lends to its Delivery. */
interface Wire {
  /** nothing is held back any longer: read on */
  read(): void
  /** the handler threw: end this transport with the failure */
  fail(failure: LocalFailure): void
}

/**
 * Hands a wire's events to its handler by the contract's rules: nothing while paused, nothing but the end after our
 * close, the end exactly once and last, and a handler that throws ends its own transport only.
 */
export class Delivery {
  readonly #wire: Wire
  #handler: TransportHandler | null = null
  #state: 'open' | 'muted' | 'closed' = 'open'
  #paused = false
  /** what arrived while paused, and what is to be done once it has been taken, in order; bounded by one read */
  #held: (Uint8Array | (() => void))[] | null = null
  #ending: Ending | null = null
  #releaseScheduled = false

  constructor(wire: Wire) {
    this.#wire = wire
  }

  attach(handler: TransportHandler): void {
    if (this.#handler !== null) throw new TypeError('a transport has one handler')
    this.#handler = handler
    if (this.#ending !== null) this.#scheduleRelease()
  }

  get paused(): boolean {
    return this.#paused
  }

  /** false once only the end is still to be told */
  get open(): boolean {
    return this.#state === 'open'
  }

  message(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    if (this.#paused || this.#held !== null) {
      this.#held ??= []
      this.#held.push(bytes)
      return
    }
    try {
      this.#handler?.onMessage(bytes)
    } catch (error) {
      this.#defect(error)
    }
  }

  activity(): void {
    if (this.#state !== 'open') return
    try {
      this.#handler?.onActivity()
    } catch (error) {
      this.#defect(error)
    }
  }

  pong(id: number): void {
    if (this.#state !== 'open') return
    try {
      this.#handler?.onPong?.(id)
    } catch (error) {
      this.#defect(error)
    }
  }

  /** Run `action` once all that has arrived so far has been handed over; never after our close. */
  afterHeld(action: () => void): void {
    if (this.#state !== 'open') return
    if (this.#held === null) action()
    else this.#held.push(action)
  }

  drain(): void {
    if (this.#state !== 'open') return
    try {
      this.#handler?.onDrain()
    } catch (error) {
      this.#defect(error)
    }
  }

  /** @returns false where the handler leaves it to the wire */
  oversize(): boolean {
    if (this.#state !== 'open' || this.#handler?.onOversize === undefined) return false
    try {
      this.#handler.onOversize()
    } catch (error) {
      this.#defect(error)
    }
    return true
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    if (this.#held === null && this.#ending === null) this.#wire.read()
    else this.#scheduleRelease()
  }

  /** We close: from now on only the end is told. */
  mute(): void {
    if (this.#state !== 'open') return
    this.#state = 'muted'
    this.#held = null
    if (this.#ending !== null) this.#scheduleRelease()
  }

  /** The wire has ended. Told after what is still held; only the first call counts. */
  closed(failure: NetworkFailure | LocalFailure | null): void {
    if (this.#state === 'closed' || this.#ending !== null) return
    this.#ending = { failure }
    if (this.#handler === null) return
    if (this.#state === 'muted' || this.#held === null) this.#end(this.#ending)
  }

  /** Later, because a caller does not expect its handler to be called from within a method. */
  #scheduleRelease(): void {
    if (this.#releaseScheduled) return
    this.#releaseScheduled = true
    queueMicrotask(() => this.#release())
  }

  #release(): void {
    this.#releaseScheduled = false
    const held = this.#held
    this.#held = null
    if (held !== null) {
      for (const [index, item] of held.entries()) {
        if (this.#paused) {
          this.#held = held.slice(index)
          return
        }
        if (typeof item === 'function') item()
        else this.message(item)
      }
    }
    if (this.#ending !== null) this.#end(this.#ending)
    else if (!this.#paused) this.#wire.read()
  }

  #end(ending: Ending): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#held = null
    try {
      this.#handler?.onClosed(ending.failure)
    } catch {
      // It was the last call and the wire is gone: there is nothing left to end, and no one to tell.
    }
  }

  #defect(error: unknown): void {
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.mute()
    this.#wire.fail({ by: 'us', kind: 'internal', detail: `a handler threw ${detail}` })
  }
}
