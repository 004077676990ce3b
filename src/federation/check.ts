import { type Event, Observer, type Random } from '../base/index.ts'
import type { Candidate } from '../discovery/index.ts'
import { type EstablishedSession, openStream } from '../session/index.ts'
import { type Domain, type DomainPair, describe, element, type Failure, iq, NS } from '../xmpp/index.ts'
import type { Answers } from './answers.ts'
import { deadline } from './deadline.ts'
import { type DialDeps, started } from './dial.ts'
import type { Inbound } from './inbound.ts'
import { reach } from './reach.ts'

/** The stages of a walk to a domain, in order. */
export type StageName =
  | 'discovery'
  | 'connect'
  | 'tls'
  | 'identity'
  | 'upgrade'
  | 'open'
  | 'features'
  | 'authentication'
  | 'ping'
  /** the peer's own stream back to us, on which the ping's answer comes */
  | 'reverse'

export interface Stage {
  readonly name: StageName
  readonly ok: boolean
  readonly ms: number
  readonly detail: string
}

export interface CheckReport {
  readonly ok: boolean
  readonly stages: readonly Stage[]
  /** which exit code of the command fits: 0 ok, 1 failed, 4 unreachable, 5 identity */
  readonly outcome: 'ok' | 'failed' | 'unreachable' | 'identity'
}

export interface WalkDeps extends DialDeps {
  readonly inbound: Inbound
  readonly answers: Answers
  readonly random: Random
  /** where peers reach `local`; null: nowhere */
  readonly urlOf: (local: Domain) => string | null
  readonly limits: DialDeps['limits'] & { readonly pingAnswerMs: number; readonly closeMs: number }
}

export interface WalkOptions {
  readonly signal: AbortSignal
  readonly onStage?: (stage: Stage) => void
}

/**
 * Walk to a domain, always afresh (DECISIONS 30): its own look-up, its own dial, its own stream; neither pool nor cache
 * nor back-off. Stanzas of a walk reach no host and no account.
 */
export async function walk(deps: WalkDeps, pair: DomainPair, options: WalkOptions): Promise<CheckReport> {
  const stages: Stage[] = []
  const tell = (...more: readonly Stage[]) => {
    for (const stage of more) {
      stages.push(stage)
      options.onStage?.(stage)
    }
  }
  const end = (outcome: CheckReport['outcome']): CheckReport => ({ ok: outcome === 'ok', stages, outcome })
  const { clock, discovery } = deps
  const { signal } = options

  const startMs = clock.monotonicMs()
  const discovered = await discovery.discover(pair.remote, { signal, fresh: true })
  const ms = clock.monotonicMs() - startMs
  if (!discovered.ok) {
    tell({ name: 'discovery', ok: false, ms, detail: describe(discovered.failure) })
    return end(outcomeOf(discovered.failure, 'discovery'))
  }
  const { candidates, source } = discovered
  const urls = candidates.map(({ url }) => url).join(', ')
  tell({ name: 'discovery', ok: true, ms, detail: `${source}: ${urls}` })

  const walked = await walkCandidates(deps, pair, candidates, signal)
  tell(...walked.stages)
  if (!walked.ok) return end(outcomeOf(walked.failure, walked.stages.at(-1)?.name ?? 'connect'))
  const answered = await ping(deps, pair, walked.stream, signal)
  tell(...answered)
  return end(answered.every(({ ok }) => ok) ? 'ok' : 'failed')
}

type Walked =
  | { readonly ok: true; readonly stages: readonly Stage[]; readonly stream: WalkedStream }
  | { readonly ok: false; readonly stages: readonly Stage[]; readonly failure: Failure }

class WalkedStream {
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
async function walkCandidates(
  deps: WalkDeps,
  pair: DomainPair,
  candidates: readonly Candidate[],
  signal: AbortSignal,
): Promise<Walked> {
  let best: Walked | null = null
  for (const candidate of candidates) {
    const walked = await walkCandidate(deps, pair, candidate, signal)
    if (walked.ok) return walked
    if (best === null || walked.stages.length > best.stages.length) best = walked
  }
  return best ?? { ok: false, stages: [], failure: NO_CANDIDATE }
}

async function walkCandidate(
  deps: WalkDeps,
  pair: DomainPair,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<Walked> {
  const steps = new Steps(deps)
  const failed = (failure: Failure): Walked => {
    steps.fail(`${candidate.url}: ${describe(failure)}`)
    return { ok: false, stages: steps.stages, failure }
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
  if (!reached.ok) return failed(reached.failure)

  const observer = new Observer()
  observer.subscribe(event => {
    steps.watch(event)
    deps.observer.publish(event)
  })
  const stream = new WalkedStream()
  // One way only: how the answer comes back is part of the walk.
  const means = { ...deps.meansOf(pair.local), bidi: false, first: 'external' } as const
  const failure = await openStream(started({ ...deps, observer }, pair, reached, means), signal, session => {
    stream.session = session
    return { onDrain: () => {}, onEnded: stream.onEnded }
  })
  if (failure !== null) return failed(failure)
  steps.pass('authentication', stream.session?.proof.evidence ?? '')
  return { ok: true, stages: steps.stages, stream }
}

/** Passes each stage once, in order; what fails is the first that has not been passed. */
class Steps {
  readonly stages: Stage[] = []
  readonly #clock: WalkDeps['clock']
  #sinceMs: number

  constructor({ clock }: Pick<WalkDeps, 'clock'>) {
    this.#clock = clock
    this.#sinceMs = clock.monotonicMs()
  }

  pass(name: StageName, detail: string): void {
    if (CANDIDATE_STAGES[this.stages.length] === name) this.#add(true, detail)
  }

  fail(detail: string): void {
    this.#add(false, detail)
  }

  watch(event: Event): void {
    if (event.type === 'stream:open') this.pass('open', `stream ${event.id}`)
    else if (event.type === 'stream:features') this.pass('features', event.features.join(', '))
  }

  #add(ok: boolean, detail: string): void {
    const nowMs = this.#clock.monotonicMs()
    const name = CANDIDATE_STAGES[this.stages.length] ?? 'authentication'
    this.stages.push({ name, ok, ms: nowMs - this.#sinceMs, detail })
    this.#sinceMs = nowMs
  }
}

const CANDIDATE_STAGES: readonly StageName[] = [
  'connect',
  'tls',
  'identity',
  'upgrade',
  'open',
  'features',
  'authentication',
]

/** The answer comes on the peer's own stream to us: whether it came, and where it was lost if not. */
async function ping(
  deps: WalkDeps,
  pair: DomainPair,
  stream: WalkedStream,
  given: AbortSignal,
): Promise<readonly Stage[]> {
  const { clock, limits, answers, random } = deps
  const { local, remote } = pair
  const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
  const request = iq({ from: local, to: remote, type: 'get', id, payload: element('ping', NS.ping) })
  const startMs = clock.monotonicMs()
  const stage = (
    name: StageName,
    ok: boolean,
    detail: string,
    ms = clock.monotonicMs() - startMs,
  ): Stage => ({
    name,
    ok,
    ms,
    detail,
  })
  const way = watchWayBack(deps, pair)
  const attempt = deadline(limits.pingAnswerMs, given, clock)
  try {
    const answering = answers.answerTo(request, attempt.signal)
    stream.session?.send(request)
    const first = await Promise.race([answering, stream.ended.then(failure => ({ lost: failure }))])
    const isRead = (stream.session?.confirmedCount() ?? 0) > 0
    if (first !== null && 'lost' in first && !isRead && way.backMs === null) {
      const why = first.lost === null ? 'closed the stream' : describe(first.lost)
      return [stage('ping', false, `${remote} did not take the ping: ${why}`)]
    }
    // Its answer may come all the same, on the stream that is not lost.
    const answer = await answering
    const reaches = `${remote} reaches ${local}`
    if (answer !== null) {
      const pinged = stage('ping', true, `answered by ${remote} with ${answer.type}`)
      return [pinged, stage('reverse', true, reaches, way.backMs ?? pinged.ms)]
    }
    const seconds = Math.round(limits.pingAnswerMs / 1_000)
    if (way.backMs !== null) {
      return [
        stage('ping', false, `no answer within ${seconds} s`),
        stage('reverse', true, reaches, way.backMs),
      ]
    }
    return [
      stage('ping', isRead, isRead ? `${remote} accepted the ping` : 'sent, not confirmed'),
      stage('reverse', false, unreached(deps, pair, way.refusal, seconds)),
    ]
  } finally {
    attempt.release()
    way.release()
    stream.session?.end(null)
  }
}

function unreached(
  { urlOf }: WalkDeps,
  { local, remote }: DomainPair,
  refusal: string | null,
  seconds: number,
): string {
  if (refusal !== null) return `${remote} came to us and was refused: ${refusal}`
  const url = urlOf(local)
  if (url === null) return `${local} has no url: nobody can answer it`
  return `no answer within ${seconds} s: ${remote} could not reach us at ${url}`
}

/** When the peer's stream to us stood, or why it did not come to stand. */
function watchWayBack({ observer, inbound, clock }: WalkDeps, pair: DomainPair) {
  const startMs = clock.monotonicMs()
  const way: { backMs: number | null; refusal: string | null; release: () => void } = {
    backMs: inbound.count(pair) > 0 ? 0 : null,
    refusal: null,
    release: observer.subscribe(event => {
      if (event.type !== 'stream:established' && event.type !== 'stream:ended') return
      if (event.role !== 'receiving' || event.remote !== pair.remote || event.local !== pair.local) return
      if (event.type === 'stream:established') way.backMs = clock.monotonicMs() - startMs
      else if (!event.established) way.refusal = event.detail
    }),
  }
  return way
}

function outcomeOf(failure: Failure, stage: StageName): CheckReport['outcome'] {
  if (failure.by === 'peer' && failure.kind === 'identity') return 'identity'
  return stage === 'discovery' || stage === 'connect' || stage === 'tls' ? 'unreachable' : 'failed'
}

const NO_CANDIDATE: Failure = { by: 'peer', kind: 'no-endpoint', detail: 'no candidate' }
const ID_BYTES = 16
