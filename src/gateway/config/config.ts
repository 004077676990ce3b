import type { Limits } from '../../base/index.ts'
import type { Domain } from '../../xmpp/index.ts'
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
  readonly host: 'embedded'
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
    })),
    endpoints: config.endpoints,
    log: config.log,
    admin: config.admin,
    limits: config.limits,
  }
}
