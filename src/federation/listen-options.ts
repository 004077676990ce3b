import { createTrustStore } from '../identity/index.ts'
import { isBlock, type Problem, quoted, readAddress } from './option-texts.ts'

/** Where peers come, and who is in front. */
export interface ListenOptions {
  /** 'address:port' or '[address]:port', where port 0 takes a free one; behind a proxy 'unix:/path' too */
  readonly address: string
  readonly clientCertificates?: 'request' | 'off'
  /** false: a proxy in front ends TLS and comes by plain HTTP. Default true. */
  readonly tls?: boolean
  /**
   * CIDR blocks of a proxy in front, which then alone is answered; with `tls` it comes by TLS. Only a unix socket needs none.
   * The rest is of listeners behind a proxy only.
   */
  readonly trustedProxies?: readonly string[]
  /** PEM authorities, with `tls`: the proxy shows a certificate of theirs. They must have certified nobody else. */
  readonly proxyCa?: string
  /** where the proxy says for whom it comes: X-Forwarded-For and -Proto (the default), or Forwarded (RFC 7239) */
  readonly forwarded?: 'x-forwarded' | 'forwarded'
  /** how many proxies of ours there are, each of which appends whom it has seen. Default 1. */
  readonly forwardedHops?: number
  /**
   * How the proxy hands on certificates of clients. Only where it proves itself, by `proxySecret`, `proxyCa` or a unix
   * socket (DECISIONS 25). Default: not at all.
   */
  readonly forwardedCertificate?: 'rfc9440' | 'xfcc' | 'nginx' | 'alb'
  /** what the proxy shows in X-Isthmus-Proxy-Secret with every request */
  readonly proxySecret?: string
}

export interface ListenSettings {
  /** an IP address; the path of a unix socket */
  readonly address: string
  /** of a unix socket 0 */
  readonly port: number
  readonly unix: boolean
  readonly clientCertificates: 'request' | 'off'
  /** null: whoever connects comes for himself */
  readonly proxy: ProxySettings | null
}

/** Of a proxy that ends TLS in front of us. */
export interface ProxySettings {
  /** it comes by TLS */
  readonly tls: boolean
  /** PEM, with TLS: it shows a certificate of theirs; null: it need not */
  readonly ca: string | null
  readonly trusted: readonly string[]
  readonly fields: 'x-forwarded' | 'forwarded'
  readonly hops: number
  readonly secret: string | null
  readonly certificate: 'rfc9440' | 'xfcc' | 'nginx' | 'alb' | null
}

/** @param domains as far as TLS goes */
export function readListen(
  given: readonly ListenOptions[],
  domains: readonly { readonly url: string | null; readonly identity: unknown }[],
  problem: Problem,
): ListenSettings[] {
  return given.flatMap((options, index) => {
    const path = `listen[${index}]`
    const { address, clientCertificates = 'request', tls = true } = options
    const unix = /^unix:(\/[^\0]+)$/.exec(address)?.[1] ?? null
    const read = unix === null ? readAddress(address) : { address: unix, port: 0 }
    if (read === null) problem(`${path}.address`, `not ADDRESS:PORT: ${quoted(address)}`)
    if (tls && unix !== null) problem(`${path}.address`, 'a unix socket is for a proxy (tls: false)')
    if (tls && domains.some(({ url, identity }) => url !== null && identity === null))
      problem(path, 'TLS needs the certificate of every domain with a url')
    const problemOf = (key: string, what: string) => problem(`${path}.${key}`, what)
    const behind = !tls || options.trustedProxies !== undefined
    const proxy = behind ? readProxy(options, unix !== null, problemOf) : null
    if (!behind) {
      for (const key of BEHIND_PROXY)
        if (options[key] !== undefined) problemOf(key, 'only behind a proxy (tls: false, or trustedProxies)')
    }
    return read === null ? [] : [{ ...read, unix: unix !== null, clientCertificates, proxy }]
  })
}

function readProxy(options: ListenOptions, unix: boolean, problem: Problem): ProxySettings {
  const {
    tls = true,
    trustedProxies: trusted = [],
    forwarded: fields = 'x-forwarded',
    forwardedHops: hops = 1,
  } = options
  const { proxySecret: secret = null, forwardedCertificate: certificate = null, proxyCa: ca = null } = options
  if (trusted.length === 0 && !unix) problem('trustedProxies', 'nobody could say that TLS ended before us')
  trusted.forEach((block, index) => {
    if (!isBlock(block)) problem(`trustedProxies[${index}]`, `not a CIDR block: ${quoted(block)}`)
  })
  if (!FIELDS.has(fields)) problem('forwarded', `neither "x-forwarded" nor "forwarded": ${quoted(fields)}`)
  if (!Number.isInteger(hops) || hops < 1) problem('forwardedHops', `not a count: ${hops}`)
  if (secret !== null && !/^[!-~](?:[ -~]*[!-~])?$/.test(secret))
    problem('proxySecret', 'no value of a header field')
  if (ca !== null) {
    if (!tls) problem('proxyCa', 'a certificate is shown where TLS ends (tls: true)')
    for (const found of createTrustStore({ roots: [ca] }).problems) problem('proxyCa', found)
  }
  if (certificate !== null && !FORMATS.has(certificate))
    problem('forwardedCertificate', `no format that is known: ${quoted(certificate)}`)
  if (certificate !== null && secret === null && ca === null && !unix)
    problem(
      'forwardedCertificate',
      'a certificate is public: the hop must prove itself, by proxySecret, proxyCa or a unix socket',
    )
  return { tls, trusted, fields, hops, ca, secret, certificate }
}

const BEHIND_PROXY = ['proxyCa', 'forwarded', 'forwardedHops', 'forwardedCertificate', 'proxySecret'] as const

const FIELDS: ReadonlySet<string> = new Set(['x-forwarded', 'forwarded'])
const FORMATS: ReadonlySet<string> = new Set(['rfc9440', 'xfcc', 'nginx', 'alb'])
