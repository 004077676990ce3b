import type { Element } from '../xml/index.ts'
import type { Jid } from './jid.ts'

/**
 * A message, presence or iq on its way between domains. Addresses are parsed; bytes are canonical (DECISIONS 6),
 * in jabber:server, ready for any wire; the tree is made on demand. Immutable.
 */
export interface Stanza {
  readonly kind: 'message' | 'presence' | 'iq'
  readonly from: Jid
  readonly to: Jid
  /** the type attribute as sent; '' where absent */
  readonly type: string
  /** '' where absent */
  readonly id: string
  readonly bytes: Uint8Array
  element(): Element
}
