import { SECRET_CHARACTERS } from './component-schema.ts'
import type { Config, DomainConfig } from './config.ts'
import { error, type Problem, warning } from './problem.ts'

/** Whether peers can prove themselves to us, and we to them, both ways. */
export function proofChecks(config: Config): Problem[] {
  return [
    ...config.domains.flatMap((domain, index) => domainChecks(domain, config, `domain[${index}]`)),
    ...unprovablePeers(config),
    ...dialbackSecret(config),
  ]
}

function domainChecks(domain: DomainConfig, config: Config, path: string): Problem[] {
  const { name, url, identity, reachable } = domain
  const problems: Problem[] = []
  if (reachable && url === null) {
    const hint = 'a domain without a url only dials out'
    problems.push(error(`${path}.reachable`, 'a url beside it', 'none', hint))
  }
  if (!reachable && url !== null) {
    const hint = 'peers dial what is published: leave the url out'
    problems.push(error(`${path}.reachable`, 'no url beside it', JSON.stringify(url), hint))
  }
  const need = identity === null ? certificateNeed(domain, config) : null
  if (need !== null) problems.push(error(`${path}.certificate`, 'a certificate for the domain', 'none', need))
  if (!reachable && config.bidi === false) {
    const hint = `nobody can dial ${name}: nothing would come back to it`
    problems.push(warning('bidi', 'true, or nothing', 'false', hint))
  }
  return problems
}

/** Why a domain cannot do without a certificate; null: it can. */
function certificateNeed({ url, reachable }: DomainConfig, { dialback, listen }: Config): string | null {
  if (dialback === 'off') return 'with dialback = "off" it is the only proof'
  if (!reachable) return 'dialback is no proof where peers cannot call back: it needs a url'
  const here = listen.findIndex(({ proxy }) => proxy === null || proxy.tls)
  return url === null || here === -1 ? null : `TLS ends at listen[${here}]; behind a proxy it has tls = false`
}

function unprovablePeers({ dialback, listen }: Config): Problem[] {
  const sees = ({ proxy, clientCertificates }: Config['listen'][number]) =>
    proxy === null ? clientCertificates === 'request' : proxy.certificate !== null
  if (dialback !== 'off' || listen.length === 0 || listen.some(sees)) return []
  const expected = '"verified-tls", or a listener that sees certificates of clients'
  const hint = 'no peer that dials us can prove itself'
  return [warning('dialback', expected, '"off", and no such listener', hint)]
}

function dialbackSecret({ dialback, dialbackSecret: secret, listen, domains }: Config): Problem[] {
  if (secret !== null && secret.length < SECRET_CHARACTERS) {
    const expected = `at least ${SECRET_CHARACTERS} characters`
    const hint = 'who guesses it is every domain of ours; `openssl rand -hex 24` makes a good one'
    return [warning('dialback_secret', expected, String(secret.length), hint)]
  }
  // Platforms start the next deploy before they stop the last: what one has shown is asked about at the other.
  const platform = listen.some(({ proxy }) => proxy !== null) && domains.some(({ reachable }) => reachable)
  if (secret !== null || dialback === 'off' || !platform) return []
  const hint = 'right only where deploys never overlap and one gateway serves the domain'
  return [warning('dialback_secret', 'a secret that all gateways of the domain share', 'none', hint)]
}
