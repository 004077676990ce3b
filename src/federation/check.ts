import { type DomainPair, describe, type Failure, failureId } from '../xmpp/index.ts'
import { ping, watchWayBack } from './check-ping.ts'
import { type ProofReport, proofBack, proofOut } from './check-proof.ts'
import { type Stage, type StageName, stageFailed, stagePassed, type WalkDeps } from './check-stages.ts'
import { type Walked, walkCandidates } from './check-stream.ts'

export interface CheckReport {
  readonly ok: boolean
  readonly stages: readonly Stage[]
  /** which exit code of the command fits: 0 ok, 1 failed, 4 unreachable, 5 identity */
  readonly outcome: 'ok' | 'failed' | 'unreachable' | 'identity'
  readonly proof: {
    /** what proves us to the peer */
    readonly out: ProofReport
    /** what proves the peer to us */
    readonly back: ProofReport
  }
}

export interface WalkOptions {
  readonly signal: AbortSignal
  readonly onStage?: (stage: Stage) => void
}

/**
 * Walk to a domain, always afresh (DECISIONS 30): its own look-up, its own dial, its own stream; neither pool nor cache
 * nor back-off. Questions and answers of a walk reach no host and no account.
 */
export async function walk(deps: WalkDeps, pair: DomainPair, options: WalkOptions): Promise<CheckReport> {
  const stages: Stage[] = []
  const tell = (...more: readonly Stage[]) => {
    for (const stage of more) {
      stages.push(stage)
      options.onStage?.(stage)
    }
  }
  const { clock, discovery } = deps
  const { signal } = options
  const way = watchWayBack(deps, pair)
  const end = (outcome: CheckReport['outcome'], walked: Walked | null): CheckReport => {
    const proof = { out: proofOut(deps, pair, walked), back: proofBack(deps, pair, walked, way) }
    return { ok: outcome === 'ok', stages, outcome, proof }
  }
  try {
    const startMs = clock.monotonicMs()
    const discovered = await discovery.discover(pair.remote, { signal, fresh: true })
    const ms = clock.monotonicMs() - startMs
    if (!discovered.ok) {
      const { failure } = discovered
      tell(stageFailed('discovery', ms, failureId(failure), describe(failure)))
      return end(outcomeOf(failure, 'discovery'), null)
    }
    const { candidates, source } = discovered
    const urls = candidates.map(({ url }) => url).join(', ')
    tell(stagePassed('discovery', ms, `${source}: ${urls}`))

    const walked = await walkCandidates(deps, pair, candidates, signal)
    tell(...walked.stages)
    if (walked.failure !== null)
      return end(outcomeOf(walked.failure, walked.stages.at(-1)?.name ?? 'connect'), walked)
    tell(...(await ping(deps, { pair, walked, way, signal })))
    return end(stages.every(({ ok }) => ok) ? 'ok' : 'failed', walked)
  } finally {
    way.release()
  }
}

function outcomeOf(failure: Failure, stage: StageName): CheckReport['outcome'] {
  if (failure.by === 'peer' && failure.kind === 'identity') return 'identity'
  return stage === 'discovery' || stage === 'connect' || stage === 'tls' ? 'unreachable' : 'failed'
}
