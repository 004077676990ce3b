import { component, embedded, type XmppServerHost, xmppServer } from '../hosts/index.ts'
import type { Authority } from '../identity/index.ts'
import type { Host, StreamHost } from '../index.ts'
import type { ComponentConfig, Config, DomainConfig, ServerConfig } from './config/config.ts'

export interface Hosts {
  of(domain: DomainConfig): Host | StreamHost
  /** the server whose outgoing streams are steered to us; null: there is none */
  readonly server: XmppServerHost | null
}

/**
 * Who answers for each domain of a configuration. Domains with the same listener have one host.
 * @param authorityAt our own authority in a directory, made there where it does not exist yet
 */
export function createHosts(
  { domains }: Pick<Config, 'domains'>,
  authorityAt: (directory: string) => Authority,
): Hosts {
  const echo = embedded({ echo: true })
  const servers = new Map<string, XmppServerHost>()
  const components = new Map<string, Host>()
  const serverOf = (config: ServerConfig) =>
    madeOnce(servers, JSON.stringify(config.listen), () => xmppServer(serverOptions(config, authorityAt)))
  const componentOf = (config: ComponentConfig) =>
    madeOnce(components, JSON.stringify(config.listen), () => component(componentOptions(config)))
  const hostOf = (domain: DomainConfig): Host | StreamHost => {
    switch (domain.host.kind) {
      case 'embedded':
        return echo
      case 'server':
        return serverOf(domain.host)
      case 'component':
        return componentOf(domain.host)
    }
  }
  const hosts = new Map(domains.map(domain => [domain, hostOf(domain)] as const))
  return {
    of(domain) {
      const host = hosts.get(domain)
      if (host === undefined) throw new TypeError(`no domain of this configuration: ${domain.name}`)
      return host
    },
    server: servers.values().next().value ?? null,
  }
}

function madeOnce<T>(made: Map<string, T>, key: string, make: () => T): T {
  const known = made.get(key)
  if (known !== undefined) return known
  const fresh = make()
  made.set(key, fresh)
  return fresh
}

function serverOptions(
  { address, listen, allow, security }: ServerConfig,
  authorityAt: (directory: string) => Authority,
): Parameters<typeof xmppServer>[0] {
  return {
    address,
    listen: listen.map(({ host, port }) => ({ address: host, port })),
    allow,
    security:
      security.kind === 'plaintext'
        ? security
        : {
            kind: 'tls',
            authority: authorityAt(security.authority),
            ca: security.ca === null ? [] : [security.ca.pem],
            pin: security.pin,
          },
  }
}

function componentOptions({ listen, ...rest }: ComponentConfig): Parameters<typeof component>[0] {
  const { secret, second, holdMs } = rest
  return {
    listen: 'path' in listen ? listen : { address: listen.host, port: listen.port },
    secret,
    second,
    holdMs,
  }
}
