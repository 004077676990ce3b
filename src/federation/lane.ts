import type { Clock, Limits } from '../base/index.ts'
import type { Domain, Stanza, StanzaError } from '../xmpp/index.ts'
import { type QueueLimits, type QueueTotal, Room, StanzaQueue } from './queue.ts'
import { queueFull } from './reasons.ts'

export interface LaneOptions {
  /** hands one stanza to its host; a promise holds back the next one */
  readonly deliver: (stanza: Stanza) => Promise<void> | undefined
  /** who reads slowly, for the bounce */
  readonly to: Domain
  readonly limits: QueueLimits & Pick<Limits, 'sendMaxBytes'>
  readonly total: QueueTotal
  readonly clock: Clock
  readonly schedule: Schedule
}

/** Runs an action in a later turn of the event loop. */
export type Schedule = (action: () => void) => void

/** The way between two local domains: in order, never from within the sender's call, as slow as its receiver. */
export class Lane {
  readonly #options: LaneOptions
  readonly #queue: StanzaQueue
  readonly #room = new Room()
  readonly #idle = new Room()
  #running = false
  /** the delivery that the next one waits for: ends that waiting */
  #release: (() => void) | null = null
  /** what is delivered now is not to be waited for */
  #nudged = false
  /** deliveries under way that nothing waits for */
  #unawaited = 0

  constructor(options: LaneOptions) {
    this.#options = options
    const { limits, total } = options
    const queueBytes = Math.min(limits.queueBytes, limits.sendMaxBytes)
    this.#queue = new StanzaQueue({ ...limits, queueBytes }, total)
  }

  get size(): number {
    return this.#queue.size
  }

  /** Its source should wait. */
  get crowded(): boolean {
    return this.#queue.crowded
  }

  /** Something is left, or the host has not answered. */
  get busy(): boolean {
    return this.#running || this.#unawaited > 0
  }

  /** Takes the stanza, or says why it must be bounced. */
  offer(stanza: Stanza): StanzaError | null {
    if (!this.#queue.push(stanza, this.#options.clock.monotonicMs(), null)) {
      return queueFull(this.#options.to, true)
    }
    if (!this.#running) this.#runLater()
    return null
  }

  /** Takes what stands for a stanza that has just left a queue: there is always room for that. */
  put(stanza: Stanza): void {
    this.#queue.put(stanza, this.#options.clock.monotonicMs())
    if (!this.#running) this.#runLater()
  }

  /** What a source waits for before it goes on; undefined while there is room. */
  room(): Promise<void> | undefined {
    return this.crowded ? this.#room.wait() : undefined
  }

  /**
   * The host that we deliver to has just been told to wait, perhaps from within a delivery of ours; and the one that it
   * waits for may wait for us. So what is being delivered is waited for no longer.
   */
  nudge(): void {
    if (this.#unawaited >= this.#options.limits.queueStanzas) return
    this.#nudged = true
    this.#release?.()
  }

  /** Resolves once it is not busy. */
  idle(): Promise<void> {
    return this.busy ? this.#idle.wait() : DONE
  }

  /** Everything that is still here; the lane is empty then. */
  takeAll(): Stanza[] {
    const stanzas = this.#queue.takeAll()
    this.#room.open()
    return stanzas
  }

  #runLater(): void {
    this.#running = true
    this.#options.schedule(() => this.#run())
  }

  /** What is here now; what comes meanwhile has the next turn, so that two local robots cannot stop the rest. */
  #run(): void {
    for (let left = this.#queue.size; left > 0; left--) {
      const stanza = this.#queue.shift()
      if (stanza === undefined) break
      this.#nudged = false
      const delivery = this.#options.deliver(stanza)
      if (!this.#queue.crowded) this.#room.open()
      if (delivery === undefined) continue
      if (this.#nudged) this.#goOnWithout(delivery)
      else {
        this.#waitFor(delivery)
        return
      }
    }
    if (this.#queue.size > 0) {
      this.#runLater()
      return
    }
    this.#running = false
    if (!this.busy) this.#idle.open()
  }

  #waitFor(delivery: Promise<void>): void {
    let waiting = true
    this.#release = () => {
      waiting = false
      this.#release = null
      this.#goOnWithout(delivery)
      this.#runLater()
    }
    void delivery.then(() => {
      if (!waiting) return
      this.#release = null
      this.#run()
    })
  }

  #goOnWithout(delivery: Promise<void>): void {
    this.#unawaited += 1
    void delivery.then(() => {
      this.#unawaited -= 1
      if (!this.busy) this.#idle.open()
    })
  }
}

const DONE = Promise.resolve()
