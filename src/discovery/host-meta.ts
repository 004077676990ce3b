import type { Clock, Limits, Random } from '../base/index.ts'
import { type Domain, type Failure, notFederable, parseDomain, toAscii } from '../xmpp/index.ts'
import { get, type HttpAnswer, type HttpDeps } from './http.ts'
import { readJrd } from './jrd.ts'
import type { HostMeta } from './link.ts'
import { readXrd } from './xrd.ts'

export interface HostMetaDeps extends HttpDeps {
  readonly limits: Limits
  readonly clock: Clock
  readonly random: Random
}

export type Read =
  | { readonly ok: true; readonly hostMeta: HostMeta; readonly source: string }
  | { readonly ok: false; readonly failure: Failure }

/**
 * Ask a domain's web server how to reach the domain: both documents at once (DS-02), host-meta.json preferred where it
 * has a link for us. Within `limits.hostMetaMs`, redirects included.
 */
export async function readHostMeta(deps: HostMetaDeps, domain: Domain, given: AbortSignal): Promise<Read> {
  const { limits, clock } = deps
  const own = new AbortController()
  let late = false
  const onAbort = () => own.abort()
  given.addEventListener('abort', onAbort)
  if (given.aborted) onAbort()
  const timer = clock.setTimer(limits.hostMetaMs, () => {
    late = true
    own.abort()
  })
  try {
    const json = readOne(deps, domain, 'host-meta.json', own.signal)
    const xml = readOne(deps, domain, 'host-meta', own.signal)
    // A defect of ours counts where somebody waits for it.
    xml.catch(() => {})
    const first = await json
    if (first.ok) return first
    const second = await xml
    if (second.ok) return second
    if (late) return { ok: false, failure: tooLate(domain, limits) }
    // That there is nothing is known only where both say so.
    const failure = first.failure.kind === 'no-endpoint' ? second.failure : first.failure
    return { ok: false, failure }
  } finally {
    timer.cancel()
    given.removeEventListener('abort', onAbort)
    own.abort()
  }
}

type Name = 'host-meta.json' | 'host-meta'

/** ok: it has at least one link for us */
async function readOne(deps: HostMetaDeps, domain: Domain, name: Name, signal: AbortSignal): Promise<Read> {
  const followed = await follow(deps, domain, name, signal)
  if (!followed.ok) return followed
  const { status, contentType, body } = followed.answer
  if (status === 404 || status === 410) return nothing(domain, `has no ${name}`)
  if (status !== 200) {
    const detail = `https://${toAscii(domain)}/.well-known/${name} was answered with HTTP ${status}`
    return { ok: false, failure: { by: 'network', kind: 'http', status, detail } }
  }
  // DS-02: JSON may also come from /host-meta, where it says so.
  const isJson = name === 'host-meta.json' || /^application\/(?:jrd\+)?json\b/i.test(contentType)
  const hostMeta = isJson ? readJrd(body, deps.limits) : readXrd(body, deps.limits)
  if (hostMeta === null) return nothing(domain, `has a ${name} that cannot be read`)
  if (hostMeta.links.length === 0)
    return nothing(domain, `names no WebSocket endpoint for servers in its ${name}`)
  const kind = isJson ? (hostMeta.complete ? ' (XEP-0487)' : '') : ' (XRD)'
  return { ok: true, hostMeta, source: name + kind }
}

type Followed =
  | { readonly ok: true; readonly answer: HttpAnswer }
  | { readonly ok: false; readonly failure: Failure }

/** DS-03, DECISIONS 21: https only, any origin; each hop is resolved, vetted and verified anew. */
async function follow(
  deps: HostMetaDeps,
  domain: Domain,
  name: Name,
  signal: AbortSignal,
): Promise<Followed> {
  // DS-01: the default port; others have no defined meaning.
  let url = new URL(`https://${toAscii(domain)}/.well-known/${name}`)
  for (let hops = 0; ; hops++) {
    const got = await get(deps, url, ACCEPT[name], signal)
    if (!got.ok || !REDIRECTS.has(got.answer.status)) return got
    const next = redirectTarget(got.answer.location, url)
    if (next === null) return refusal(`redirects its ${name} to where we do not go`)
    if (hops === deps.limits.hostMetaRedirects)
      return refusal(`redirects its ${name} more than ${hops} times`)
    url = next
  }
  function refusal(what: string): Followed {
    return { ok: false, failure: { by: 'network', kind: 'http', detail: `${domain} ${what}` } }
  }
}

function redirectTarget(location: string | null, base: URL): URL | null {
  if (location === null || !URL.canParse(location, base.href)) return null
  const url = new URL(location, base.href)
  const host = parseDomain(url.hostname)
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.port === '0') return null
  return host === null || notFederable(host) !== null ? null : url
}

function nothing(domain: Domain, what: string): Read {
  return { ok: false, failure: { by: 'peer', kind: 'no-endpoint', detail: `${domain} ${what}` } }
}

function tooLate(domain: Domain, { hostMetaMs }: Pick<Limits, 'hostMetaMs'>): Failure {
  const detail = `host-meta of ${domain}: no answer within ${Math.round(hostMetaMs / 1_000)} s`
  return { by: 'network', kind: 'timeout', detail }
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308])
const ACCEPT: Readonly<Record<Name, string>> = {
  'host-meta.json': 'application/json',
  'host-meta': 'application/xrd+xml',
}
