import { TAG } from './der.ts'

/** One DER element: tag, shortest length, and the parts in order. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 3 : 4
  const out = new Uint8Array(2 + octets + length)
  out[0] = tag
  out[1] = octets === 0 ? length : 0x80 | octets
  for (let index = 0; index < octets; index++)
    out[1 + octets - index] = Math.floor(length / 256 ** index) % 256
  let position = 2 + octets
  for (const part of parts) {
    out.set(part, position)
    position += part.length
  }
  return out
}

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(TAG.sequence, ...parts)

/** SET OF: DER sorts the encodings. */
export const setOf = (...parts: readonly Uint8Array[]): Uint8Array =>
  der(TAG.set, ...[...parts].sort(Buffer.compare))

/** A non-negative INTEGER from its big-endian octets, padding removed. */
export function unsigned(octets: Uint8Array): Uint8Array {
  let start = 0
  while (start < octets.length - 1 && octets[start] === 0) start++
  const trimmed = octets.length === 0 ? Uint8Array.of(0) : octets.subarray(start)
  return (trimmed[0] ?? 0) >= 0x80 ? der(TAG.integer, Uint8Array.of(0), trimmed) : der(TAG.integer, trimmed)
}

export function oid(dotted: string): Uint8Array {
  const [top = 0, second = 0, ...others] = dotted.split('.').map(Number)
  const octets: number[] = []
  for (const arc of [top * 40 + second, ...others]) {
    const groups = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.push((left % 128) | 0x80)
    octets.push(...groups.reverse())
  }
  return der(TAG.oid, Uint8Array.from(octets))
}

export const TRUE: Uint8Array = der(TAG.boolean, Uint8Array.of(0xff))

/** @param unusedBits of the last octet; they must be zero */
export const bitString = (octets: Uint8Array, unusedBits = 0): Uint8Array =>
  der(TAG.bitString, Uint8Array.of(unusedBits), octets)

/** A BIT STRING of named bits: DER drops trailing zero bits. */
export function namedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits)
  const octets = new Uint8Array(Math.ceil((highest + 1) / 8))
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7))
  return bitString(octets, highest < 0 ? 0 : 7 - (highest & 7))
}

/** UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). Whole seconds. */
export function time(ms: number): Uint8Array {
  const text = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
  return text < '2050' ? der(TAG.utcTime, ascii(text.slice(2))) : der(TAG.generalizedTime, ascii(text))
}

export const ascii = (text: string): Uint8Array => Buffer.from(text, 'latin1')
export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
