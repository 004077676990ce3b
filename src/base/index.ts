/**
 * base: what all rooms share. Interfaces of clock and randomness, failure kinds that know no XMPP, typed events,
 * limits and timers, and how many things end one after the other. No I/O (system.ts, which binds clock and randomness to Node, is for composition roots only and
 * is therefore not exported here).
 */
export type { Clock, Timer } from './clock.ts'
export { spread, within } from './drain.ts'
export type { LocalFailure, NetworkFailure } from './failure.ts'
export { defaultLimits, LIMITS, type Limit, type LimitName, type Limits } from './limits.ts'
export {
  type Event,
  type EventName,
  type Events,
  Observer,
  type RefusalReason,
  type SteeringOutcome,
  type StreamLabel,
  type StreamRole,
} from './observer.ts'
export type { Random } from './random.ts'
export { unreachable } from './unreachable.ts'
