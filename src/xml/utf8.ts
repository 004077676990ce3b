/**
 * Length of the UTF-8 sequence at `position`, whose first byte is 0x80 or above: 2 to 4; 0 where bytes are still missing;
 * -1 where no continuation can make it UTF-8 (overlong, surrogate, above U+10FFFF, stray: RFC 3629). Decided on the first
 * byte that shows it, so that it does not matter where the bytes were cut.
 */
export function sequenceLength(bytes: Uint8Array, position: number, end: number): number {
  const lead = bytes[position] as number
  if (lead < 0xc2 || lead > 0xf4) return -1
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  const available = end - position
  if (available > 1) {
    const second = bytes[position + 1] as number
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < low || second > high) return -1
  }
  if (length > 2 && available > 2 && ((bytes[position + 2] as number) & 0xc0) !== 0x80) return -1
  if (length > 3 && available > 3 && ((bytes[position + 3] as number) & 0xc0) !== 0x80) return -1
  return available < length ? 0 : length
}

/** The code point of a complete sequence. */
export function codePointAt(bytes: Uint8Array, position: number, length: number): number {
  const tail = (i: number) => (bytes[position + i] as number) & 0x3f
  const lead = bytes[position] as number
  if (length === 2) return ((lead & 0x1f) << 6) | tail(1)
  if (length === 3) return ((lead & 0x0f) << 12) | (tail(1) << 6) | tail(2)
  return ((lead & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3)
}
