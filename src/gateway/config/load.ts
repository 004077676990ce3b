import { resolve } from 'node:path'
import { defaultLimits, type Limits } from '../../base/index.ts'
import { systemClock } from '../../base/system.ts'
import { readText } from '../read-text.ts'
import { acceptanceByPeers } from './acceptance.ts'
import { crossChecks } from './checks.ts'
import type { Config, DomainConfig, KeyPairFiles, SteeringConfig } from './config.ts'
import { ConfigFiles } from './files.ts'
import { addressOf, type DomainTable, hostOf } from './host.ts'
import { readKeyPair } from './key-pair.ts'
import { LIMIT_KEYS } from './limit-keys.ts'
import { listenOf } from './listen.ts'
import { type Environment, parseConfig } from './parse.ts'
import { error, type Problem } from './problem.ts'
import type { ConfigFile } from './schema.ts'

export type Loaded =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Problem[] }
  /** errors and warnings alike, errors first */
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Read a configuration and every file that it names; all problems come at once. */
export function loadConfig(
  path: string,
  environment: Environment,
  nowMs: number = systemClock.wallMs(),
): Loaded {
  const read = readText(resolve(path))
  if (!read.ok) return { ok: false, problems: [error('', 'a configuration file', read.failure, '')] }
  const parsed = parseConfig(read.text, environment)
  if (!parsed.ok) return parsed
  const files = new ConfigFiles(resolve(path))
  const config = configOf(parsed.file, resolve(path), files)
  const problems = [...files.problems, ...crossChecks(config), ...acceptanceByPeers(config, nowMs)]
  const errors = problems.filter(problem => problem.severity === 'error')
  const warnings = problems.filter(problem => problem.severity === 'warning')
  return errors.length === 0
    ? { ok: true, config, warnings }
    : { ok: false, problems: [...errors, ...warnings] }
}

function configOf(file: ConfigFile, path: string, files: ConfigFiles): Config {
  return {
    path,
    listen: file.listen.map((listen, index) => listenOf(listen, ['listen', index], files)),
    trust: {
      ca: file.trust.ca.map((name, index) => files.certificates(name, ['trust', 'ca', index])),
      intermediates: file.trust.intermediates.map((name, index) =>
        files.certificates(name, ['trust', 'intermediates', index]),
      ),
    },
    network: { allowPrivate: file.network.allow_private, connect: file.network.connect },
    dialback: file.dialback,
    dialbackSecret: file.dialback_secret ?? null,
    bidi: file.bidi ?? null,
    streamManagement: file.stream_management,
    domains: file.domain.map((domain, index) => domainOf(domain, ['domain', index], files)),
    steering: file.steering === undefined ? null : steeringOf(file.steering),
    proxies: file.proxy.map(({ path, to, link = null }) => ({ path, to, link })),
    endpoints: file.endpoint,
    log: file.log,
    admin: { socket: socketOf(file.admin.socket, files) },
    limits: limitsOf(file.limits),
  }
}

function domainOf(domain: DomainTable, path: readonly PropertyKey[], files: ConfigFiles): DomainConfig {
  const { name, also, url = null, ips, reachable = url !== null } = domain
  const identity = identityOf(domain, path, files)
  return { name, also, url, ips, identity, reachable, host: hostOf(domain, path, files) }
}

function identityOf(
  domain: DomainTable,
  path: readonly PropertyKey[],
  files: ConfigFiles,
): KeyPairFiles | null {
  if (domain.certificate === undefined && domain.key === undefined) return null
  if (domain.certificate === undefined || domain.key === undefined) {
    const missing = domain.key === undefined ? 'key' : 'certificate'
    files.error(
      [...path, missing],
      'a file',
      'nothing',
      'certificate and key stand together, or both are left out',
    )
    return null
  }
  const certificate = files.pem(domain.certificate, [...path, 'certificate'])
  const key = files.pem(domain.key, [...path, 'key'])
  if (certificate.pem !== '' && key.pem !== '') {
    const pair = readKeyPair(certificate.pem, key.pem)
    if (!pair.ok) files.error([...path, pair.of], pair.expected, pair.got, pair.hint)
  }
  if (key.pem !== '') files.permissions(key.path, [...path, 'key'])
  return { certificate, key }
}

function steeringOf({ listen, upstream, steer }: NonNullable<ConfigFile['steering']>): SteeringConfig {
  return { listen: addressOf(listen), upstream: upstream.map(addressOf), steer }
}

function socketOf(socket: string | undefined, files: ConfigFiles): string | null {
  return socket === undefined || socket === 'off' ? (socket ?? null) : files.absolute(socket)
}

function limitsOf(overrides: ConfigFile['limits']): Limits {
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...defaultLimits }
  for (const [key, name] of LIMIT_KEYS) {
    const value = overrides[key]
    if (value !== undefined) limits[name] = value
  }
  return limits
}
