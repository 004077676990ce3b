import { createHash } from 'node:crypto'
import type { Clock, Limits } from '../base/index.ts'
import {
  createTrustStore,
  type IdentityVerdict,
  judgePeer,
  parseCertificate,
  pinOf,
} from '../identity/index.ts'
import type { TlsFacts } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'

export interface ServerTrustOptions {
  /** PEM: whom the server's certificate is checked against */
  readonly ca: readonly string[]
  /** lower-case hex SHA-256 of the one certificate that counts, as DER; null: any that `ca` vouches for */
  readonly pin: string | null
  readonly limits: Limits
  readonly clock: Clock
}

/** Whether who has answered, or come, is our own server (DECISIONS 15). */
export function serverTrust(
  options: ServerTrustOptions,
): (tls: TlsFacts, claimed: Domain, role: 'initiating' | 'receiving') => IdentityVerdict {
  const { ca, pin, limits, clock } = options
  const trust = createTrustStore({ roots: ca })
  return ({ chain, nodeVerdict }, claimed, role) => {
    const pins = pin === null ? [] : pinsOf(chain, pin)
    if (pins === null) return { ok: false, domain: claimed, reason: 'untrusted', detail: OTHER_CERTIFICATE }
    const names = { domain: claimed, hosts: [], pins }
    return judgePeer({ chain, nodeVerdict, names, trust, limits, nowMs: clock.wallMs(), role })
  }
}

const OTHER_CERTIFICATE = 'it is not the certificate that is pinned'

/**
 * The pin is of the certificate, identity's of its key.
 * @returns null: it is another certificate, whoever vouches for it
 */
function pinsOf([leaf]: readonly Uint8Array[], pin: string): readonly string[] | null {
  // Without a certificate there is a better word for it.
  if (leaf === undefined) return []
  if (createHash('sha256').update(leaf).digest('hex') !== pin) return null
  const parsed = parseCertificate(leaf)
  return parsed.ok ? [pinOf(parsed.certificate)] : []
}
