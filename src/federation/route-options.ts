import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import type { Custody } from '../session/index.ts'
import type { DomainPair, Stanza, StanzaError } from '../xmpp/index.ts'
import type { Account } from './account.ts'
import type { BacklogLimits } from './backlog.ts'
import type { BackoffLimits } from './backoff.ts'
import type { Connect } from './connect.ts'
import type { RoutePolicy } from './policy.ts'
import type { QueueTotal } from './queue.ts'
import type { Route } from './route.ts'
import type { WatchLimits } from './watch.ts'

export type RouteLimits = BacklogLimits &
  BackoffLimits &
  WatchLimits &
  Pick<
    Limits,
    | 'goodLifeMs'
    | 'handoverMs'
    | 'keepUpMs'
    | 'negativeCacheMs'
    | 'peerAbsentMs'
    | 'retryMaxMs'
    | 'sendMaxBytes'
    | 'stanzaBytes'
  >

/** How the sender of a stanza that leaves this way learns what became of it. */
export interface Returns {
  /**
   * Bounce it, or drop it where it must not be answered, and count that.
   * @returns what whoever brought the stanza should wait for, because the way back has no room
   */
  bounce(stanza: Stanza, error: StanzaError): Promise<void> | undefined
  /** Its outcome is counted; tell the sender all the same. */
  tell(stanza: Stanza, error: StanzaError): void
}

/** What all routes of a pool share. */
export interface SharedRouteOptions {
  readonly connect: Connect
  /** what comes on a stream of ours that is bidi; a promise pauses its reading */
  readonly receive: (stanza: Stanza, custody: Custody | null) => Promise<void> | undefined
  readonly policy: RoutePolicy
  readonly returns: Returns
  readonly account: Account
  readonly total: QueueTotal
  readonly observer: Observer
  readonly limits: RouteLimits
  readonly clock: Clock
  readonly random: Random
}

export interface RouteOptions extends SharedRouteOptions {
  readonly pair: DomainPair
  /** the peer cannot reach us but by a bidi stream that we have opened: once one stood, there is always to be one (BI-07) */
  readonly keepUp: boolean
  /** nothing is queued, open or remembered any longer */
  readonly onForgettable: (route: Route) => void
}
