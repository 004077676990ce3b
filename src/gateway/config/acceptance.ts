import { rootCertificates } from 'node:tls'
import { createTrustStore, judgeChain, readPemCertificates } from '../../identity/index.ts'
import type { Domain } from '../../xmpp/index.ts'
import type { Config, DomainConfig } from './config.ts'
import { type Problem, warning } from './problem.ts'

/**
 * Whether peers who believe whom we believe take our certificates for our domains. Only warnings: serving starts with a
 * certificate for another name too, because the right one may still come (DECISIONS 17).
 */
export function acceptanceByPeers(config: Config, nowMs: number): Problem[] {
  // Without our intermediates: peers have what we send.
  const trust = createTrustStore({ roots: [...rootCertificates, ...config.trust.ca.map(file => file.pem)] })
  const { limits } = config
  /** domains by why they are refused */
  const refusals = ({ identity, name, also }: DomainConfig): Map<string, Domain[]> => {
    const refused = new Map<string, Domain[]>()
    const bundle = identity === null ? null : readPemCertificates(identity.certificate.pem)
    // A text without certificates is an error of its own.
    if (bundle === null || !bundle.ok) return refused
    for (const domain of [name, ...also]) {
      const names = { domain, hosts: [], pins: [] }
      const verdict = judgeChain({ chain: bundle.certificates, names, trust, nowMs, limits })
      if (verdict.ok) continue
      const why = `${verdict.reason}: ${verdict.detail}`
      refused.set(why, [...(refused.get(why) ?? []), domain])
    }
    return refused
  }
  return config.domains.flatMap((domain, index) =>
    [...refusals(domain)].map(([why, domains]) =>
      warning(
        `domain[${index}].certificate`,
        `a chain that peers accept for ${domains.join(', ')}`,
        why,
        why.startsWith('untrusted')
          ? 'right only where its authority is one that the peers are configured to trust'
          : 'docs/ERRORS.md says what to do about it',
      ),
    ),
  )
}
