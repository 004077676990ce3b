import type { Limits } from '../../base/index.ts'
import type { Domain } from '../../xmpp/index.ts'
import type { HostPort } from './address.ts'
import type { ConfigFile } from './schema.ts'

/** A configuration that is complete and believed: paths are absolute, files are read, quantities are numbers. */
export interface Config {
  /** of the configuration file, absolute */
  readonly path: string
  readonly listen: readonly ListenConfig[]
  readonly trust: { readonly ca: readonly PemFile[]; readonly intermediates: readonly PemFile[] }
  readonly network: {
    readonly allowPrivate: readonly string[]
    readonly connect: Readonly<Record<string, string>>
  }
  readonly dialback: 'verified-tls' | 'off'
  /** null: a random one */
  readonly dialbackSecret: string | null
  /** null: where peers cannot reach us */
  readonly bidi: boolean | null
  readonly streamManagement: boolean
  readonly domains: readonly DomainConfig[]
  /** the DNS responder; null: none */
  readonly steering: SteeringConfig | null
  readonly proxies: readonly ProxyConfig[]
  readonly endpoints: readonly { readonly domain: Domain; readonly url: string }[]
  readonly log: ConfigFile['log']
  readonly admin: {
    /** a path; 'off'; or null: derived from the configuration's path */
    readonly socket: string | null
  }
  readonly limits: Limits
}

export interface ListenConfig {
  /** 'ADDRESS:PORT', or 'unix:' and an absolute path */
  readonly address: string
  readonly clientCertificates: 'request' | 'off'
  /** null: whoever connects comes for himself */
  readonly proxy: ProxyInFrontConfig | null
}

/** A proxy that ends TLS in front of a listener. */
export interface ProxyInFrontConfig {
  /** CIDR blocks of its addresses; nobody asks for them on a unix socket */
  readonly trusted: readonly string[]
  /** it comes by TLS, and not by plain HTTP */
  readonly tls: boolean
  /** with TLS, the authorities of its own certificate; null: it shows none */
  readonly ca: PemFile | null
  readonly forwarded: 'x-forwarded' | 'forwarded'
  readonly hops: number
  /** how it hands on certificates of clients; null: it does not */
  readonly certificate: 'rfc9440' | 'xfcc' | 'nginx' | 'alb' | null
  /** null: it shows none */
  readonly secret: string | null
}

export interface DomainConfig {
  readonly name: Domain
  readonly also: readonly Domain[]
  readonly url: string | null
  readonly ips: readonly string[]
  /** null: there is none, and TLS ends before us */
  readonly identity: KeyPairFiles | null
  /** whether peers can dial it */
  readonly reachable: boolean
  readonly host: HostConfig
}

export interface KeyPairFiles {
  readonly certificate: PemFile
  readonly key: PemFile
}

/** Who answers for a domain. */
export type HostConfig = { readonly kind: 'embedded' } | ServerConfig | ComponentConfig

/** An XMPP server beside the gateway. Where two domains have the same `listen`, they have the same of everything. */
export interface ServerConfig {
  readonly kind: 'server'
  /** where it takes s2s streams */
  readonly address: HostPort
  /** where it brings its own; port 0: a free one */
  readonly listen: readonly HostPort[]
  /** CIDR blocks from which it may connect */
  readonly allow: readonly string[]
  readonly security:
    | { readonly kind: 'plaintext' }
    | {
        readonly kind: 'tls'
        /** what its certificate is judged by: one of `ca` and `pin` is null */
        readonly ca: PemFile | null
        /** SHA-256 of its certificate (DER), 64 lower-case hexadecimal digits */
        readonly pin: string | null
        /** directory of our own authority, absolute */
        readonly authority: string
      }
}

/** A program that connects as a component. Where two domains have the same `listen`, they have the same of everything. */
export interface ComponentConfig {
  readonly kind: 'component'
  /** a TCP address, or the absolute path of a unix socket */
  readonly listen: HostPort | { readonly path: string }
  readonly secret: string
  readonly second: 'refuse' | 'replace'
  /** how long stanzas wait while it is away; 0: not at all */
  readonly holdMs: number
}

export interface SteeringConfig {
  readonly listen: HostPort
  /** at least one */
  readonly upstream: readonly HostPort[]
  readonly steer: 'websocket-only' | 'all'
}

export interface ProxyConfig {
  /** it and what is below it */
  readonly path: string
  /** origin, 'http://127.0.0.1:5280' */
  readonly to: string
  /** published in host-meta as this (XEP-0156); null: not published */
  readonly link: 'websocket' | 'bosh' | null
}

export interface PemFile {
  readonly path: string
  readonly pem: string
}

/** The configuration for a person: what is in force, without keys. */
export function describeConfig(config: Config): object {
  return {
    path: config.path,
    listen: config.listen.map(({ proxy, ...listen }) => ({
      ...listen,
      proxy: proxy === null ? null : { ...proxy, ca: proxy.ca?.path ?? null, secret: redacted(proxy.secret) },
    })),
    trust: {
      ca: config.trust.ca.map(file => file.path),
      intermediates: config.trust.intermediates.map(file => file.path),
    },
    network: config.network,
    dialback: config.dialback,
    dialbackSecret: redacted(config.dialbackSecret),
    bidi: config.bidi,
    streamManagement: config.streamManagement,
    domains: config.domains.map(({ identity, ...domain }) => ({
      ...domain,
      certificate: identity?.certificate.path ?? null,
      key: identity === null ? null : `${identity.key.path} (redacted)`,
      host: describeHost(domain.host),
    })),
    steering: config.steering,
    proxies: config.proxies,
    endpoints: config.endpoints,
    log: config.log,
    admin: config.admin,
    limits: config.limits,
  }
}

function describeHost(host: HostConfig): object {
  switch (host.kind) {
    case 'embedded':
      return host
    case 'server': {
      const { security } = host
      if (security.kind === 'plaintext') return host
      return { ...host, security: { ...security, ca: security.ca?.path ?? null } }
    }
    case 'component':
      return { ...host, secret: redacted(host.secret) }
  }
}

function redacted(secret: string | null): string | null {
  return secret === null ? null : '(redacted)'
}
