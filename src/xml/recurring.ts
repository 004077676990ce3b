import { decode } from './text.ts'

// Names, namespaces and addresses come again and again. Each is kept as bytes beside the string that they make, so that
// neither is made again: comparing costs less than decoding, and a string that is met again has its hash already, which
// whoever looks it up in a map saves too. A bounded place for each; what is met elsewhere takes it over.

const PLACES = 1_024
/** of a word; a longer one is decoded each time */
const WORD_BYTES = 128

const kept = new Uint8Array(PLACES * WORD_BYTES)
const words: string[] = new Array<string>(PLACES).fill('')
/** in bytes */
const lengths = new Uint8Array(PLACES)

/** As `decode`, for what is likely to have been decoded before. */
export function recurring(bytes: Buffer, start: number, end: number, flags: number): string {
  const length = end - start
  if (length > WORD_BYTES || length === 0) return decode(bytes, start, end, flags)
  const place = placeOf(bytes, start, end)
  const at = place * WORD_BYTES
  if (lengths[place] === length && isKept(bytes, start, end, at)) return words[place] as string
  const word = decode(bytes, start, end, flags)
  for (let i = 0; i < length; i++) kept[at + i] = bytes[start + i] as number
  lengths[place] = length
  words[place] = word
  return word
}

/** Two sums, because each step of one waits for the step before. */
function placeOf(bytes: Buffer, start: number, end: number): number {
  let one = end - start
  let two = 0
  let i = start
  for (; i + 1 < end; i += 2) {
    one = (Math.imul(one, 31) + (bytes[i] as number)) | 0
    two = (Math.imul(two, 37) + (bytes[i + 1] as number)) | 0
  }
  if (i < end) one = (Math.imul(one, 31) + (bytes[i] as number)) | 0
  const mixed = Math.imul(one ^ Math.imul(two, 0x9e3779b1), 0x85ebca6b)
  return mixed >>> 22
}

function isKept(bytes: Buffer, start: number, end: number, at: number): boolean {
  for (let i = start, j = at; i < end; i++, j++) {
    if (bytes[i] !== kept[j]) return false
  }
  return true
}
