import type { Domain } from './domain.ts'

/** A JID in its prepared form (RFC 7622). */
export interface Jid {
  /** '' where absent */
  readonly local: string
  readonly domain: Domain
  /** '' where absent */
  readonly resource: string
}
