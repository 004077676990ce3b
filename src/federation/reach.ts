import type { SecureContext } from 'node:tls'
import type { Clock, Event, Limits, Observer } from '../base/index.ts'
import type { Candidate, Endpoint, Resolver } from '../discovery/index.ts'
import { type IdentityVerdict, judgePeer, type PathLimits, type TrustStore } from '../identity/index.ts'
import {
  type DialStep,
  type DialWebSocketLimits,
  dialWebSocket,
  race,
  type Transport,
} from '../transport/index.ts'
import type { Domain, DomainPair, Failure } from '../xmpp/index.ts'
import { identityFailure, mostTelling, nowhere } from './failures.ts'

export type ProvenVerdict = Extract<IdentityVerdict, { ok: true }>

export interface ReachDeps {
  readonly resolver: Resolver
  readonly trust: TrustStore
  /** our certificate as `local` */
  readonly secureContext: (local: Domain) => SecureContext
  readonly observer: Observer
  readonly limits: DialWebSocketLimits & PathLimits & Pick<Limits, 'staggerMs'>
  readonly clock: Clock
}

/** What has been reached, for those who watch a dial. */
export interface CandidateStep {
  readonly name: 'resolved' | DialStep
  /** for a person: the endpoint, or what has proven it */
  readonly detail: string
}

export interface Trying {
  readonly pair: DomainPair
  readonly candidate: Candidate
  readonly signal: AbortSignal
  /** how many addresses of the candidate are tried at most; absent: all that the resolver gives */
  readonly addresses?: number
  readonly onStep?: (step: CandidateStep) => void
}

export type Reached =
  | { readonly ok: true; readonly transport: Transport; readonly verdict: ProvenVerdict }
  | { readonly ok: false; readonly failure: Failure }

/**
 * A transport to one candidate whose peer has proven to be one of the candidate's names: each of its addresses is tried,
 * and nothing is written before the certificate has been judged.
 */
export async function reach(deps: ReachDeps, trying: Trying): Promise<Reached> {
  const { candidate, signal, pair } = trying
  const { host, port, addresses } = candidate
  const resolved = await deps.resolver.resolve(host, port, addresses, signal)
  if (!resolved.ok) return resolved
  const endpoints = resolved.endpoints.slice(0, trying.addresses)
  trying.onStep?.({ name: 'resolved', detail: endpoints.map(at).join(', ') })
  const { won, lost } = await race(endpoints, {
    attempt: (endpoint, aborted) => reachEndpoint(deps, { ...trying, signal: aborted }, endpoint),
    staggerMs: deps.limits.staggerMs,
    clock: deps.clock,
    signal,
  })
  if (won?.ok) return won
  const failures = lost.flatMap(result => (result.ok ? [] : [result.failure]))
  return { ok: false, failure: mostTelling(failures) ?? nowhere(pair.remote) }
}

type EndpointReached = Reached & { readonly discard?: () => void }

async function reachEndpoint(deps: ReachDeps, trying: Trying, endpoint: Endpoint): Promise<EndpointReached> {
  const { candidate, pair, signal, onStep } = trying
  const { limits, clock, observer, trust } = deps
  const { local, remote } = pair
  const { url } = candidate
  const startMs = clock.monotonicMs()
  let verdict: IdentityVerdict | null = null
  const dialled = await dialWebSocket<Failure>({
    url,
    address: endpoint.address,
    port: endpoint.port,
    servername: candidate.servername,
    secureContext: deps.secureContext(local),
    limits,
    clock,
    signal,
    vet: ({ chain, nodeVerdict }) => {
      const nowMs = clock.wallMs()
      const { names } = candidate
      verdict = judgePeer({ chain, nodeVerdict, names, trust, nowMs, limits, role: 'initiating' })
      observer.publish(identityEvent(verdict))
      return verdict.ok ? null : identityFailure(verdict, chain)
    },
    onStep: name =>
      onStep?.({ name, detail: (name === 'vetted' ? evidence(verdict) : null) ?? at(endpoint) }),
  })
  if (!dialled.ok) return dialled
  const { transport } = dialled
  const tls = transport.facts.tls?.protocol ?? 'none'
  const ms = clock.monotonicMs() - startMs
  observer.publish({
    type: 'candidate:connected',
    local,
    remote,
    url,
    address: endpoint.address,
    tls,
    ms,
  })
  const proven = proof(verdict)
  if (proven === null) throw new TypeError('a transport without a verdict')
  return { ok: true, transport, verdict: proven, discard: () => transport.abort() }
}

function identityEvent(verdict: IdentityVerdict): Event {
  const { domain } = verdict
  const judged = { type: 'identity', role: 'initiating', domain } as const
  if (!verdict.ok) return { ...judged, ok: false, reason: verdict.reason, detail: verdict.detail }
  return { ...judged, ok: true, via: verdict.via, name: verdict.name }
}

function at({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** What proves a peer, in words; null where nothing does. */
function evidence(verdict: IdentityVerdict | null): string | null {
  return verdict?.ok ? `${verdict.via} ${verdict.name}` : null
}

function proof(verdict: IdentityVerdict | null): ProvenVerdict | null {
  return verdict?.ok ? verdict : null
}
