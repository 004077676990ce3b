import { statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { defaultLimits, type Limits } from '../../base/index.ts'
import { systemClock } from '../../base/system.ts'
import { createTrustStore } from '../../identity/index.ts'
import { readText } from '../read-text.ts'
import { acceptanceByPeers } from './acceptance.ts'
import { crossChecks } from './checks.ts'
import type { Config, DomainConfig, PemFile } from './config.ts'
import { readKeyPair } from './key-pair.ts'
import { LIMIT_KEYS } from './limit-keys.ts'
import { type Environment, parseConfig } from './parse.ts'
import { error, type Problem, pathText, warning } from './problem.ts'
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
  const reader = new Reader(resolve(path))
  const config = reader.read(parsed.file)
  const problems = [...reader.problems, ...crossChecks(config), ...acceptanceByPeers(config, nowMs)]
  const errors = problems.filter(problem => problem.severity === 'error')
  const warnings = problems.filter(problem => problem.severity === 'warning')
  return errors.length === 0
    ? { ok: true, config, warnings }
    : { ok: false, problems: [...errors, ...warnings] }
}

/** Reads the files that a configuration names and notes what is wrong with them. */
class Reader {
  readonly problems: Problem[] = []
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  read(file: ConfigFile): Config {
    return {
      path: this.#path,
      listen: file.listen.map(({ address, client_certificates }) => ({
        address,
        clientCertificates: client_certificates,
      })),
      trust: {
        ca: file.trust.ca.map((name, index) => this.#certificates(name, ['trust', 'ca', index])),
        intermediates: file.trust.intermediates.map((name, index) =>
          this.#certificates(name, ['trust', 'intermediates', index]),
        ),
      },
      network: { allowPrivate: file.network.allow_private, connect: file.network.connect },
      domains: file.domain.map((domain, index) => this.#domain(domain, ['domain', index])),
      endpoints: file.endpoint,
      log: file.log,
      admin: { socket: this.#socket(file.admin.socket) },
      limits: limitsOf(file.limits),
    }
  }

  #domain(domain: ConfigFile['domain'][number], path: readonly PropertyKey[]): DomainConfig {
    const certificate = this.#pem(domain.certificate, [...path, 'certificate'])
    const key = this.#pem(domain.key, [...path, 'key'])
    if (certificate.pem !== '' && key.pem !== '') {
      const pair = readKeyPair(certificate.pem, key.pem)
      if (!pair.ok) this.#error([...path, pair.of], pair.expected, pair.got, pair.hint)
    }
    if (key.pem !== '') this.#permissions(key.path, [...path, 'key'])
    return {
      name: domain.name,
      also: domain.also,
      url: domain.url ?? null,
      ips: domain.ips,
      certificate,
      key,
      host: domain.host,
    }
  }

  #socket(socket: string | undefined): string | null {
    return socket === undefined || socket === 'off' ? (socket ?? null) : this.#absolute(socket)
  }

  #certificates(name: string, path: readonly PropertyKey[]): PemFile {
    const file = this.#pem(name, path)
    if (file.pem === '') return file
    for (const problem of createTrustStore({ roots: [file.pem] }).problems) {
      this.#error(path, 'certificates in PEM', problem.replace(/^trusted authority \d+: /, ''), '')
    }
    return file
  }

  /** '' as the text of a file that cannot be read, which is noted. */
  #pem(name: string, path: readonly PropertyKey[]): PemFile {
    const absolute = this.#absolute(name)
    const read = readText(absolute)
    if (!read.ok) this.#error(path, 'a readable file', read.failure, absolute)
    else if (read.text === '') this.#error(path, 'a file in PEM', 'an empty file', '')
    return { path: absolute, pem: read.ok ? read.text : '' }
  }

  #permissions(file: string, path: readonly PropertyKey[]): void {
    const mode = statSync(file).mode & 0o777
    if (process.platform === 'win32' || (mode & 0o077) === 0) return
    const got = `mode ${mode.toString(8).padStart(4, '0')}`
    this.problems.push(warning(pathText(path), 'a file that only its owner reads', got, `chmod 600 ${file}`))
  }

  #absolute(name: string): string {
    return resolve(dirname(this.#path), name)
  }

  #error(path: readonly PropertyKey[], expected: string, got: string, hint: string): void {
    this.problems.push(error(pathText(path), expected, got, hint))
  }
}

function limitsOf(overrides: ConfigFile['limits']): Limits {
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...defaultLimits }
  for (const [key, name] of LIMIT_KEYS) {
    const value = overrides[key]
    if (value !== undefined) limits[name] = value
  }
  return limits
}
