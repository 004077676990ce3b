import type { Limits } from '../../base/index.ts'
import type { Domain } from '../../xmpp/index.ts'
import { parseAddress } from './address.ts'
import type { Config } from './config.ts'
import { hostChecks } from './host-checks.ts'
import { LIMIT_KEYS } from './limit-keys.ts'
import { listenerChecks } from './listeners.ts'
import { error, type Problem, warning } from './problem.ts'
import { proxyChecks } from './proxy-checks.ts'

/** What no single key can show: keys that contradict each other or lead nowhere. */
export function crossChecks(config: Config): Problem[] {
  return [
    ...emptiness(config),
    ...listenersForNobody(config),
    ...duplicates(config),
    ...listenerChecks(config),
    ...hostChecks(config),
    ...proxyChecks(config),
    ...portsThatNobodyServes(config),
    ...unprovablePeers(config),
    ...ownEndpoints(config),
    ...limitOrder(config.limits),
  ]
}

function emptiness(config: Config): Problem[] {
  if (config.domains.length > 0) return []
  return [error('domain', 'at least one [[domain]]', 'none', 'isthmus config sample shows one')]
}

function listenersForNobody({ listen, domains }: Config): Problem[] {
  if (listen.length === 0 || domains.length === 0 || domains.some(({ url }) => url !== null)) return []
  const hint = 'peers come to the url of a domain; without one, leave [[listen]] out'
  return [error('domain[0].url', 'a wss URL on at least one domain', 'none', hint)]
}

function duplicates(config: Config): Problem[] {
  const problems: Problem[] = []
  const seen = new Map<Domain, string>()
  const visit = (domain: Domain, path: string) => {
    const first = seen.get(domain)
    if (first === undefined) seen.set(domain, path)
    else
      problems.push(
        error(path, 'a domain that stands once', JSON.stringify(domain), `it is ${first} already`),
      )
  }
  config.domains.forEach(({ name, also }, index) => {
    visit(name, `domain[${index}].name`)
    also.forEach((other, place) => {
      visit(other, `domain[${index}].also[${place}]`)
    })
  })
  return problems
}

function portsThatNobodyServes(config: Config): Problem[] {
  const ports = config.listen.map(({ address }) => parseAddress(address)?.port)
  return config.domains.flatMap(({ url }, index) => {
    if (url === null) return []
    const port = Number(new URL(url).port || 443)
    if (ports.includes(port)) return []
    const listening = ports.length === 0 ? 'no [[listen]]' : `[[listen]] on ${ports.join(', ')}`
    return [
      warning(
        `domain[${index}].url`,
        `a port that is listened on, not ${port}`,
        listening,
        'right only where something forwards the port, without ending TLS',
      ),
    ]
  })
}

// SASL EXTERNAL is what proves a peer, and it needs the peer's certificate.
function unprovablePeers(config: Config): Problem[] {
  if (config.listen.length === 0 || config.listen.some(listen => listen.clientCertificates === 'request'))
    return []
  return [
    warning(
      'listen[0].client_certificates',
      '"request" on at least one listener',
      '"off"',
      'without certificates no peer can prove itself to us',
    ),
  ]
}

function ownEndpoints(config: Config): Problem[] {
  const own = new Set(config.domains.flatMap(({ name, also }) => [name, ...also]))
  return config.endpoints.flatMap(({ domain }, index) =>
    own.has(domain)
      ? [error(`endpoint[${index}].domain`, 'a remote domain', JSON.stringify(domain), 'it is served here')]
      : [],
  )
}

function limitOrder(limits: Limits): Problem[] {
  const rules = [
    ['preAuthStanzaBytes', 'stanzaBytes'],
    ['preAuthStanzaDepth', 'stanzaDepth'],
    ['preAuthStanzaElements', 'stanzaElements'],
    ['sendHighWaterBytes', 'sendMaxBytes'],
    ['retryMinMs', 'retryMaxMs'],
    ['ttlMinMs', 'ttlMaxMs'],
    ['connectMs', 'attemptMs'],
    ['pingIntervalMs', 'deadMs'],
  ] as const
  const keys = new Map([...LIMIT_KEYS].map(([key, name]) => [name, key]))
  return rules.flatMap(([less, more]) =>
    limits[less] <= limits[more]
      ? []
      : [error(`limits.${keys.get(less)}`, `at most limits.${keys.get(more)}`, 'more', '')],
  )
}
