import type { Clock, Limits } from '../base/index.ts'
import { type Domain, type Failure, toRetry } from '../xmpp/index.ts'

/** What differs between the ways to other domains and the legs to servers of our own. */
export interface RoutePolicy {
  /** whom senders are told about */
  subject(remote: Domain): string
  /**
   * Nothing stands. `bounce` what waits and dial again later; `hold` it for that dial; or `refuse` whatever comes, too, until
   * the domain may have changed its mind.
   */
  afterFailure(remote: Domain, failure: Failure): 'bounce' | 'hold' | 'refuse'
  /** It is there. */
  isUp(remote: Domain): void
}

/** Towards other domains: what their servers say counts for a while. */
export const TO_PEERS: RoutePolicy = {
  subject: remote => remote,
  afterFailure: (_, failure) => (toRetry(failure) === 'never' ? 'refuse' : 'bounce'),
  isUp: () => {},
}

/**
 * Towards servers of our own: a server that is away is being restarted, so what is for it waits; after `legAbsentMs` it is
 * down, and senders hear of it with the next dial. What it refuses is told at once, and tried again soon, as its operator
 * may be just configuring it.
 */
export class LegPolicy implements RoutePolicy {
  readonly #limits: Pick<Limits, 'legAbsentMs'>
  readonly #clock: Clock
  /** of the domains that are away: when that was first seen */
  readonly #awaySinceMs = new Map<Domain, number>()

  constructor(limits: Pick<Limits, 'legAbsentMs'>, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  subject(remote: Domain): string {
    return `${remote}'s server`
  }

  afterFailure(remote: Domain, failure: Failure): 'bounce' | 'hold' {
    if (!isAbsence(failure)) {
      this.isUp(remote)
      return 'bounce'
    }
    const nowMs = this.#clock.monotonicMs()
    const sinceMs = this.#awaySinceMs.get(remote) ?? nowMs
    this.#awaySinceMs.set(remote, sinceMs)
    return nowMs - sinceMs < this.#limits.legAbsentMs ? 'hold' : 'bounce'
  }

  isUp(remote: Domain): void {
    this.#awaySinceMs.delete(remote)
  }
}

/** Nobody is there, or no longer: what a server that stops or starts looks like. */
export function isAbsence(failure: Failure): boolean {
  if (failure.by === 'network') return true
  if (failure.by !== 'peer') return false
  return failure.kind === 'closed' || (failure.kind === 'reported' && failure.condition === 'system-shutdown')
}

/** Limits of a leg: those of any route, with retries of its own; no platform is in between. */
export function legLimits<L extends Pick<Limits, 'legRetryMinMs' | 'legRetryMaxMs'>>(limits: L) {
  const { legRetryMinMs: retryMinMs, legRetryMaxMs: retryMaxMs } = limits
  // How long a server is waited for is the policy’s affair (legAbsentMs).
  return { ...limits, retryMinMs, retryMaxMs, peerAbsentMs: 0, maxStreamAgeMs: 0 }
}

/**
 * Limits of a way to peers: whoever opens a stream moves on well before whoever takes it ends it (Inbound), so that the two do
 * not meet.
 */
export function limitsToPeers<L extends Pick<Limits, 'maxStreamAgeMs'>>(limits: L) {
  return { ...limits, maxStreamAgeMs: limits.maxStreamAgeMs * OPENER_SHARE }
}

const OPENER_SHARE = 0.8
