import { type LocalFailure, type NetworkFailure, unreachable } from '../base/index.ts'
import type { StanzaCondition, StreamCondition } from './conditions.ts'

/** A PROTOCOL.md id (register.json): a violation without its rule does not compile. */
export type RuleId =
  `${'WS' | 'ST' | 'SA' | 'SE' | 'SZ' | 'XM' | 'CT' | 'DS' | 'DB' | 'BI' | 'SM' | 'LI' | 'PI' | 'CO' | 'QK'}-${string}`

/** Bytes or elements that break a rule, as codecs and stream machines report them. */
export interface Violation {
  readonly condition: StreamCondition
  readonly rule: RuleId
  /** for a person; never quotes the peer's bytes */
  readonly detail: string
  /** application element of the stream error, where one is defined; in the namespace of XEP-0205 where it is a mere name */
  readonly application?: 'stanza-too-big' | ApplicationElement
}

export interface ApplicationElement {
  readonly name: string
  readonly namespace: string
  readonly attributes: Readonly<Record<string, string>>
}

/** What the peer, or whoever answered in its place, did. */
export type PeerFailure =
  /** it broke a rule; we end the stream with its condition */
  | ({ readonly by: 'peer'; readonly kind: 'violation' } & Violation)
  /** it ended the stream with an error of its own */
  | {
      readonly by: 'peer'
      readonly kind: 'reported'
      readonly condition: StreamCondition
      readonly detail: string
    }
  /** no authentication that both sides accept, or the peer refused ours */
  | {
      readonly by: 'peer'
      readonly kind: 'unauthenticated'
      readonly detail: string
      /**
       * one new stream that begins with dialback may do better: it refused SASL EXTERNAL and ended the stream (SA-14), or
       * had no room for a key there (DB-28)
       */
      readonly retryWith?: 'dialback'
      /** our own domain's server is said not to know our dialback key, so the fault is on our side (SZ-21) */
      readonly key?: 'invalid'
    }
  /** its certificate does not prove the domain; `reason` is identity/'s */
  | { readonly by: 'peer'; readonly kind: 'identity'; readonly reason: string; readonly detail: string }
  /** it sent us elsewhere and we do not go there */
  | { readonly by: 'peer'; readonly kind: 'redirect'; readonly uri: string; readonly detail: string }
  /** the domain publishes no endpoint that we can use */
  | { readonly by: 'peer'; readonly kind: 'no-endpoint'; readonly detail: string }
  /** it ended the stream in order, without an error */
  | { readonly by: 'peer'; readonly kind: 'closed'; readonly detail: string }

/** Anything that a peer, the network or the operator can cause is a value, never an exception. */
export type Failure = PeerFailure | NetworkFailure | LocalFailure

/** Stable identifier for logs, metrics and docs/ERRORS.md, e.g. 'peer.violation', 'network.timeout'. */
export type FailureId = { [F in Failure as `${F['by']}.${F['kind']}`]: true } extends infer M
  ? keyof M & string
  : never

export function failureId(failure: Failure): FailureId {
  return `${failure.by}.${failure.kind}` as FailureId
}

/** The stream error that tells the peer about `failure`; null where it must not or cannot be told. */
export function toStreamError(
  failure: Failure,
): Pick<Violation, 'condition' | 'detail' | 'application'> | null {
  switch (failure.by) {
    case 'peer':
      switch (failure.kind) {
        case 'violation':
          return failure
        case 'unauthenticated':
        case 'identity':
          return { condition: 'policy-violation', detail: failure.detail }
        case 'reported': // WS-51: never answer an error with an error
        case 'closed':
        case 'redirect':
        case 'no-endpoint':
          return null
        default:
          return unreachable(failure)
      }
    case 'network':
      // Only a timeout leaves a stream that can still be told (WS-63).
      return failure.kind === 'timeout' ? { condition: 'connection-timeout', detail: failure.detail } : null
    case 'us':
      switch (failure.kind) {
        case 'shutdown':
          return { condition: 'system-shutdown', detail: failure.detail }
        case 'gone':
          return { condition: 'host-gone', detail: failure.detail }
        case 'idle':
        case 'aborted':
          return null
        case 'overload':
          return { condition: 'resource-constraint', detail: failure.detail }
        case 'policy':
          return { condition: 'policy-violation', detail: failure.detail }
        case 'internal':
          return { condition: 'internal-server-error', detail: 'internal error' }
        default:
          return unreachable(failure)
      }
    default:
      return unreachable(failure)
  }
}

/** The stanza error for a stanza that could not be delivered because of `failure` (SZ-20). */
export function toStanzaError(failure: Failure): { condition: StanzaCondition; text: string } {
  const text = describe(failure)
  switch (failure.by) {
    case 'peer':
      switch (failure.kind) {
        case 'no-endpoint':
          return { condition: 'remote-server-not-found', text }
        case 'reported':
          return {
            condition:
              failure.condition === 'host-unknown' || failure.condition === 'host-gone'
                ? 'remote-server-not-found'
                : 'remote-server-timeout',
            text,
          }
        case 'unauthenticated': // SZ-21
          return {
            condition: failure.key === 'invalid' ? 'internal-server-error' : 'remote-server-timeout',
            text,
          }
        case 'violation':
        case 'identity':
        case 'redirect':
        case 'closed':
          return { condition: 'remote-server-timeout', text }
        default:
          return unreachable(failure)
      }
    case 'network':
      return { condition: failure.kind === 'dns' ? 'remote-server-not-found' : 'remote-server-timeout', text }
    case 'us':
      switch (failure.kind) {
        case 'overload':
          return { condition: 'resource-constraint', text }
        case 'policy':
          return { condition: 'policy-violation', text }
        case 'internal': // what our defects say stays in our log
          return { condition: 'internal-server-error', text: 'internal error' }
        case 'gone':
          return { condition: 'service-unavailable', text }
        case 'shutdown':
        case 'idle':
        case 'aborted':
          return { condition: 'remote-server-timeout', text }
        default:
          return unreachable(failure)
      }
    default:
      return unreachable(failure)
  }
}

/**
 * What the initiating side does next after a candidate or stream failed:
 * `next` tries the next candidate now, `later` backs off, `never` gives the domain up until the cache expires.
 */
export function toRetry(failure: Failure): 'next' | 'later' | 'never' {
  switch (failure.by) {
    case 'peer':
      switch (failure.kind) {
        case 'reported':
          // AM-34: an authenticated endpoint that says host-unknown speaks for the domain.
          if (failure.condition === 'host-unknown' || failure.condition === 'host-gone') return 'never'
          // SE-03: it has a stream from us already, whichever way we come.
          return failure.condition === 'conflict' ? 'later' : 'next'
        case 'no-endpoint':
          return 'never'
        case 'violation':
        case 'unauthenticated':
        case 'identity':
        case 'redirect':
          return 'next'
        case 'closed':
          return 'later'
        default:
          return unreachable(failure)
      }
    case 'network':
      return 'next'
    case 'us':
      return failure.kind === 'shutdown' || failure.kind === 'gone' || failure.kind === 'aborted'
        ? 'never'
        : 'later'
    default:
      return unreachable(failure)
  }
}

/** One English sentence, without a trailing stop, for logs, bounces and the status page. */
export function describe(failure: Failure): string {
  switch (failure.by) {
    case 'peer':
      switch (failure.kind) {
        case 'violation':
          return `the peer broke a rule of the protocol (${failure.rule}): ${failure.detail}`
        case 'reported':
          return `the peer ended the stream with ${failure.condition}${failure.detail === '' ? '' : `: ${failure.detail}`}`
        case 'unauthenticated':
          return `authentication failed: ${failure.detail}`
        case 'identity':
          return `the peer's certificate was refused (${failure.reason}): ${failure.detail}`
        case 'redirect':
          return `the peer redirected us: ${failure.detail}`
        case 'no-endpoint':
          return failure.detail
        case 'closed':
          return `the peer closed the stream${failure.detail === '' ? '' : `: ${failure.detail}`}`
        default:
          return unreachable(failure)
      }
    case 'network':
      return failure.detail
    case 'us':
      return failure.detail
    default:
      return unreachable(failure)
  }
}
