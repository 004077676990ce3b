import { defaultLimits } from '../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../src/xml/index.ts'
import { isViolation, type Stanza, stanzaFromScanned } from '../../src/xmpp/index.ts'

const LIMITS = xmlLimits(defaultLimits, 'authenticated')

/** A stanza as it comes from a peer; throws where no peer could send it. */
export function stanza(xml: string): Stanza {
  const scanned = scanDocument(Buffer.from(xml), LIMITS)
  if (isXmlViolation(scanned)) throw new TypeError(`${scanned.detail}: ${xml.slice(0, 200)}`)
  const read = stanzaFromScanned(scanned)
  if (isViolation(read)) throw new TypeError(`${read.detail}: ${xml.slice(0, 200)}`)
  return read
}
