import type { IncomingMessage } from 'node:http'
import type { Limits, Observer } from '../base/index.ts'
import type { ProxiedPeer } from '../transport/index.ts'
import type { Behind, BehindProxy } from './behind-proxy.ts'
import { CERTIFICATE_FIELDS, fieldValues, forwardedCertificate } from './forwarded-certificate.ts'

/** Who comes for a stream through a proxy. What is said of certificates, and must not be believed, is told (CT-31). */
export class ForwardedPeers {
  readonly #behind: BehindProxy | null
  readonly #observer: Observer
  readonly #limits: Pick<Limits, 'chainCertificates'>

  /** @param behind null: there is no proxy */
  constructor(behind: BehindProxy | null, observer: Observer, limits: Pick<Limits, 'chainCertificates'>) {
    this.#behind = behind
    this.#observer = observer
    this.#limits = limits
  }

  /** @returns null: whoever is connected, with the certificate that he shows himself */
  peerOf(request: IncomingMessage, { address }: Behind): ProxiedPeer | null {
    const format = this.#behind?.certificate ?? null
    const believed = format === null ? [] : CERTIFICATE_FIELDS[format]
    for (const field of ALL_FIELDS) {
      if (believed.includes(field) || fieldValues(request, field).length === 0) continue
      this.#ignored(address, field, 'nobody here may say that')
    }
    if (this.#behind === null) return null
    if (format === null) return { address, chain: [] }
    const read = forwardedCertificate(request, format, this.#limits.chainCertificates)
    if (read.kind === 'fault') this.#ignored(address, believed[0] ?? '', read.detail)
    return { address, chain: read.kind === 'chain' ? read.chain : [] }
  }

  #ignored(address: string, field: string, detail: string): void {
    this.#observer.publish({ type: 'forwarded:ignored', address, field, detail })
  }
}

const ALL_FIELDS = Object.values(CERTIFICATE_FIELDS).flat()
