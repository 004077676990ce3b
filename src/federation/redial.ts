import type { Timer } from '../base/index.ts'
import type { DomainPair, Failure } from '../xmpp/index.ts'
import { Backoff } from './backoff.ts'
import type { Dialler } from './dialler.ts'
import type { Live } from './live.ts'
import { isAbsence } from './policy.ts'
import { STOPPING } from './reasons.ts'
import type { SharedRouteOptions } from './route-options.ts'

export interface RedialOptions extends Pick<SharedRouteOptions, 'policy' | 'limits' | 'clock' | 'random'> {
  readonly pair: DomainPair
  readonly dialler: Pick<Dialler, 'busy' | 'start' | 'stop'>
  /** see RouteOptions */
  readonly keepUp: boolean
  /** something waits for a stream */
  readonly isNeeded: () => boolean
  /** no stream is there, not even one that is ending */
  readonly isClear: () => boolean
  /** the stream that stands is as old as one may become */
  readonly isAged: () => boolean
  /** bounce what waits */
  readonly onGivenUp: (failure: Failure) => void
  readonly onForgettable: () => void
}

type State =
  /** a stream stands, or is ending */
  | { readonly name: 'open' }
  /** no stream, nothing queued */
  | { readonly name: 'idle' }
  | { readonly name: 'dialling' }
  /** back-off; `refusing`: the domain has been given up for so long */
  | { readonly name: 'waiting'; readonly failure: Failure | null; readonly refusing: boolean }
  | { readonly name: 'stopped' }

/** When a route dials, and what it does while it has no stream. */
export class Redial {
  readonly #options: RedialOptions
  readonly #backoff: Backoff
  #state: State = IDLE
  /** back-off, renewal or forgetting: whichever the state needs */
  #timer: Timer | null = null
  /** BI-07: until then there is to be a stream, whether anything waits or not */
  #keepUntilMs = 0
  /** a peer that had a stream a moment ago is back before senders need to hear that it was away */
  #holdUntilMs = 0
  #stopping = false

  constructor(options: RedialOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.limits, options.random)
  }

  get state(): State['name'] {
    return this.#state.name
  }

  /** what we wait for to pass; null: nothing is known */
  get failure(): Failure | null {
    return this.#state.name === 'waiting' ? this.#state.failure : null
  }

  /** why the domain is given up for now; null: it is not */
  get refusal(): Failure | null {
    return this.#state.name === 'waiting' && this.#state.refusing ? this.#state.failure : null
  }

  /** Something waits. */
  need(): void {
    if (this.#state.name === 'idle') this.#dial()
  }

  /** The peer has just proven to be up: no reason to wait any longer. */
  peerIsUp(): void {
    if (this.#state.name === 'waiting') this.#next()
  }

  opened(live: Live): void {
    const { policy, pair, keepUp } = this.#options
    policy.isUp(pair.remote)
    if (keepUp && live.isOurs && live.session.bidi) this.#keepUntilMs = Number.POSITIVE_INFINITY
    if (this.#state.name !== 'open') this.#move(OPEN)
  }

  /** There is no stream any more. `isOurDoing`: as nobody used it */
  lost(live: Live, failure: Failure | null, isOurDoing: boolean): void {
    const { limits, clock, onGivenUp } = this.#options
    const nowMs = clock.monotonicMs()
    const lifeMs = nowMs - live.sinceMs
    // Cuts at short intervals are a platform's; one that also delivered nothing is no stream to build on.
    const hasLasted = lifeMs >= (live.isOfUse ? limits.retryMinMs : limits.goodLifeMs)
    if (this.#keepUntilMs > 0) this.#keepUntilMs = nowMs + limits.keepUpMs
    if (!isOurDoing) this.#holdUntilMs = nowMs + limits.peerAbsentMs
    if (hasLasted && live.isOurs) this.#backoff.reset()
    if (this.#stopping) {
      this.#move(STOPPED)
      onGivenUp(STOPPING)
    } else if (this.#options.dialler.busy) this.#move(DIALLING)
    else if (isOurDoing) this.#next()
    else if (!live.isOurs) this.#awaitPeer(failure)
    else this.#again(failure, hasLasted)
  }

  /** The stream that stands is old: one more. */
  renew(): void {
    if (!this.#stopping) this.#options.dialler.start()
  }

  /** Nothing became of it. */
  renewLater(failure: Failure | null): void {
    this.#timer?.cancel()
    this.#timer = this.#options.clock.setTimer(this.#backoff.next(failure), () => this.renew())
  }

  renewed(): void {
    this.#backoff.reset()
  }

  /** A dial has failed. */
  failed(failure: Failure): void {
    const { isAged, onGivenUp } = this.#options
    if (this.#state.name === 'open') {
      if (isAged()) this.renewLater(failure)
    } else if (this.#wait(failure) !== 'hold') onGivenUp(failure)
  }

  /** No more dials. */
  stop(): void {
    this.#stopping = true
    this.#options.dialler.stop()
    if (this.#state.name !== 'open') this.#move(STOPPED)
  }

  /** Nor any stream. */
  end(): void {
    this.stop()
    this.#move(STOPPED)
  }

  /** A stream of ours is lost: once we dial at once, then we back off. */
  #again(failure: Failure | null, hasLasted: boolean): void {
    if (failure === null && hasLasted) this.#next()
    else if ((hasLasted || failure?.by === 'network') && this.#backoff.retriesAtOnce()) this.#next()
    else if (failure === null) this.#backOff(null)
    else if (this.#wait(failure) === 'refuse') this.#options.onGivenUp(failure)
  }

  /** A peer whose stream has ended may open another one at once, and perhaps only it can: give it a moment. */
  #awaitPeer(failure: Failure | null): void {
    this.#pause(failure, this.#options.limits.retryMinMs, false)
  }

  /** Dial if there is reason to, else rest. */
  #next(): void {
    if (this.#options.isNeeded() || this.#isKeptUp()) this.#dial()
    else this.#rest()
  }

  #isKeptUp(): boolean {
    return this.#options.clock.monotonicMs() < this.#keepUntilMs
  }

  #dial(): void {
    this.#move(DIALLING)
    this.#options.dialler.start()
  }

  /** Do for a while what the policy says after such a failure, which is returned. */
  #wait(failure: Failure): 'bounce' | 'hold' | 'refuse' {
    const { limits, policy, pair, clock } = this.#options
    const said = policy.afterFailure(pair.remote, failure)
    const isHeld = said === 'bounce' && isAbsence(failure) && clock.monotonicMs() < this.#holdUntilMs
    const after = isHeld ? 'hold' : said
    if (after !== 'refuse') this.#backOff(failure)
    // Discovery remembers for itself that there is nothing, and answers at once.
    else if (failure.kind === 'no-endpoint' && !this.#isKeptUp()) this.#rest()
    else this.#pause(failure, limits.negativeCacheMs, true)
    return after
  }

  #backOff(failure: Failure | null): void {
    this.#pause(failure, this.#backoff.next(failure), false)
  }

  #pause(failure: Failure | null, delayMs: number, refusing: boolean): void {
    this.#move({ name: 'waiting', failure, refusing })
    this.#timer = this.#options.clock.setTimer(delayMs, () => this.#next())
  }

  /** Failures are remembered for a while, so that the next one backs off further. */
  #rest(): void {
    const { clock, limits, isClear, onForgettable } = this.#options
    this.#move(IDLE)
    const delayMs = this.#backoff.isFresh && isClear() ? 0 : limits.retryMaxMs
    this.#timer = clock.setTimer(delayMs, () => {
      if (isClear()) onForgettable()
      else this.#rest()
    })
  }

  #move(state: State): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#state = state
  }
}

const OPEN: State = { name: 'open' }
const IDLE: State = { name: 'idle' }
const DIALLING: State = { name: 'dialling' }
const STOPPED: State = { name: 'stopped' }
