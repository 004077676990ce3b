import type { ScannedElement, XmlLimits, XmlViolation } from './scanned.ts'
import { ELEMENT, END, FAILED, HEADER, Scanner } from './scanner.ts'
import { toBuffer } from './text.ts'
import { FAULT, violationAt } from './violation.ts'

export type StreamEvent =
  /** the root's start tag, as an element without content */
  | { readonly type: 'header'; readonly element: ScannedElement }
  | { readonly type: 'element'; readonly element: ScannedElement }
  | { readonly type: 'end' }
  | { readonly type: 'violation'; readonly violation: XmlViolation }

/**
 * One XML stream, in chunks cut anywhere: the events depend on the bytes alone. White space between elements says
 * nothing. After `end` and after a violation nothing more comes. The bytes given are kept as long as elements that were
 * made from them; whoever gives them does not write to them again.
 */
export class StreamScanner {
  readonly #scanner: Scanner
  /** an element that is not complete yet; our own bytes */
  #pending: Buffer = EMPTY
  #length = 0
  #isOver = false

  constructor(limits: XmlLimits) {
    this.#scanner = new Scanner(limits, true)
  }

  /** From the next top-level element on. */
  setLimits(limits: XmlLimits): void {
    this.#scanner.setLimits(limits)
  }

  /** A new document begins with the next byte (RFC 6120 §4.3.3). The peer must not have begun it before. */
  restart(): void {
    this.#isOver = false
    if (this.#scanner.isInside) this.#scanner.fault = FAULT.restart
    else this.#scanner.reset()
  }

  push(chunk: Uint8Array): readonly StreamEvent[] {
    if (this.#isOver) return NOTHING
    const scanner = this.#scanner
    const events: StreamEvent[] = []
    if (scanner.fault !== null) return this.#refuse(events)
    const bytes = this.#take(chunk)
    for (;;) {
      switch (scanner.run()) {
        case HEADER:
          events.push({ type: 'header', element: scanner.take() })
          break
        case ELEMENT:
          events.push({ type: 'element', element: scanner.take() })
          break
        case END:
          this.#finish()
          events.push({ type: 'end' })
          return events
        case FAILED:
          return this.#refuse(events)
        default:
          this.#keep(bytes)
          return events
      }
    }
  }

  /** What is to be scanned: the chunk itself where nothing is pending, so that whole elements are not copied here. */
  #take(chunk: Uint8Array): Buffer {
    if (this.#length === 0) {
      const bytes = toBuffer(chunk)
      this.#scanner.feed(bytes, bytes.length, this.#scanner.retainedFrom)
      return bytes
    }
    this.#reserve(this.#length + chunk.length)
    this.#pending.set(chunk, this.#length)
    this.#length += chunk.length
    this.#scanner.feed(this.#pending, this.#length, 0)
    return this.#pending
  }

  /** Doubles, so that an element in a thousand pieces is copied a few times, not a thousand. */
  #reserve(length: number): void {
    if (length <= this.#pending.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#pending.length))
    this.#pending.copy(larger, 0, 0, this.#length)
    this.#pending = larger
  }

  /** Keeps the bytes of the element under way. Elements already made may hold the old buffer: it is not used again. */
  #keep(bytes: Buffer): void {
    const from = this.#scanner.retainedFrom
    const end = bytes === this.#pending ? this.#length : bytes.length
    if (bytes === this.#pending && from === 0 && end > 0) return
    if (from === end) {
      this.#pending = EMPTY
      this.#length = 0
      this.#scanner.release()
      return
    }
    if (bytes !== this.#pending) this.#scanner.release()
    this.#pending = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, end - from))
    bytes.copy(this.#pending, 0, from, end)
    this.#length = end - from
    this.#scanner.feed(this.#pending, this.#length, from)
  }

  #refuse(events: StreamEvent[]): readonly StreamEvent[] {
    const fault = this.#scanner.fault
    const offset = this.#scanner.offset
    this.#finish()
    if (fault !== null) events.push({ type: 'violation', violation: violationAt(offset, fault) })
    return events
  }

  #finish(): void {
    this.#isOver = true
    this.#pending = EMPTY
    this.#length = 0
    this.#scanner.reset()
    this.#scanner.release()
  }
}

const EMPTY = Buffer.alloc(0)
const NOTHING: readonly StreamEvent[] = []
/** of a new buffer: a usual stanza fits without growing */
const FIRST_BYTES = 1024
