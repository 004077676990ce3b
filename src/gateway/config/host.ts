import { type HostPort, parseAddress, unixPath } from './address.ts'
import type { ComponentConfig, HostConfig, ServerConfig } from './config.ts'
import type { ConfigFiles } from './files.ts'
import type { ConfigFile } from './schema.ts'
import { AUTHORITY_DIRECTORY } from './server-schema.ts'

export type DomainTable = ConfigFile['domain'][number]

/** What `host` and its table say together; what does not fit is noted, and then the result is not used. */
export function hostOf(domain: DomainTable, path: readonly PropertyKey[], files: ConfigFiles): HostConfig {
  for (const kind of ['server', 'component'] as const) {
    const needed = domain.host === kind
    const title = `[domain.${kind}]`
    if (needed && domain[kind] === undefined)
      files.error([...path, kind], 'a table', 'nothing', `host = "${kind}" needs ${title} below the domain`)
    if (!needed && domain[kind] !== undefined)
      files.error([...path, 'host'], `"${kind}"`, `"${domain.host}"`, `${title} is for host = "${kind}" only`)
  }
  if (domain.host === 'server' && domain.server !== undefined)
    return serverOf(domain.server, [...path, 'server'], files)
  if (domain.host === 'component' && domain.component !== undefined)
    return componentOf(domain.component, [...path, 'component'], files)
  return { kind: 'embedded' }
}

/** The address in a text that the schema has let pass. */
export function addressOf(text: string): HostPort {
  const address = parseAddress(text)
  if (address === null) throw new TypeError(`not an address: ${text}`)
  return address
}

function serverOf(
  table: NonNullable<DomainTable['server']>,
  path: readonly PropertyKey[],
  files: ConfigFiles,
): ServerConfig {
  return {
    kind: 'server',
    address: addressOf(table.address),
    listen: table.listen.map(addressOf),
    allow: table.allow,
    security: securityOf(table, path, files),
  }
}

function securityOf(
  { security, ca, pin, authority }: NonNullable<DomainTable['server']>,
  path: readonly PropertyKey[],
  files: ConfigFiles,
): ServerConfig['security'] {
  if (security === 'plaintext') {
    for (const [key, value] of Object.entries({ ca, pin, authority })) {
      if (value === undefined) continue
      const hint = 'nothing is encrypted with security = "plaintext"'
      files.error([...path, key], 'security = "tls" beside it', '"plaintext"', hint)
    }
    return { kind: 'plaintext' }
  }
  if ((ca === undefined) === (pin === undefined)) {
    const got = ca === undefined ? 'neither' : 'both'
    const hint = 'a self-signed certificate may itself be the ca'
    files.error([...path, 'ca'], "ca or pin, to know the server's certificate by", got, hint)
  }
  return {
    kind: 'tls',
    ca: ca === undefined ? null : files.certificates(ca, [...path, 'ca']),
    pin: pin ?? null,
    authority: files.absolute(authority ?? AUTHORITY_DIRECTORY),
  }
}

function componentOf(
  { listen, secret, second, hold }: NonNullable<DomainTable['component']>,
  path: readonly PropertyKey[],
  files: ConfigFiles,
): ComponentConfig {
  const relative = unixPath(listen)
  const socket = relative === null ? null : files.socket(relative, [...path, 'listen'])
  return {
    kind: 'component',
    listen: socket === null ? addressOf(listen) : { path: socket },
    secret,
    second,
    holdMs: hold,
  }
}
