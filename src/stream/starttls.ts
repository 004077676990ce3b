import type { Element } from '../xml/index.ts'
import { element, NS } from '../xmpp/index.ts'

// STARTTLS (RFC 6120 §5), on wires that do not begin with TLS.

export const STARTTLS: Element = element('starttls', NS.tls)
export const PROCEED: Element = element('proceed', NS.tls)
export const TLS_FAILURE: Element = element('failure', NS.tls)
