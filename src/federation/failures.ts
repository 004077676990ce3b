import { type IdentityVerdict, parseCertificate } from '../identity/index.ts'
import type { Domain, Failure } from '../xmpp/index.ts'

// Failures of dials: made where identity's words are not enough, and weighed against each other.

/** Why a certificate was refused, in words that name what it is for. */
export function identityFailure(
  verdict: Extract<IdentityVerdict, { ok: false }>,
  chain: readonly Uint8Array[],
): Failure {
  const { domain, reason, detail } = verdict
  const isFor = reason === 'name-mismatch' ? namesOf(chain) : []
  const told = isFor.length === 0 ? detail : `it is for ${isFor.join(', ')}, not ${domain}`
  return { by: 'peer', kind: 'identity', reason, detail: told }
}

/** Of the failures of one dial, the one that says most: whoever came furthest knows best. The first of equals. */
export function mostTelling(failures: readonly Failure[]): Failure | null {
  let best: Failure | null = null
  for (const failure of failures) if (best === null || weight(failure) > weight(best)) best = failure
  return best
}

/** No candidate, no address: discovery and resolvers do not say so, but nothing else would. */
export function nowhere(remote: Domain): Failure {
  return { by: 'peer', kind: 'no-endpoint', detail: `nowhere to connect to for ${remote}` }
}

function weight(failure: Failure): number {
  const index = ORDER.indexOf(`${failure.by}.${failure.kind}`)
  return index < 0 ? ORDER.length : index
}

/** From what says least to what says most. */
const ORDER = [
  'us.aborted',
  'peer.no-endpoint',
  'network.forbidden-address',
  'network.dns',
  'network.unreachable',
  'network.timeout',
  'network.tls',
  'network.http',
  'network.closed',
  'peer.closed',
  'peer.redirect',
  'peer.identity',
  'peer.violation',
  'peer.unauthenticated',
  'peer.reported',
]

/** The leaf's DNS names, as far as they fit into a sentence; what is not plain ASCII is left out. */
function namesOf([leaf]: readonly Uint8Array[]): readonly string[] {
  if (leaf === undefined) return []
  const parsed = parseCertificate(leaf)
  const names = parsed.ok ? (parsed.certificate.names?.dns ?? []) : []
  return names.filter(name => /^[a-z\d.*_-]{1,253}$/i.test(name)).slice(0, MAX_NAMES)
}

const MAX_NAMES = 3
