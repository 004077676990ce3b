import type { X509Certificate } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Clock, Limits, Random } from '../base/index.ts'
import { type Authority, createAuthority, loadAuthority } from '../identity/index.ts'
import { readKeyPair } from './config/key-pair.ts'
import { readText } from './read-text.ts'

export interface LegAuthorityOptions {
  /** where it is kept; made if it is not there */
  readonly directory: string
  readonly limits: Pick<Limits, 'legAuthorityMs' | 'legBackdateMs' | 'legCertificateMs'>
  readonly clock: Clock
  readonly random: Random
}

/** `path`: what the local server is told to trust. `problem`: a sentence for the operator without trailing stop. */
export type LegAuthority =
  | { readonly authority: Authority; readonly path: string }
  | { readonly problem: string }

/**
 * Our own authority towards a local server (DECISIONS 15): made the first time, loaded from then on, because the server
 * has been told to trust it.
 */
export function legAuthority(options: LegAuthorityOptions): LegAuthority {
  const { directory } = options
  const paths = { certificate: join(directory, 'ca.pem'), key: join(directory, 'ca.key') }
  const made = makeDirectory(directory)
  if (made !== null) return { problem: made }
  const has = { certificate: exists(paths.certificate), key: exists(paths.key) }
  if (!has.certificate && !has.key) {
    const problem = create(paths, options)
    if (problem !== null) return { problem }
  } else if (!has.certificate || !has.key) {
    const [there, missing] = has.key ? [paths.key, paths.certificate] : [paths.certificate, paths.key]
    return {
      problem: `${there} is there without ${missing}: restore that, or remove both for a new authority`,
    }
  }
  return load(paths, options)
}

interface Paths {
  readonly certificate: string
  readonly key: string
}

function makeDirectory(directory: string): string | null {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const stats = lstatSync(directory)
    if ((stats.mode & OTHERS_MAY_WRITE) !== 0) return `${directory} is writable by others (chmod 700)`
    return null
  } catch (cause) {
    return `${directory} cannot be made: ${reasonOf(cause)}`
  }
}

/** The key first: a certificate is never seen without it. @returns what went wrong, or null */
function create(paths: Paths, { limits, clock, random }: LegAuthorityOptions): string | null {
  const nowMs = clock.wallMs()
  const authority = createAuthority({
    commonName: `Isthmus ${Buffer.from(random.bytes(4)).toString('hex')}`,
    serial: random.bytes(16),
    pathLength: 0,
    notBeforeMs: nowMs - limits.legBackdateMs,
    notAfterMs: nowMs + limits.legAuthorityMs,
  })
  try {
    writeWhole(paths.key, authority.keyPem, 0o600)
    writeWhole(paths.certificate, authority.certificatePem, 0o644)
    return null
  } catch (cause) {
    return `the authority could not be written: ${reasonOf(cause)}`
  }
}

/** All of it or nothing, whatever happens meanwhile. */
function writeWhole(path: string, text: string, mode: number): void {
  const partial = `${path}.new`
  // Left by a process that was killed here.
  rmSync(partial, { force: true })
  const file = openSync(partial, 'wx', mode)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } catch (cause) {
    unlinkSync(partial)
    throw cause
  } finally {
    closeSync(file)
  }
  renameSync(partial, path)
}

function load(paths: Paths, { limits, clock }: LegAuthorityOptions): LegAuthority {
  const mode = lstatSync(paths.key, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & OTHERS_MAY_ANYTHING) !== 0) {
    return {
      problem: `${paths.key} is open to others than its owner (chmod 600): whoever reads it can be anybody to your server`,
    }
  }
  const certificate = readText(paths.certificate)
  if (!certificate.ok) return { problem: `${paths.certificate}: ${certificate.failure}` }
  const key = readText(paths.key)
  if (!key.ok) return { problem: `${paths.key}: ${key.failure}` }
  const pair = readKeyPair(certificate.text, key.text)
  if (!pair.ok) return { problem: `${paths[pair.of]}: expected ${pair.expected}, got ${pair.got}` }
  const unfit = unfitness(pair.leaf, clock.wallMs(), limits.legCertificateMs)
  if (unfit !== null) return { problem: `${paths.certificate} ${unfit}` }
  return {
    authority: loadAuthority({ certificatePem: certificate.text, keyPem: key.text }),
    path: paths.certificate,
  }
}

/** Why nothing may be certified with it; null where it may. */
function unfitness(certificate: X509Certificate, nowMs: number, leafMs: number): string | null {
  if (!certificate.ca) return 'is not an authority'
  if (certificate.publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return 'has no P-256 key'
  if (nowMs < Date.parse(certificate.validFrom))
    return `is valid from ${certificate.validFrom} on: is the clock right?`
  // What it certifies must not outlive it.
  if (nowMs + leafMs > Date.parse(certificate.validTo)) {
    return `ends on ${certificate.validTo}: remove it and its key, start again, and have the server trust the new one`
  }
  return null
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

const OTHERS_MAY_WRITE = 0o022
const OTHERS_MAY_ANYTHING = 0o077
