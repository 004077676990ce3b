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
  readonly address: string
  readonly clientCertificates: 'request' | 'off'
}

export interface DomainConfig {
  readonly name: Domain
  readonly also: readonly Domain[]
  readonly url: string | null
  readonly ips: readonly string[]
  readonly certificate: PemFile
  readonly key: PemFile
  readonly host: HostConfig
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
    listen: config.listen,
    trust: {
      ca: config.trust.ca.map(file => file.path),
      intermediates: config.trust.intermediates.map(file => file.path),
    },
    network: config.network,
    domains: config.domains.map(domain => ({
      ...domain,
      certificate: domain.certificate.path,
      key: `${domain.key.path} (redacted)`,
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
      return { ...host, secret: '(redacted)' }
  }
}
