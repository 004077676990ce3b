import { Observer } from '../base/index.ts'
import type { Candidate } from '../discovery/index.ts'
import { type EstablishedSession, openStream } from '../session/index.ts'
import { type Domain, type DomainPair, describe, type Failure, failureId } from '../xmpp/index.ts'
import { type Stage, Steps, type WalkDeps } from './check-stages.ts'
import { started } from './dial.ts'
import { type ProvenVerdict, reach } from './reach.ts'
import type { Route } from './route.ts'

/** What a walk found at a candidate. */
export interface Walked {
  readonly stages: readonly Stage[]
  readonly url: string
  /** the peer's certificate; null: it came to none that proves it */
  readonly verdict: ProvenVerdict | null
  /** what the peer offered before authentication; null: it did not come to that */
  readonly features: readonly string[] | null
  /** how we tried to authenticate, in order */
  readonly mechanisms: readonly string[]
  /** why a stream before this one, which began with our certificate, had to go (SA-14) */
  readonly refusal: Failure | null
  readonly stream: WalkedStream
  /** null: the stream stands */
  readonly failure: Failure | null
}

export class WalkedStream {
  session: EstablishedSession | null = null
  /** resolves once it has ended, with why */
  readonly ended: Promise<Failure | null>
  onEnded: (failure: Failure | null) => void = () => {}

  constructor() {
    this.ended = new Promise(resolve => {
      this.onEnded = resolve
    })
  }
}

/** The first candidate that leads to a stream, or the one that came furthest. */
export async function walkCandidates(
  deps: WalkDeps,
  pair: DomainPair,
  candidates: readonly Candidate[],
  signal: AbortSignal,
): Promise<Walked> {
  let best: Walked | null = null
  for (const candidate of candidates) {
    const walked = await walkCandidate(deps, pair, candidate, signal)
    if (walked.failure === null) return walked
    if (best === null || walked.stages.length > best.stages.length) best = walked
  }
  return best ?? NOWHERE
}

/** As a dial of the pool does: a key on a stream of its own, where our certificate was refused (SA-14). */
async function walkCandidate(
  deps: WalkDeps,
  pair: DomainPair,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<Walked> {
  const walked = await walkOnce(deps, pair, candidate, { signal, refusal: null })
  const { failure } = walked
  const again = failure?.kind === 'unauthenticated' && failure.retryWith === 'dialback'
  return again ? walkOnce(deps, pair, candidate, { signal, refusal: failure }) : walked
}

async function walkOnce(
  deps: WalkDeps,
  pair: DomainPair,
  candidate: Candidate,
  given: { readonly signal: AbortSignal; readonly refusal: Failure | null },
): Promise<Walked> {
  const { signal, refusal } = given
  const steps = new Steps(deps)
  const stream = new WalkedStream()
  const mechanisms: string[] = []
  let features: readonly string[] | null = null
  let verdict: ProvenVerdict | null = null
  const result = (failure: Failure | null): Walked => {
    const { url } = candidate
    if (failure === null) steps.pass('authentication', evidenceOf(stream))
    else steps.fail(failureId(failure), `${url}: ${describe(failure)}`)
    return { stages: steps.stages, url, verdict, features, mechanisms, refusal, stream, failure }
  }
  const reached = await reach(deps, {
    pair,
    candidate,
    signal,
    onStep: ({ name, detail }) => {
      if (name === 'connected') steps.pass('connect', `${candidate.url} at ${detail}`)
      else if (name === 'secured') steps.pass('tls', `server name ${candidate.servername || 'none'}`)
      else if (name === 'vetted') steps.pass('identity', detail)
      else if (name === 'upgraded') steps.pass('upgrade', candidate.url)
    },
  })
  if (!reached.ok) return result(reached.failure)
  verdict = reached.verdict

  const observer = new Observer()
  observer.subscribe(event => {
    steps.watch(event)
    if (event.type === 'stream:features') features ??= event.features
    if (event.type === 'stream:authenticating') mechanisms.push(event.mechanism)
    deps.observer.publish(event)
  })
  const first = refusal === null ? 'external' : 'dialback'
  const means = { ...deps.meansOf(pair.local), bidi: goesBothWays(deps, pair), first } as const
  const start = started({ ...deps, observer }, pair, reached, means)
  return result(
    await openStream(start, signal, session => {
      stream.session = session
      // Where it goes both ways, the peer may send more than our answer.
      return {
        onDrain: () => {},
        onEnded: stream.onEnded,
        onStanza: stanza => deps.router.receive(stanza),
      }
    }),
  )
}

/**
 * One way only, where peers can dial us: how the answer comes back is part of the walk. Else there is no other way back,
 * but for a stream that stands, which one of ours that comes later would take the peer's stanzas from.
 */
export function goesBothWays(
  { isReachable, router }: Pick<WalkDeps, 'isReachable'> & Standing,
  { local, remote }: DomainPair,
): boolean {
  return !isReachable(local) && router.pool.find(local, remote)?.state !== 'open'
}

interface Standing {
  readonly router: { readonly pool: { find(...pair: [Domain, Domain]): Pick<Route, 'state'> | undefined } }
}

function evidenceOf({ session }: WalkedStream): string {
  return session === null ? '' : `${session.proof.method}: ${session.proof.evidence}`
}

const NOWHERE: Walked = {
  stages: [],
  url: '',
  verdict: null,
  features: null,
  mechanisms: [],
  refusal: null,
  stream: new WalkedStream(),
  failure: { by: 'peer', kind: 'no-endpoint', detail: 'no candidate' },
}
