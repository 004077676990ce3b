import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { rootCertificates } from 'node:tls'
import { type Clock, defaultLimits, type Event, type Limits, type Random } from '../base/index.ts'
import { createTrustStore, type TrustStore } from '../identity/index.ts'
import { createTlsContext } from '../transport/index.ts'
import { type Domain, notFederable, parseDomain } from '../xmpp/index.ts'
import type { Host, StreamHost } from './host.ts'
import { type ListenOptions, type ListenSettings, readListen } from './listen-options.ts'
import { isBlock, type Problem, quoted, readAddress } from './option-texts.ts'

/** What a federation is made of. PEM texts, not paths: reading files is the caller's business. */
export interface FederationOptions {
  readonly domains: readonly DomainOptions[]
  readonly listen?: readonly ListenOptions[]
  readonly trust?: {
    /** PEM, beside Node's bundled roots */
    readonly ca?: readonly string[]
    /** PEM intermediates for peers and proxies that drop theirs */
    readonly intermediates?: readonly string[]
  }
  readonly network?: {
    /** CIDR blocks that may be dialled beyond the public internet */
    readonly allowPrivate?: readonly string[]
    /** 'host:port' -> 'address:port': where the socket goes; TLS and HTTP unchanged */
    readonly connect?: Readonly<Record<string, string>>
  }
  /** what a server behind us offers over HTTP, through our listeners */
  readonly proxies?: readonly ProxyOptions[]
  /** static, ahead of discovery */
  readonly endpoints?: readonly { readonly domain: string; readonly url: string }[]
  /**
   * What proves a peer that has no certificate, and us to peers that see none: server dialback, where the call-back's TLS
   * identity is verified (DB-42), or nothing. Default 'verified-tls'.
   */
  readonly dialback?: 'verified-tls' | 'off'
  /** What dialback keys are made of; gateways of the same domains share one. Absent: random, for as long as this one runs. */
  readonly dialbackSecret?: string
  /** Ask for stanzas both ways on every stream that we open (XEP-0288). Default: only where peers cannot reach us. */
  readonly bidi?: boolean
  /**
   * Offer stream management, ask for it, and resume streams that were lost (XEP-0198). Default true. Without it, what a lost
   * stream had not confirmed is in doubt.
   */
  readonly streamManagement?: boolean
  readonly limits?: Partial<Limits>
  readonly clock?: Clock
  readonly random?: Random
  /** called for every event from the first one on */
  readonly onEvent?: (event: Event) => void
}

export interface DomainOptions {
  readonly name: string
  /** further domains with the same host, certificate and url */
  readonly also?: readonly string[]
  /** the wss URL at which peers reach the domain; without it the domain only dials out */
  readonly url?: string
  /** addresses to publish in host-meta.json (DECISIONS 11) */
  readonly ips?: readonly string[]
  /** PEM chain, leaf first: for our listeners' TLS, and shown to peers that we dial. Absent, as the key is: there is none. */
  readonly certificate?: string
  /** PEM private key */
  readonly key?: string
  /** Whether peers can dial us. Default: whether it has a url. Where they cannot, our streams are kept up for both ways. */
  readonly reachable?: boolean
  /** one host may serve several domains */
  readonly host: Host | StreamHost
}

export interface ProxyOptions {
  /** it, and everything below it */
  readonly path: string
  /** 'http://ADDRESS:PORT' */
  readonly to: string
  /** what users' programs find there; published in host-meta for every domain with a url */
  readonly link?: 'websocket' | 'bosh'
}

/** Options that are believed from here on. */
export interface Settings {
  readonly domains: readonly DomainSettings[]
  readonly listen: readonly ListenSettings[]
  readonly proxies: readonly ProxyOptions[]
  readonly ca: readonly string[]
  readonly trust: TrustStore
  readonly allowPrivate: readonly string[]
  readonly connect: Readonly<Record<string, string>>
  readonly endpoints: readonly { readonly domain: Domain; readonly url: string }[]
  readonly dialback: DialbackSettings | null
  /** null: where peers cannot reach us */
  readonly bidi: boolean | null
  readonly streamManagement: boolean
  readonly limits: Limits
}

/** Dialback is done, with verified TLS. */
export interface DialbackSettings {
  /** null: a random one */
  readonly secret: string | null
}

export interface DomainSettings {
  readonly name: Domain
  readonly also: readonly Domain[]
  readonly url: string | null
  readonly ips: readonly string[]
  /** null: none is shown, and none of our listeners does TLS for it */
  readonly identity: KeyPair | null
  readonly reachable: boolean
  readonly host: Host | StreamHost
}

/** In PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** @throws TypeError that names every problem at once */
export function readOptions(options: FederationOptions): Settings {
  const problems: string[] = []
  const problem = (path: string, what: string) => problems.push(`${path}: ${what}`)
  const { ca = [], intermediates = [] } = options.trust ?? {}
  const { allowPrivate = [], connect = {} } = options.network ?? {}

  const domains = readDomains(options.domains, ca, problem)
  const listen = readListen(options.listen ?? [], domains, problem)
  if (listen.length > 0 && domains.every(({ url }) => url === null))
    problem('listen', 'no domain has a url: nobody would come')
  for (const found of createTrustStore({ roots: ca, intermediates }).problems) problem('trust', found)
  const proxies = options.proxies ?? []
  proxies.forEach(({ path, to }, index) => {
    if (!/^\/[!-~]*$/.test(path)) problem(`proxies[${index}].path`, `not a path: ${quoted(path)}`)
    if (!URL.canParse(to) || new URL(to).protocol !== 'http:')
      problem(`proxies[${index}].to`, `not an http URL: ${quoted(to)}`)
  })
  allowPrivate.forEach((block, index) => {
    if (!isBlock(block)) problem(`network.allowPrivate[${index}]`, `not a CIDR block: ${quoted(block)}`)
  })
  for (const [from, to] of Object.entries(connect)) {
    if (!/^(?:\[[\da-f:.]+\]|[^\s:@/[\]]+):\d{1,5}$/i.test(from))
      problem('network.connect', `not HOST:PORT: ${quoted(from)}`)
    if (readAddress(to) === null)
      problem(`network.connect[${quoted(from)}]`, `not ADDRESS:PORT: ${quoted(to)}`)
  }
  const endpoints = (options.endpoints ?? []).flatMap(({ domain, url }, index) => {
    const read = parseDomain(domain)
    const why = read === null ? 'not a domain' : notFederable(read)
    if (why !== null) problem(`endpoints[${index}].domain`, `${why}: ${quoted(domain)}`)
    const fault = urlFault(url)
    if (fault !== null) problem(`endpoints[${index}].url`, fault)
    return read === null ? [] : [{ domain: read, url }]
  })
  const limits = readLimits(options.limits ?? {}, problem)
  const { dialback: policy = 'verified-tls', dialbackSecret: secret = null } = options
  const { bidi = null, streamManagement = true } = options
  if (policy !== 'verified-tls' && policy !== 'off') problem('dialback', `neither "verified-tls" nor "off"`)
  domains.forEach(({ identity, reachable }, index) => {
    if (identity === null && (policy === 'off' || !reachable))
      problem(`domains[${index}]`, 'without a certificate or dialback nobody would believe it')
  })
  if (secret === '') problem('dialbackSecret', 'empty')

  if (problems.length > 0) throw new TypeError(`createFederation: ${problems.join('; ')}`)
  const trust = createTrustStore({ roots: [...rootCertificates, ...ca], intermediates })
  const dialback = policy === 'off' ? null : { secret }
  const network = { allowPrivate, connect, endpoints }
  return { domains, listen, proxies, ca, trust, ...network, dialback, bidi, streamManagement, limits }
}

function readDomains(
  given: readonly DomainOptions[],
  ca: readonly string[],
  problem: Problem,
): DomainSettings[] {
  if (given.length === 0) problem('domains', 'none')
  const seen = new Set<Domain>()
  const read = (text: string, path: string): Domain[] => {
    const domain = parseDomain(text)
    if (domain === null) problem(path, `not a domain: ${quoted(text)}`)
    else if (seen.has(domain)) problem(path, `stands twice: ${domain}`)
    if (domain === null) return []
    seen.add(domain)
    return [domain]
  }
  return given.flatMap((domain, index) => {
    const path = `domains[${index}]`
    const { url = null, ips = [], reachable = url !== null, host } = domain
    const [name] = read(domain.name, `${path}.name`)
    const also = (domain.also ?? []).flatMap((other, place) => read(other, `${path}.also[${place}]`))
    const fault = url === null ? null : urlFault(url)
    if (fault !== null) problem(`${path}.url`, fault)
    ips.forEach((ip, place) => {
      if (isIP(ip) === 0) problem(`${path}.ips[${place}]`, `not an address: ${quoted(ip)}`)
    })
    const identity = readKeyPair(domain, ca, what => problem(path, what))
    if (reachable && url === null) problem(`${path}.reachable`, 'without a url nobody can reach it')
    return name === undefined ? [] : [{ name, also, url, ips, identity, reachable, host }]
  })
}

function readKeyPair(
  { certificate, key }: DomainOptions,
  ca: readonly string[],
  problem: (what: string) => void,
): KeyPair | null {
  if (certificate === undefined && key === undefined) return null
  if (certificate === undefined || key === undefined) {
    problem('certificate and key: one without the other')
    return null
  }
  const misfit = keyPairFault({ certificate, key }, ca)
  if (misfit !== null) problem(misfit)
  return { certificate, key }
}

/** null where they fit */
function keyPairFault(identity: KeyPair, ca: readonly string[]): string | null {
  try {
    new X509Certificate(identity.certificate)
  } catch {
    return 'certificate is no certificate in PEM'
  }
  try {
    createTlsContext({ identity, ca })
    return null
  } catch (error) {
    return `certificate and key do not fit: ${error instanceof Error ? error.message : String(error)}`
  }
}

function urlFault(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || url.protocol !== 'wss:') return `not a wss URL: ${quoted(text)}`
  if (url.username !== '' || url.password !== '') return 'a URL with a user in it'
  return text.includes('#') ? 'a URL with a fragment' : null
}

function readLimits(given: Partial<Limits>, problem: Problem): Limits {
  for (const [name, value] of Object.entries(given)) {
    if (!(name in defaultLimits)) problem(`limits.${name}`, 'no such limit')
    else if (!Number.isFinite(value) || value < 0)
      problem(`limits.${name}`, `not a number of its unit: ${value}`)
  }
  const limits = { ...defaultLimits, ...given }
  // SZ-24
  if (limits.stanzaBytes < limits.preAuthStanzaBytes)
    problem('limits.stanzaBytes', `below ${limits.preAuthStanzaBytes}, which every peer may rely on`)
  return limits
}
