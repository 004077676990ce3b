import type { Limits } from '../base/index.ts'
import type { Stanza } from '../xmpp/index.ts'

export type QueueLimits = Pick<
  Limits,
  'queueStanzas' | 'queueBytes' | 'queueTotalBytes' | 'queueSlowStanzas' | 'sendHighWaterBytes'
>

/** Bytes in all queues of one federation. */
export interface QueueTotal {
  bytes: number
}

interface Entry {
  readonly stanza: Stanza
  readonly queuedAtMs: number
}

/** Stanzas that wait for one direction of one pair, in order, bounded (SZ-26). */
export class StanzaQueue {
  readonly #limits: QueueLimits
  readonly #total: QueueTotal
  #entries: Entry[] = []
  /** index of the oldest; what lies before it has left */
  #head = 0
  #bytes = 0

  constructor(limits: QueueLimits, total: QueueTotal) {
    this.#limits = limits
    this.#total = total
  }

  get size(): number {
    return this.#entries.length - this.#head
  }

  get bytes(): number {
    return this.#bytes
  }

  /** when the oldest came; Infinity without one */
  get oldestMs(): number {
    return this.#entries[this.#head]?.queuedAtMs ?? Number.POSITIVE_INFINITY
  }

  /** The source should wait: more may come, but not for long. */
  get crowded(): boolean {
    const { queueStanzas, queueSlowStanzas, queueBytes, sendHighWaterBytes } = this.#limits
    return (
      this.size >= Math.min(queueStanzas, queueSlowStanzas) ||
      this.#bytes >= Math.min(queueBytes, sendHighWaterBytes)
    )
  }

  /**
   * @param spareBytes how much may wait beside a stream that is full; null: there is none
   * @returns false, with nothing taken, where it is full
   */
  push(stanza: Stanza, nowMs: number, spareBytes: number | null): boolean {
    if (!this.#hasRoom(stanza.bytes.length, spareBytes)) return false
    this.put(stanza, nowMs)
    return true
  }

  /** Takes it without asking: it stands for one that has just left a queue. */
  put(stanza: Stanza, nowMs: number): void {
    this.#entries.push({ stanza, queuedAtMs: nowMs })
    this.#bytes += stanza.bytes.length
    this.#total.bytes += stanza.bytes.length
  }

  /** Takes those back that had left it, ahead of all. They count as having come with the oldest. */
  unshift(stanzas: readonly Stanza[], nowMs: number): void {
    const queuedAtMs = Math.min(nowMs, this.oldestMs)
    const first = stanzas.map(stanza => ({ stanza, queuedAtMs }))
    this.#entries = [...first, ...this.#entries.slice(this.#head)]
    this.#head = 0
    for (const { bytes } of stanzas) {
      this.#bytes += bytes.length
      this.#total.bytes += bytes.length
    }
  }

  /** Hardly anything more is taken: its last quarter is for what comes from whoever does not wait. */
  isFull(spareBytes: number | null): boolean {
    return !this.#hasRoom((spareBytes ?? this.#limits.queueBytes) / 4, spareBytes)
  }

  /** Whether the next one has room even where it has so many bytes, and the last quarter stays free. */
  isRoomy(bytes: number, spareBytes: number | null): boolean {
    return this.size < (this.#limits.queueStanzas * 3) / 4 && this.#hasRoom(bytes, spareBytes)
  }

  #hasRoom(bytes: number, spareBytes: number | null): boolean {
    const { queueStanzas, queueBytes, queueTotalBytes } = this.#limits
    if (this.size >= queueStanzas || this.#total.bytes + bytes > queueTotalBytes) return false
    if (spareBytes !== null) return this.#bytes + bytes <= spareBytes
    // Without a stream a single stanza always has room of its own.
    return this.size === 0 || this.#bytes + bytes <= queueBytes
  }

  shift(): Stanza | undefined {
    const entry = this.#entries[this.#head]
    if (entry === undefined) return undefined
    this.#head += 1
    this.#bytes -= entry.stanza.bytes.length
    this.#total.bytes -= entry.stanza.bytes.length
    if (this.#head === this.#entries.length) {
      this.#entries = []
      this.#head = 0
    } else if (this.#head >= COMPACT_AT) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return entry.stanza
  }

  /** All of it, oldest first; the queue is empty then. */
  takeAll(): Stanza[] {
    const stanzas = this.#entries.slice(this.#head).map(entry => entry.stanza)
    this.#entries = []
    this.#head = 0
    this.#total.bytes -= this.#bytes
    this.#bytes = 0
    return stanzas
  }
}

/** Entries that have left and are still referred to: few enough to keep, many enough to make their removal cheap. */
const COMPACT_AT = 256

/** What a slowed source waits for: one promise for all who wait, none while nobody does. */
export class Room {
  #promise: Promise<void> | null = null
  #resolve: () => void = NOTHING

  wait(): Promise<void> {
    this.#promise ??= new Promise(resolve => {
      this.#resolve = resolve
    })
    return this.#promise
  }

  /** There is room again. Idempotent. */
  open(): void {
    if (this.#promise === null) return
    this.#promise = null
    this.#resolve()
  }
}

const NOTHING = () => {}
