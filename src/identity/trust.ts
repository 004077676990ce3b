import type { KeyObject } from 'node:crypto'
import { defaultLimits } from '../base/index.ts'
import { type Certificate, isSelfIssued, parseCertificate } from './certificate.ts'
import { latin1 } from './der.ts'
import { readPemCertificates } from './pem.ts'
import { isSignedBy, publicKeyOf } from './signature.ts'

/** A certificate that may have issued another one. */
export interface Issuer {
  readonly certificate: Certificate
  /** a path may end here */
  readonly trusted: boolean
  /** the signature on `child` is this one's; answers are kept, because many paths ask the same */
  hasSigned(child: Certificate): boolean
}

/** What we believe: built once, shared by every check. */
export interface TrustStore {
  /** everything in it by subject, anchors first */
  issuersNamed(subject: Uint8Array): readonly Issuer[]
  /** authorities that peers presented, which paths have proven */
  readonly remembered: Remembered
  /** the anchors that are this very certificate */
  isAnchor(certificate: Certificate): boolean
  /** entries that were left out, a sentence each without trailing stop; for configuration checks */
  readonly problems: readonly string[]
}

export interface TrustSources {
  /** PEM texts: Node's `tls.rootCertificates` and the configured authorities */
  readonly roots: readonly string[]
  /** PEM texts of intermediates for peers and proxies that drop theirs (DECISIONS 25) */
  readonly intermediates?: readonly string[]
}

/**
 * A path may end only at a self-issued certificate of `roots`, as in Node: others there serve as intermediates.
 * Entries that cannot be read are left out and reported.
 */
export function createTrustStore(sources: TrustSources): TrustStore {
  const bySubject = new Map<string, Issuer[]>()
  const anchors = new Set<string>()
  const problems: string[] = []
  const add = (texts: readonly string[], what: string, mayAnchor: boolean): void => {
    for (const certificate of readAll(texts, what, problems)) {
      const trusted = mayAnchor && isSelfIssued(certificate)
      const subject = latin1(certificate.subject)
      const others = bySubject.get(subject)
      if (others) others.push(issuer(certificate, trusted))
      else bySubject.set(subject, [issuer(certificate, trusted)])
      if (trusted) anchors.add(latin1(certificate.der))
    }
  }
  add(sources.roots, 'trusted authority', true)
  add(sources.intermediates ?? [], 'intermediate', false)
  for (const issuers of bySubject.values()) issuers.sort((a, b) => Number(b.trusted) - Number(a.trusted))
  return {
    issuersNamed: subject => bySubject.get(latin1(subject)) ?? NONE,
    remembered: new Remembered(),
    isAnchor: certificate => anchors.has(latin1(certificate.der)),
    problems,
  }
}

/**
 * Authorities that stood on a path to an anchor: a few have issued most of what peers present. Kept is what never changes
 * about a certificate, that is its reading, its key and whose signatures it has made. Whether it may be believed, every
 * path asks anew.
 */
class Remembered {
  readonly #issuers = new Map<string, Issuer>()

  /** by its very bytes */
  find(der: Uint8Array): Issuer | undefined {
    return this.#issuers.get(latin1(der))
  }

  add(proven: Issuer): void {
    const key = latin1(proven.certificate.der)
    this.#issuers.delete(key)
    this.#issuers.set(key, proven)
    if (this.#issuers.size <= defaultLimits.rememberedAuthorities) return
    for (const [oldest] of this.#issuers) {
      this.#issuers.delete(oldest)
      break
    }
  }
}

export function issuer(certificate: Certificate, trusted: boolean): Issuer {
  let key: KeyObject | null | undefined
  const answers = new WeakMap<Certificate, boolean>()
  return {
    certificate,
    trusted,
    hasSigned(child) {
      const known = answers.get(child)
      if (known !== undefined) return known
      if (key === undefined) key = publicKeyOf(certificate)
      const signed = key !== null && isSignedBy(child, key)
      answers.set(child, signed)
      return signed
    },
  }
}

function readAll(texts: readonly string[], what: string, problems: string[]): Certificate[] {
  const certificates: Certificate[] = []
  for (const [index, text] of texts.entries()) {
    const bundle = readPemCertificates(text)
    if (!bundle.ok) problems.push(`${what} ${index + 1}: ${bundle.detail}`)
    for (const [position, der] of (bundle.ok ? bundle.certificates : []).entries()) {
      const parsed = parseCertificate(der)
      if (parsed.ok) certificates.push(parsed.certificate)
      else problems.push(`${what} ${index + 1}: certificate ${position + 1} is malformed ${parsed.detail}`)
    }
  }
  return certificates
}

const NONE: readonly Issuer[] = []
