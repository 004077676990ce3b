import type { SecureContext } from 'node:tls'
import type { Clock, Limits, Random } from '../base/index.ts'
import { type Authority, issue } from '../identity/index.ts'
import { createTlsContext } from '../transport/index.ts'
import { type Domain, toAscii } from '../xmpp/index.ts'

export interface LegCertificatesOptions {
  /** of our own, which the local server trusts */
  readonly authority: Authority
  /** PEM: who may have certified the server; nobody else is trusted. With a pin none is needed. */
  readonly ca: readonly string[]
  readonly limits: Pick<Limits, 'legBackdateMs' | 'legCertificateMs' | 'legCertificates' | 'legRenewMs'>
  readonly clock: Clock
  readonly random: Random
  readonly isLocal: (domain: Domain) => boolean
}

interface Kept {
  readonly context: SecureContext
  readonly fromMs: number
  readonly untilMs: number
}

/**
 * Certificates by which we are remote domains to a local server (DECISIONS 15): minted when first wanted, renewed well
 * before they end, the least recently used forgotten. They share one key, which never leaves the process.
 */
export class LegCertificates {
  readonly #options: LegCertificatesOptions
  /** the least recently used first */
  readonly #kept = new Map<Domain, Kept>()
  #keyPem: string | null = null

  constructor(options: LegCertificatesOptions) {
    this.#options = options
  }

  /**
   * For both roles: our certificate for `remote`, and the server's authorities.
   * Throws TypeError for a local domain: only its own server is that.
   */
  contextFor(remote: Domain): SecureContext {
    if (this.#options.isLocal(remote)) throw new TypeError(`${remote} is a local domain`)
    const nowMs = this.#options.clock.wallMs()
    let kept = this.#kept.get(remote)
    if (kept === undefined || nowMs < kept.fromMs || nowMs >= kept.untilMs) kept = this.#mint(remote, nowMs)
    this.#kept.delete(remote)
    this.#kept.set(remote, kept)
    if (this.#kept.size > this.#options.limits.legCertificates) this.#forgetOldest()
    return kept.context
  }

  #mint(remote: Domain, nowMs: number): Kept {
    const { authority, ca, limits, random } = this.#options
    const notBeforeMs = nowMs - limits.legBackdateMs
    const notAfterMs = nowMs + limits.legCertificateMs
    const minted = issue(authority, {
      // COMPAT(ejabberd): dNSName only, an XmppAddr ends its connection; and both purposes, it asks for clientAuth.
      dnsNames: [toAscii(remote)],
      ekus: ['serverAuth', 'clientAuth'],
      notBeforeMs,
      notAfterMs,
      serial: random.bytes(SERIAL_BYTES),
      ...(this.#keyPem === null ? {} : { keyPem: this.#keyPem }),
    })
    this.#keyPem = minted.keyPem
    const context = createTlsContext({
      identity: { certificate: minted.certificatePem, key: minted.keyPem },
      ca,
      roots: 'none',
    })
    return { context, fromMs: notBeforeMs, untilMs: notAfterMs - limits.legRenewMs }
  }

  #forgetOldest(): void {
    for (const [oldest] of this.#kept) {
      this.#kept.delete(oldest)
      break
    }
  }
}

/** RFC 5280 §4.1.2.2: at most 20; half of it random is enough for nobody to guess (CA/B: 64 bits). */
const SERIAL_BYTES = 16
