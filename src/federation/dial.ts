import type { Limits, Observer } from '../base/index.ts'
import type { Candidate, Discovery } from '../discovery/index.ts'
import type { EstablishedSession, Session, SessionHandler } from '../session/index.ts'
import type { Transport } from '../transport/index.ts'
import { type DomainPair, describe, type Failure, failureId, toRetry } from '../xmpp/index.ts'
import type { Connect, ConnectHandler } from './connect.ts'
import { deadline } from './deadline.ts'
import { GIVEN_UP, mostTelling, nowhere } from './failures.ts'
import { type ProvenVerdict, type ReachDeps, reach } from './reach.ts'
import { redirected, tooManyRedirects } from './redirect.ts'

/** Starts the initiating side on a transport whose peer has been proven; attached in this turn. */
export type StartInitiating = (start: {
  readonly transport: Transport
  readonly pair: DomainPair
  readonly verdict: ProvenVerdict
  readonly handler: SessionHandler
  readonly observer: Observer
}) => Session

export interface DialDeps extends ReachDeps {
  readonly discovery: Discovery
  readonly startInitiating: StartInitiating
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
  const { pair, handler, signal } = dialling
  const { observer } = deps
  const about = { local: pair.local, remote: pair.remote, url: candidate.url }
  observer.publish({ type: 'candidate:trying', ...about, source: candidate.source })
  const reached = await reach(deps, { pair, candidate, signal })
  const onStands = (session: EstablishedSession) => {
    handler.onConnected(session)
    return handler
  }
  const failure = reached.ok ? await openStream(deps, pair, reached, signal, onStands) : reached.failure
  if (failure !== null) {
    const reason = failureId(failure)
    observer.publish({ type: 'candidate:failed', ...about, reason, detail: describe(failure) })
  }
  return failure
}

/** What becomes of a stream after it stood. */
export type StreamEvents = Pick<ConnectHandler, 'onDrain' | 'onEnded'>

/**
 * Run the initiating side on a transport until its stream stands; `onStands` is told then and names who hears the rest.
 * @returns null: it stands; else why it does not
 */
export function openStream(
  deps: Pick<DialDeps, 'startInitiating' | 'observer'>,
  pair: DomainPair,
  { transport, verdict }: { readonly transport: Transport; readonly verdict: ProvenVerdict },
  signal: AbortSignal,
  onStands: (session: EstablishedSession) => StreamEvents,
): Promise<Failure | null> {
  return new Promise(resolve => {
    let established = false
    let events: StreamEvents | null = null
    /** it stood and ended in one turn: nothing was sent, so nobody has to hear of it but the dial */
    let ended: { readonly failure: Failure | null } | null = null
    const stand = (session: EstablishedSession) => {
      if (ended !== null) {
        resolve(ended.failure ?? CLOSED)
        return
      }
      events = onStands(session)
      resolve(null)
    }
    const onAbort = () => session.abort(GIVEN_UP)
    const session = deps.startInitiating({
      transport,
      pair,
      verdict,
      observer: deps.observer,
      handler: {
        onEstablished: standing => {
          if (signal.aborted) return GIVEN_UP
          signal.removeEventListener('abort', onAbort)
          established = true
          // Later: it does not send before this call has returned.
          queueMicrotask(() => stand(standing))
          return null
        },
        // ST-19: the stream machine refuses stanzas on this stream.
        onStanza: () => {},
        onDrain: () => events?.onDrain(),
        onEnded: (...end) => {
          signal.removeEventListener('abort', onAbort)
          if (events !== null) events.onEnded(...end)
          else if (established) ended = { failure: end[0] }
          else resolve(end[0] ?? CLOSED)
        },
      },
    })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
}

const CLOSED: Failure = { by: 'peer', kind: 'closed', detail: 'before the stream was established' }
