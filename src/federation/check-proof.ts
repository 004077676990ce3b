import { type Domain, type DomainPair, describe } from '../xmpp/index.ts'
import type { WayBack } from './check-ping.ts'
import type { WalkDeps } from './check-stages.ts'
import type { Walked } from './check-stream.ts'

/** What proves the domain that sends in one direction to the other one, and why nothing else does. */
export interface ProofReport {
  /**
   * 'bidi': none of its own, as its stanzas come on a stream that the other has opened, where its certificate has proven
   * it; null: none is known of
   */
  readonly method: 'sasl-external' | 'dialback' | 'bidi' | null
  /** A stream stood with it. Else it is what could be, as far as is known here. */
  readonly seen: boolean
  /** for a person */
  readonly detail: string
}

/** What is known of ourselves. */
type Us = Pick<WalkDeps, 'meansOf' | 'isReachable' | 'settings'>

/** We to the peer, by what became of the walk. */
export function proofOut(us: Us, { local }: DomainPair, walked: Walked | null): ProofReport {
  const proof = walked?.stream.session?.proof ?? null
  if (walked === null || walked.features === null)
    return { method: null, seen: false, detail: 'the walk ended before the peer said what it takes' }
  const without = whyNoKey(us, local)
  switch (proof?.method) {
    case undefined: {
      const tried = walked.mechanisms.includes('DIALBACK')
      const notDialback = without ?? (tried ? 'it did not take our key' : 'it offers no dialback')
      return {
        method: null,
        seen: false,
        detail: `${whyNotOurCertificate(us, local, walked)}; ${notDialback}`,
      }
    }
    case 'dialback':
      return { method: 'dialback', seen: true, detail: whyNotOurCertificate(us, local, walked) }
    default: {
      const isOffered = walked.features.includes('dialback')
      const unused = isOffered ? 'dialback, which it offers too, was not needed' : 'it offers no dialback'
      return { method: 'sasl-external', seen: true, detail: `it took our certificate; ${without ?? unused}` }
    }
  }
}

function whyNotOurCertificate(us: Us, local: Domain, { mechanisms, refusal }: Walked): string {
  if (!us.meansOf(local).certificate) return 'we have no certificate to show'
  if (refusal !== null) return `it refused our certificate and ended that stream (${describe(refusal)})`
  return mechanisms.includes('EXTERNAL')
    ? 'it did not take our certificate'
    : 'it offers no SASL EXTERNAL to us: no client certificate of ours reached it, or none that proves us to it'
}

/** null: we can show a key */
function whyNoKey({ settings, isReachable }: Us, local: Domain): string | null {
  if (settings.dialback === null) return 'dialback is off here'
  return isReachable(local) ? null : 'no dialback, as nobody could dial us to ask about a key'
}

/** The peer to us, by the stream that it opened, or by what it could open. */
export function proofBack(us: Us, pair: DomainPair, walked: Walked | null, way: WayBack): ProofReport {
  const { proven } = way
  if (proven !== null) {
    const { evidence } = proven
    return proven.method === 'dialback'
      ? {
          method: 'dialback',
          seen: true,
          detail: `${evidence}, knew its key; ${whyNoCertificate(us, way)}`,
        }
      : { method: 'sasl-external', seen: true, detail: `its certificate, ${evidence}; ${unneeded(us)}` }
  }
  if (way.answered) {
    const detail = 'its answer came on a stream of ours, whose other end its certificate has proven'
    return { method: 'bidi', seen: true, detail }
  }
  return us.isReachable(pair.local) ? couldBe(us, walked, way) : couldOnlyAnswer(walked)
}

function unneeded({ settings }: Us): string {
  return settings.dialback === null ? 'dialback is off here' : 'dialback was not needed'
}

/** Why it was dialback. */
function whyNoCertificate(us: Us, { certificate, stoodBefore }: WayBack): string {
  if (!seesCertificates(us)) return `not ${NONE_SEEN}`
  if (certificate !== null) {
    return certificate.fault === null
      ? 'its certificate would have proven it, but it chose a key'
      : `its certificate was refused (${certificate.fault})`
  }
  return stoodBefore
    ? 'why not SASL EXTERNAL is not known, as that stream stood before'
    : 'it showed no certificate'
}

const NONE_SEEN = 'SASL EXTERNAL, as no listener of ours sees certificates'

function seesCertificates({ settings }: Us): boolean {
  return settings.listen.some(({ proxy, clientCertificates }) =>
    proxy === null ? clientCertificates === 'request' : proxy.certificate !== null,
  )
}

function couldBe(us: Us, walked: Walked | null, { refusal }: WayBack): ProofReport {
  const can: string[] = []
  const cannot: string[] = []
  const sees = seesCertificates(us)
  if (sees) can.push('SASL EXTERNAL with a certificate that proves it')
  else cannot.push(NONE_SEEN)
  const verdict = walked?.verdict ?? null
  if (us.settings.dialback === null) cannot.push('dialback, which is off here')
  else if (verdict === null) cannot.push('dialback, as no endpoint has proven to be its')
  else can.push(`dialback, as its endpoint ${walked?.url ?? ''} proves it (${verdict.via} ${verdict.name})`)
  const came = refusal === null ? 'it did not come' : 'it came and was refused'
  const rest = cannot.map(what => `; not ${what}`).join('')
  const method = can.length === 0 ? null : sees ? 'sasl-external' : 'dialback'
  return { method, seen: false, detail: `${came}; it could use ${can.join(', or ') || 'nothing'}${rest}` }
}

/** Where nobody can dial us. */
function couldOnlyAnswer(walked: Walked | null): ProofReport {
  const features = walked?.features ?? null
  const rest = 'nobody can dial us: it can only use a stream of ours that goes both ways (bidi)'
  if (features === null) return { method: null, seen: false, detail: `${rest}; whether it does is not known` }
  return features.includes('bidi')
    ? { method: 'bidi', seen: false, detail: `${rest}, which it offers` }
    : { method: null, seen: false, detail: `${rest}, which it does not offer` }
}
