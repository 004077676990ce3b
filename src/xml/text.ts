/** What stands in a piece of text: how it has to be decoded. */
export const REFERENCED = 1
/** TAB, LF or CR: normalised by every parser (XML 1.0 §§2.11, 3.3.3) */
export const SPACED = 2
/** beyond ASCII */
export const WIDE = 4

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Bytes that the scanner accepted, as they stand. */
export function decode(bytes: Buffer, start: number, end: number, flags: number): string {
  if (start === end) return ''
  return bytes.toString((flags & WIDE) === 0 ? 'latin1' : 'utf8', start, end)
}

/** An attribute value: normalised, then references resolved. */
export function decodeValue(bytes: Buffer, start: number, end: number, flags: number): string {
  let text = decode(bytes, start, end, flags)
  if ((flags & SPACED) !== 0) text = text.replace(/\r\n|[\t\n\r]/g, ' ')
  return (flags & REFERENCED) === 0 ? text : resolve(text)
}

/** Character data: line ends normalised, then references resolved. */
export function decodeText(bytes: Buffer, start: number, end: number): string {
  const text = normaliseLines(decode(bytes, start, end, WIDE))
  return text.includes('&') ? resolve(text) : text
}

export function normaliseLines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['apos', "'"],
  ['quot', '"'],
])

export function isEntity(name: string): boolean {
  return ENTITIES.has(name)
}

function resolve(text: string): string {
  return text.replace(/&([^;]+);/g, (whole, name: string) => {
    if (!name.startsWith('#')) return ENTITIES.get(name) ?? whole
    const hexadecimal = name.startsWith('#x')
    return String.fromCodePoint(Number.parseInt(name.slice(hexadecimal ? 2 : 1), hexadecimal ? 16 : 10))
  })
}

/** Whether bytes spell an ASCII word. */
export function spells(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) {
    if (bytes[start + i] !== word.charCodeAt(i)) return false
  }
  return true
}

export function sameBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  other: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - other) return false
  for (let i = start, j = other; i < end; i++, j++) {
    if (bytes[i] !== bytes[j]) return false
  }
  return true
}
