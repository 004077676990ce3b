import type { Limits } from '../../base/index.ts'
import type { Domain } from '../../xmpp/index.ts'
import type { Config } from './config.ts'
import { frontChecks } from './front-checks.ts'
import { hostChecks } from './host-checks.ts'
import { LIMIT_KEYS } from './limit-keys.ts'
import { listenerChecks } from './listeners.ts'
import { error, type Problem } from './problem.ts'
import { proofChecks } from './proof-checks.ts'
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
    ...frontChecks(config),
    ...proofChecks(config),
    ...ownEndpoints(config),
    ...limitOrder(config.limits),
    ...restlessStreams(config.limits),
  ]
}

/** Less than a stream needs to be opened and to hand over. */
const STREAM_AGE_MIN_MS = 1_000

function restlessStreams({ maxStreamAgeMs }: Limits): Problem[] {
  if (maxStreamAgeMs === 0 || maxStreamAgeMs >= STREAM_AGE_MIN_MS) return []
  const hint = 'streams would be opened anew all the time'
  return [error('limits.max_stream_age', '0ms for none, or at least 1s', `${maxStreamAgeMs} ms`, hint)]
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
