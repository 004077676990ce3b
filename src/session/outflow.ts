import type { Clock, Limits, Timer } from '../base/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Failure } from '../xmpp/index.ts'

export type OutflowLimits = Pick<Limits, 'sendMaxBytes' | 'sendMaxMs'>

export interface OutflowOptions {
  readonly transport: Transport
  readonly limits: OutflowLimits
  readonly clock: Clock
  readonly onStuck: (failure: Failure) => void
}

/** Watches a peer that reads more slowly than we write: how much waits for it, and that it reads at all. */
export class Outflow {
  readonly #options: OutflowOptions
  /** what waited when we last looked */
  #waitingBytes = 0
  #timer: Timer | null = null
  #isFull = false

  constructor(options: OutflowOptions) {
    this.#options = options
  }

  /** The transport has not asked us to stop, or has room again. */
  get isFree(): boolean {
    return !this.#isFull
  }

  /** The transport has asked us to stop. */
  full(): void {
    this.#isFull = true
    const { transport, limits, onStuck } = this.#options
    const waitingBytes = transport.bufferedBytes()
    if (waitingBytes > limits.sendMaxBytes) {
      this.stop()
      onStuck(tooMuch(limits))
    } else if (this.#timer === null) this.#watch(waitingBytes)
  }

  /** Everything has gone. */
  drained(): void {
    this.#isFull = false
    this.stop()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #watch(waitingBytes: number): void {
    const { transport, limits, clock, onStuck } = this.#options
    this.#waitingBytes = waitingBytes
    this.#timer = clock.setTimer(limits.sendMaxMs, () => {
      this.#timer = null
      const nowBytes = transport.bufferedBytes()
      if (nowBytes >= this.#waitingBytes) onStuck(tooSlow(limits))
      else this.#watch(nowBytes)
    })
  }
}

function tooMuch({ sendMaxBytes }: OutflowLimits): Failure {
  return {
    by: 'us',
    kind: 'overload',
    detail: `more than ${sendMaxBytes} bytes wait for the peer to read them`,
  }
}

function tooSlow({ sendMaxMs }: OutflowLimits): Failure {
  const seconds = Math.round(sendMaxMs / 1_000)
  return {
    by: 'network',
    kind: 'timeout',
    detail: `the peer has read nothing of what waits for it for ${seconds} s`,
  }
}
