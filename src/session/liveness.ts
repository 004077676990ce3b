import type { Clock, Limits, Random, Timer } from '../base/index.ts'
import type { Failure } from '../xmpp/index.ts'

export interface LivenessOptions {
  readonly limits: Pick<Limits, 'pingIntervalMs' | 'pingJitterMs' | 'deadMs'>
  readonly clock: Clock
  readonly random: Random
  /** @returns false where the wire has no pings: its silence means nothing */
  readonly ping: () => boolean
  /** we do not read at the moment: silence is ours */
  readonly isPaused: () => boolean
  /** called at each beat */
  readonly onBeat: () => void
  readonly onDead: (failure: Failure) => void
}

/** Pings at an even pace (WS-61), and tells when nothing at all has come for too long (WS-63). */
export class Liveness {
  readonly #options: LivenessOptions
  #heardMs = 0
  #timer: Timer | null = null

  constructor(options: LivenessOptions) {
    this.#options = options
  }

  start(): void {
    this.heard()
    this.#arm()
  }

  /** Any byte has come, or we begin to listen again. */
  heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #arm(): void {
    const { limits, clock, random } = this.#options
    const jitterMs = limits.pingJitterMs * (2 * random.unit() - 1)
    const deadInMs = this.#heardMs + limits.deadMs - clock.monotonicMs()
    const afterMs = Math.max(0, Math.min(limits.pingIntervalMs + jitterMs, deadInMs))
    this.#timer = clock.setTimer(afterMs, () => this.#beat())
  }

  #beat(): void {
    const { limits, clock, ping, isPaused, onBeat, onDead } = this.#options
    this.#timer = null
    if (isPaused()) this.heard()
    const silentMs = clock.monotonicMs() - this.#heardMs
    const hasPings = ping()
    if (!hasPings) this.heard()
    else if (silentMs >= limits.deadMs) {
      onDead(silent(limits.deadMs))
      return
    }
    this.#arm()
    onBeat()
  }
}

function silent(deadMs: number): Failure {
  const seconds = Math.round(deadMs / 1_000)
  return { by: 'network', kind: 'timeout', detail: `nothing was heard of the peer for ${seconds} s` }
}
