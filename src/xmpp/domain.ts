import tr46 from 'tr46'
import { Memo } from './memo.ts'
import { inContext, isIdentifier, JID_PART_BYTES, mapWidth } from './precis.ts'

/**
 * A domainpart in the one form that is compared: U-labels, lower case, no trailing dot (RFC 7622, SZ-27).
 * Only parseDomain makes one.
 */
export type Domain = string & { readonly [isDomain]: true }
declare const isDomain: unique symbol

/** A pair as seen from here. Directions are the stream's business. */
export interface DomainPair {
  readonly local: Domain
  readonly remote: Domain
}

/** Why a domain is never dialled nor believed as a remote one (DECISIONS 26). */
export type NotFederable = 'single-label' | 'ip-literal' | 'special-use'

/**
 * Read a domainpart in any of its spellings: case, one trailing dot, A-labels, full-width letters, ideographic dots.
 * Host names by the rules of DNS and IDNA2008 (RFC 7622 §3.2), IPv4 and bracketed IPv6 literals; null for all else.
 */
export function parseDomain(text: string): Domain | null {
  if (text.length === 0 || text.length > JID_PART_BYTES) return null
  if (text.startsWith('[')) return isIpv6(text) ? branded(text.toLowerCase()) : null
  const ascii = asciiHostName(text)
  if (ascii !== undefined) return ascii === null ? null : branded(ascii)
  return internationalName(text)
}

/** The form for DNS, TLS and HTTP: A-labels. */
export function toAscii(domain: Domain): string {
  if (!NON_ASCII.test(domain)) return domain
  const ascii = tr46.toASCII(domain, STRICT)
  if (ascii === null) throw new TypeError('not a Domain: parseDomain did not make it')
  return ascii
}

export function isFederable(domain: Domain): boolean {
  return notFederable(domain) === null
}

/** Why we do not federate with `domain`; null where we do (DECISIONS 26). */
export function notFederable(domain: Domain): NotFederable | null {
  if (domain.startsWith('[')) return 'ip-literal'
  const last = domain.slice(domain.lastIndexOf('.') + 1)
  // No top-level domain is a number; resolvers read such names as addresses, in more notations than one.
  if (NUMERIC.test(last)) return 'ip-literal'
  if (SPECIAL_USE.has(last)) return 'special-use'
  return last.length === domain.length ? 'single-label' : null
}

const SPECIAL_USE: ReadonlySet<string> = new Set([
  'arpa',
  'internal',
  'invalid',
  'local',
  'localhost',
  'onion',
])

const STRICT = {
  checkBidi: true,
  checkHyphens: true,
  checkJoiners: true,
  transitionalProcessing: false,
  useSTD3ASCIIRules: true,
  verifyDNSLength: true,
} as const

const NON_ASCII = /[^\0-\x7f]/
const NUMERIC = /^(?:\d+|0x[\da-f]*)$/
const IDEOGRAPHIC_DOTS = /[\u3002\uff0e\uff61]/g
const UPPER = /\p{Lu}/gu

const LABEL_LENGTH = 63
const NAME_LENGTH = 253

/** The usual case, in one pass. undefined: other characters or an A-label, look closer; null: not a host name. */
function asciiHostName(text: string): string | null | undefined {
  const length = text.charCodeAt(text.length - 1) === DOT ? text.length - 1 : text.length
  let upper = false
  let wrong = length === 0 || length > NAME_LENGTH
  let start = 0
  for (let index = 0; index <= length; index++) {
    const code = index === length ? DOT : text.charCodeAt(index)
    if (code === DOT) {
      const size = index - start
      if (size === 0 || size > LABEL_LENGTH || text.charCodeAt(index - 1) === HYPHEN) wrong = true
      start = index + 1
    } else if (code === HYPHEN) {
      if (index === start) wrong = true
      if (index === start + 3 && isALabel(text, start)) return undefined
    } else if (code >= 0x41 && code <= 0x5a) {
      upper = true
    } else if (code > 0x7f) {
      return undefined
    } else if (!((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39))) {
      return null
    }
  }
  if (wrong) return null
  const name = length === text.length ? text : text.slice(0, length)
  return upper ? name.toLowerCase() : name
}

const DOT = 0x2e
const HYPHEN = 0x2d

function isALabel(text: string, start: number): boolean {
  return text.slice(start, start + 4).toLowerCase() === 'xn--'
}

/**
 * Case and width are mapped as RFC 5895 says and nothing further: UTS #46 would also turn, say, a ligature into letters,
 * and the server behind us might not.
 */
function internationalName(text: string): Domain | null {
  const dotted = text.replace(IDEOGRAPHIC_DOTS, '.')
  const mapped = mapWidth(dotted.endsWith('.') ? dotted.slice(0, -1) : dotted)
    // One by one, as IDNA does: a string's last capital sigma would become a final one.
    .replace(UPPER, letter => letter.toLowerCase())
    .normalize('NFC')
  const ascii = tr46.toASCII(mapped, STRICT)
  if (ascii === null) return null
  const name = tr46.toUnicode(mapped, STRICT).domain
  const labels = mapped.split('.')
  const aLabels = ascii.split('.')
  const sound = name.split('.').every(
    (label, index) =>
      // Either it was a U-label and needed no more mapping, or the A-label that its U-label gives (RFC 5890 §2.3.2.1).
      (labels[index] === label || labels[index] === aLabels[index]) &&
      isIdentifier(label) &&
      inContext(label),
  )
  return sound && Buffer.byteLength(name) <= JID_PART_BYTES ? branded(name) : null
}

/** '[', 1 to 8 groups with at most one '::', perhaps an IPv4 tail, ']' (RFC 3986 §3.2.2). No zones. */
function isIpv6(text: string): boolean {
  if (!text.endsWith(']')) return false
  const halves = text.slice(1, -1).split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [position, half] of halves.entries()) {
    if (half === '') continue
    const parts = half.split(':')
    for (const [index, part] of parts.entries()) {
      const last = position === halves.length - 1 && index === parts.length - 1
      if (/^[\da-f]{1,4}$/i.test(part)) groups += 1
      else if (last && IPV4.test(part)) groups += 2
      else return false
    }
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`)

/**
 * Equal domains are one string as far as they are remembered: every stanza is compared with its stream's domains and looked
 * up by its own, which costs little where both are the same object, with its hash, and not a part of a longer address.
 */
function branded(text: string): Domain {
  const known = domains.get(text)
  if (known !== undefined) return known
  const domain = Buffer.from(text).toString() as Domain
  domains.set(domain, domain)
  return domain
}

const domains = new Memo<Domain>()
