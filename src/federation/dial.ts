import type { Limits, Observer } from '../base/index.ts'
import type { Candidate, Discovery } from '../discovery/index.ts'
import {
  type InitiatingManagement,
  openStream,
  type Session,
  type SessionHandler,
  type StreamEvents,
} from '../session/index.ts'
import type { DialbackSecret } from '../stream/index.ts'
import type { Transport } from '../transport/index.ts'
import { type Domain, type DomainPair, describe, type Failure, failureId, toRetry } from '../xmpp/index.ts'
import type { Connect, ConnectHandler } from './connect.ts'
import { deadline } from './deadline.ts'
import { mostTelling, nowhere } from './failures.ts'
import { type ProvenVerdict, type ReachDeps, reach } from './reach.ts'
import { redirected, tooManyRedirects } from './redirect.ts'

/** What a local domain can do towards peers. */
export interface Means {
  /** it has a certificate to show */
  readonly certificate: boolean
  /** what its keys are made of; null: it shows none */
  readonly dialback: DialbackSecret | null
  /** it asks for stanzas both ways */
  readonly bidi: boolean
  /** it asks for stream management, where that is offered; absent: never */
  readonly management?: InitiatingManagement
}

/** Starts the initiating side on a transport whose peer has been proven; attached in this turn. */
export type StartInitiating = (start: {
  readonly transport: Transport
  readonly pair: DomainPair
  readonly verdict: ProvenVerdict
  readonly dialback?: DialbackSecret
  readonly certificate?: boolean
  readonly first?: 'external' | 'dialback'
  readonly bidi?: boolean
  readonly management?: InitiatingManagement
  readonly handler: SessionHandler
  readonly observer: Observer
}) => Session

export interface DialDeps extends ReachDeps {
  readonly discovery: Discovery
  readonly startInitiating: StartInitiating
  readonly meansOf: (local: Domain) => Means
  /** ask for stream management, and resume */
  readonly streamManagement: boolean
  readonly limits: ReachDeps['limits'] & Pick<Limits, 'attemptMs' | 'redirects'>
}

/** The connector of the pool: discovery, then each candidate in its order, until a stream stands (DS-25). */
export function createConnect(deps: DialDeps): Connect {
  return (pair, handler, signal) => {
    dial(deps, pair, handler, signal).then(
      failure => {
        if (failure !== null) handler.onFailed(failure)
      },
      defect => handler.onFailed({ by: 'us', kind: 'internal', detail: String(defect) }),
    )
  }
}

/** @returns null: `handler` has a stream */
async function dial(
  deps: DialDeps,
  pair: DomainPair,
  handler: ConnectHandler,
  given: AbortSignal,
): Promise<Failure | null> {
  const { limits, clock, discovery } = deps
  const attempt = deadline(limits.attemptMs, given, clock)
  try {
    const { signal } = attempt
    const discovered = await discovery.discover(pair.remote, { signal })
    const failure = discovered.ok
      ? await tryAll(deps, { pair, handler, signal }, discovered.candidates)
      : discovered.failure
    if (failure === null) return null
    if (discovered.ok) discovery.forget(pair.remote)
    if (!attempt.expired) return failure
    const last = failure.by === 'us' ? '' : `: ${describe(failure)}`
    const seconds = Math.round(limits.attemptMs / 1_000)
    return { by: 'network', kind: 'timeout', detail: `timed out after ${seconds} s${last}` }
  } finally {
    attempt.release()
  }
}

interface Dialling {
  readonly pair: DomainPair
  readonly handler: ConnectHandler
  readonly signal: AbortSignal
}

async function tryAll(
  deps: DialDeps,
  dialling: Dialling,
  candidates: readonly Candidate[],
): Promise<Failure | null> {
  const failures: Failure[] = []
  for (const candidate of candidates) {
    const failure = await follow(deps, dialling, candidate)
    if (failure === null) return null
    failures.push(failure)
    if (dialling.signal.aborted) break
    if (endsDial(failure)) return failure
  }
  return mostTelling(failures) ?? nowhere(dialling.pair.remote)
}

/** Whoever speaks for the domain is believed (AM-34, SE-03); a broken endpoint is not the domain (DS-25). */
function endsDial(failure: Failure): boolean {
  return failure.by === 'us' || (failure.kind === 'reported' && toRetry(failure) !== 'next')
}

/** One candidate, and whom it redirects us to (WS-55). */
async function follow(deps: DialDeps, dialling: Dialling, first: Candidate): Promise<Failure | null> {
  let candidate = first
  for (let hops = 0; ; hops++) {
    const failure = await tryOne(deps, dialling, candidate)
    if (failure === null || failure.kind !== 'redirect') return failure
    if (hops === deps.limits.redirects) return tooManyRedirects(failure.uri, hops)
    const next = redirected(candidate, failure.uri)
    if ('by' in next) return next
    candidate = next
  }
}

async function tryOne(deps: DialDeps, dialling: Dialling, candidate: Candidate): Promise<Failure | null> {
  const { pair } = dialling
  const { observer } = deps
  const about = { local: pair.local, remote: pair.remote, url: candidate.url }
  const once = async (first: 'external' | 'dialback') => {
    observer.publish({ type: 'candidate:trying', ...about, source: candidate.source })
    const failure = await openAt(deps, dialling, candidate, first)
    if (failure !== null) {
      const reason = failureId(failure)
      observer.publish({ type: 'candidate:failed', ...about, reason, detail: describe(failure) })
    }
    return failure
  }
  const failure = await once('external')
  // SA-14: it went away with our certificate's refusal, and may take our key.
  return failure?.kind === 'unauthenticated' && failure.retryWith === 'dialback' ? once('dialback') : failure
}

async function openAt(
  deps: DialDeps,
  { pair, handler, signal }: Dialling,
  candidate: Candidate,
  first: 'external' | 'dialback',
): Promise<Failure | null> {
  const reached = await reach(deps, { pair, candidate, signal })
  if (!reached.ok) return reached.failure
  const means = { ...deps.meansOf(pair.local), ...managing(deps, handler), first }
  return openStream(started(deps, pair, reached, means), signal, session => {
    handler.onConnected(session)
    return eventsFor(handler)
  })
}

/** What becomes of a stream that stands, told to whoever dialled. */
export function eventsFor(handler: ConnectHandler): StreamEvents {
  return {
    onStanza: (stanza, _, custody) => handler.onStanza(stanza, custody),
    onDrain: () => handler.onDrain(),
    onConfirmed: () => handler.onConfirmed(),
    onEnded: (...end) => handler.onEnded(...end),
  }
}

function managing({ streamManagement }: DialDeps, handler: ConnectHandler): Pick<Means, 'management'> {
  if (!streamManagement) return {}
  return { management: { when: 'offered', resumable: true, resumes: () => handler.resumes() } }
}

/** What starts the session on a transport whose peer has been proven. */
export function started(
  { startInitiating, observer }: Pick<DialDeps, 'startInitiating' | 'observer'>,
  pair: DomainPair,
  { transport, verdict }: { readonly transport: Transport; readonly verdict: ProvenVerdict },
  means: Means & { readonly first: 'external' | 'dialback' },
): (handler: SessionHandler) => Session {
  const { dialback, ...given } = means
  const keys = dialback === null ? given : { ...given, dialback }
  return handler => startInitiating({ transport, pair, verdict, ...keys, handler, observer })
}
