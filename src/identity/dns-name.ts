/** A DNS name as a certificate presents it: lower case, no trailing dot. */
export interface PresentedName {
  readonly name: string
  /** '*.' stood before `name` as the whole left-most label */
  readonly wildcard: boolean
}

/**
 * Read a dNSName, or the name part of an SRVName. Null for all that can identify nothing: other characters than
 * letters, digits, hyphen and underscore, NUL and U-labels among them; wildcards but a whole left-most label with at
 * least two labels after it (CT-05); and addresses written as names (CT-07).
 */
export function readPresentedName(text: string): PresentedName | null {
  const wildcard = text.startsWith('*.')
  const start = wildcard ? 2 : 0
  const end = text.endsWith('.') ? text.length - 1 : text.length
  if (end - start < 1 || end - start > NAME_LENGTH) return null
  let labels = 1
  let size = 0
  let numeric = true
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      if (size === 0) return null
      labels += 1
      size = 0
      numeric = true
      continue
    }
    size += 1
    if (size > LABEL_LENGTH) return null
    if (code >= 0x30 && code <= 0x39) continue
    numeric = false
    const letter = (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)
    if (!letter && code !== HYPHEN && code !== UNDERSCORE) return null
  }
  if (size === 0 || numeric || (wildcard && labels < 2)) return null
  return { name: text.slice(start, end).toLowerCase(), wildcard }
}

/** `name` is `parent` or lies below it. Both lower case, without trailing dot. */
export function isWithin(name: string, parent: string): boolean {
  if (parent.length > name.length || !name.endsWith(parent)) return false
  return (
    parent.length === name.length || parent === '' || name.charCodeAt(name.length - parent.length - 1) === DOT
  )
}

/** The octets of an IPv4 address or an IPv6 one, brackets allowed; null for all else. */
export function readIpLiteral(text: string): Uint8Array | null {
  if (IPV4.test(text)) return Uint8Array.from(text.split('.').map(Number))
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (!IPV6_CHARACTERS.test(bare)) return null
  const halves = bare.split('::')
  const [head = [], tail = []] = halves.map((half, index) => groupsOf(half, index === halves.length - 1))
  if (head === null || tail === null || halves.length > 2) return null
  const missing = 8 - head.length - tail.length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail]
  return Uint8Array.from(groups.flatMap(group => [group >> 8, group & 0xff]))
}

/** @param isLast only the end of an address may be written as IPv4 */
function groupsOf(half: string, isLast: boolean): number[] | null {
  if (half === '') return []
  const groups: number[] = []
  const parts = half.split(':')
  for (const [index, part] of parts.entries()) {
    if (/^[\da-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16))
    } else if (isLast && index === parts.length - 1 && IPV4.test(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number)
      groups.push(a * 256 + b, c * 256 + d)
    } else {
      return null
    }
  }
  return groups
}

const DOT = 0x2e
const HYPHEN = 0x2d
const UNDERSCORE = 0x5f
const NAME_LENGTH = 253
const LABEL_LENGTH = 63
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}(?<!\.)$/
const IPV6_CHARACTERS = /^[\da-f:.]*:[\da-f:.]*$/i
