import { component, embedded, type XmppServerHost, xmppServer } from '../hosts/index.ts'
import type { Authority } from '../identity/index.ts'
import type { Host, StreamHost } from '../index.ts'
import type { ComponentConfig, Config, DomainConfig, ServerConfig } from './config/config.ts'

export interface Hosts {
  /** @throws TypeError where it is none of the configuration's */
  of(domain: DomainConfig): Host | StreamHost
  /** the server whose outgoing streams are steered to us; null: there is none */
  readonly server: XmppServerHost | null
  /** those in force, by what they are made of */
  readonly made: ReadonlyMap<string, Made>
}

/** A host, and the configuration that it was made from. */
export interface Made {
  readonly host: Host | XmppServerHost
  readonly from: string
}

/**
 * Who answers for each domain of a configuration. Domains with the same listener have one host.
 * @param authorityAt our own authority in a directory, made there where it does not exist yet
 * @param running hosts of the configuration before, which go on where they are as they were
 * @throws RestartNeeded where one with the same listener would have to be another
 */
export function createHosts(
  { domains }: Pick<Config, 'domains'>,
  authorityAt: (directory: string) => Authority,
  running: ReadonlyMap<string, Made> = new Map(),
): Hosts {
  const made = new Map<string, Made>()
  let server: XmppServerHost | null = null
  const once = (
    { name, host: config }: DomainConfig,
    make: () => Host | XmppServerHost,
  ): Host | XmppServerHost => {
    const key = 'listen' in config ? `${config.kind} ${JSON.stringify(config.listen)}` : config.kind
    const from = JSON.stringify(config)
    const known = made.get(key) ?? running.get(key)
    if (known !== undefined && known.from !== from)
      throw new RestartNeeded(`${name}: what answers for it has changed, and listens where it did before`)
    const entry = known ?? { host: make(), from }
    made.set(key, entry)
    return entry.host
  }
  const hostOf = (domain: DomainConfig): Host | StreamHost => {
    const config = domain.host
    switch (config.kind) {
      case 'embedded':
        return once(domain, () => embedded({ echo: true }))
      case 'server': {
        const host = once(domain, () => xmppServer(serverOptions(config, authorityAt)))
        if (!('deliver' in host)) server ??= host
        return host
      }
      case 'component':
        return once(domain, () => component(componentOptions(config)))
    }
  }
  const hosts = new Map(domains.map(domain => [domain, hostOf(domain)] as const))
  return {
    of(domain) {
      const host = hosts.get(domain)
      if (host === undefined) throw new TypeError(`no domain of this configuration: ${domain.name}`)
      return host
    },
    server,
    made,
  }
}

/** A change that a running gateway cannot make. */
export class RestartNeeded extends Error {
  constructor(what: string) {
    super(`a restart is needed: ${what}`)
  }
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
