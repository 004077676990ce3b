import { type DomainPair, describe, element, failureId, iq, NS } from '../xmpp/index.ts'
import { type Stage, type StageName, stageFailed, stagePassed, type WalkDeps } from './check-stages.ts'
import type { Walked } from './check-stream.ts'
import { deadline } from './deadline.ts'
import type { Proven } from './inbound.ts'

/** How the peer came to us during a walk. */
export interface WayBack {
  /** when its own stream stood, from the beginning of the walk on; 0: before; null: none does */
  backMs: number | null
  /** what proved it there */
  proven: Proven | null
  /** it stood before the walk */
  readonly stoodBefore: boolean
  /** why it was not let in */
  refusal: { readonly reason: string; readonly detail: string } | null
  /** what became of the certificate that it showed, if it showed one; null: accepted */
  certificate: { readonly fault: string | null } | null
  /** the ping was answered */
  answered: boolean
  readonly release: () => void
}

export function watchWayBack({ observer, inbound, clock }: WalkDeps, pair: DomainPair): WayBack {
  const startMs = clock.monotonicMs()
  const proven = inbound.proofOf(pair)
  const stoodBefore = inbound.count(pair) > 0
  const way: WayBack = {
    backMs: stoodBefore ? 0 : null,
    proven,
    stoodBefore,
    refusal: null,
    certificate: null,
    answered: false,
    release: observer.subscribe(event => {
      if (event.type === 'identity' && event.role === 'receiving' && event.domain === pair.remote) {
        const { ok, reason = '', detail = '' } = event
        way.certificate = { fault: ok ? null : `${reason}: ${detail}` }
      }
      if (event.type !== 'stream:established' && event.type !== 'stream:ended') return
      if (event.role !== 'receiving' || event.remote !== pair.remote || event.local !== pair.local) return
      if (event.type === 'stream:established') {
        way.backMs ??= clock.monotonicMs() - startMs
        way.proven = { method: event.authentication, evidence: event.proof }
      } else if (!event.established) way.refusal = event
    }),
  }
  return way
}

/** The answer comes on the peer's own stream to us: whether it came, and where it was lost if not. */
export async function ping(
  deps: WalkDeps,
  walk: {
    readonly pair: DomainPair
    readonly walked: Walked
    readonly way: WayBack
    readonly signal: AbortSignal
  },
): Promise<readonly Stage[]> {
  const { clock, limits, answers, random } = deps
  const { pair, way } = walk
  const { local, remote } = pair
  const { stream } = walk.walked
  const id = Buffer.from(random.bytes(ID_BYTES)).toString('hex')
  const request = iq({ from: local, to: remote, type: 'get', id, payload: element('ping', NS.ping) })
  const startMs = clock.monotonicMs()
  const passed = (name: StageName, detail: string, ms = clock.monotonicMs() - startMs) =>
    stagePassed(name, ms, detail)
  const failed = (name: StageName, reason: string, detail: string) =>
    stageFailed(name, clock.monotonicMs() - startMs, reason, detail)
  const attempt = deadline(limits.pingAnswerMs, walk.signal, clock)
  try {
    const answering = answers.answerTo(request, attempt.signal)
    stream.session?.send(request)
    const first = await Promise.race([answering, stream.ended.then(failure => ({ lost: failure }))])
    const isRead = (stream.session?.confirmedCount() ?? 0) > 0
    if (first !== null && 'lost' in first && !isRead && way.backMs === null) {
      const { lost } = first
      const why = lost === null ? 'closed the stream' : describe(lost)
      const reason = lost === null ? 'peer.closed' : failureId(lost)
      return [failed('ping', reason, `${remote} did not take the ping: ${why}`)]
    }
    // Its answer may come all the same, on the stream that is not lost.
    const answer = await answering
    // A peer proves further pairs on a stream that it has.
    way.proven = deps.inbound.proofOf(pair) ?? way.proven
    const reaches = `${remote} reaches ${local}`
    if (answer !== null) {
      way.answered = true
      const pinged = passed('ping', `answered by ${remote} with ${answer.type}`)
      const on = way.proven === null ? ' on a stream of ours, which goes both ways' : ''
      return [pinged, passed('reverse', `${reaches}${on}`, way.backMs ?? pinged.ms)]
    }
    const seconds = Math.round(limits.pingAnswerMs / 1_000)
    if (way.backMs !== null) {
      return [
        failed('ping', 'network.timeout', `no answer within ${seconds} s`),
        passed('reverse', reaches, way.backMs),
      ]
    }
    const { reason, detail } = unreached(deps, pair, way, seconds)
    return [
      isRead
        ? passed('ping', `${remote} accepted the ping`)
        : failed('ping', 'network.timeout', 'sent, not confirmed'),
      failed('reverse', reason, detail),
    ]
  } finally {
    attempt.release()
    stream.session?.end(null)
  }
}

function unreached(
  { urlOf, isReachable }: WalkDeps,
  { local, remote }: DomainPair,
  { refusal }: WayBack,
  seconds: number,
): { readonly reason: string; readonly detail: string } {
  if (refusal !== null) {
    const { reason, detail } = refusal
    return { reason, detail: `${remote} came to us and was refused: ${detail}` }
  }
  const url = urlOf(local)
  if (url === null || !isReachable(local)) {
    const detail = `nobody can dial ${local}, and ${remote} answered on no stream of ours`
    return { reason: 'us.policy', detail }
  }
  const detail = `no answer within ${seconds} s: ${remote} could not reach us at ${url}`
  return { reason: 'network.timeout', detail }
}

const ID_BYTES = 16
