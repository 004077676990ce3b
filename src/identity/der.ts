/** Tags as they stand in the first octet, class and constructed bit included. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** An IMPLICIT context tag over a primitive type. */
export const implicit = (number: number): number => 0x80 | number
/** A context tag over a constructed type, or any EXPLICIT one. */
export const constructed = (number: number): number => 0xa0 | number

/**
 * Reads DER (X.690) strictly, without copying. Hostile bytes never throw: after the first fault the reader, and every
 * reader derived from the same root, is `failed`, `hasMore` is false, and reads give empty values. Whoever reads decides
 * by asking `failed` once at the end, before any value is believed.
 */
export class DerReader {
  readonly bytes: Uint8Array
  readonly #fault: { failed: boolean }
  readonly #end: number
  #position: number

  constructor(
    bytes: Uint8Array,
    start = 0,
    end: number = bytes.length,
    fault: { failed: boolean } = { failed: false },
  ) {
    this.bytes = bytes
    this.#position = start
    this.#end = end
    this.#fault = fault
  }

  get failed(): boolean {
    return this.#fault.failed
  }

  get hasMore(): boolean {
    return !this.#fault.failed && this.#position < this.#end
  }

  /** The next element's tag; -1 at the end. */
  get tag(): number {
    return this.hasMore ? (this.bytes[this.#position] ?? -1) : -1
  }

  /** Enter the next element, which must bear `tag`. */
  enter(tag: number): DerReader {
    if (this.tag !== tag) this.fail()
    return this.enterAny()
  }

  /** Enter the next element if it bears `tag`. */
  optional(tag: number): DerReader | null {
    return this.tag === tag ? this.enterAny() : null
  }

  /** Enter the next element, whatever it is. */
  enterAny(): DerReader {
    const start = this.#header()
    const end = this.#position
    return new DerReader(this.bytes, start, end, this.#fault)
  }

  /** The next element whole, header included; must bear `tag` where one is given. */
  element(tag?: number): Uint8Array {
    if (tag !== undefined && this.tag !== tag) this.fail()
    const start = this.#position
    this.#header()
    return this.#fault.failed ? EMPTY : this.bytes.subarray(start, this.#position)
  }

  /** Everything left in this reader, as it stands. */
  rest(): Uint8Array {
    if (this.#fault.failed) return EMPTY
    const rest = this.bytes.subarray(this.#position, this.#end)
    this.#position = this.#end
    return rest
  }

  /** Fails unless everything was read. */
  finish(): void {
    if (this.#position !== this.#end) this.fail()
  }

  fail(): void {
    this.#fault.failed = true
  }

  boolean(): boolean {
    const content = this.enter(TAG.boolean).rest()
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) this.fail()
    return content[0] === 0xff
  }

  /** The content octets of an INTEGER, two's complement, shortest form. */
  integer(tag: number = TAG.integer): Uint8Array {
    const content = this.enter(tag).rest()
    const [first = 0, second = 0] = content
    const padded =
      content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
    if (content.length === 0 || padded) this.fail()
    return content
  }

  /** An INTEGER from 0 to 2^31 - 1; larger ones are given as that, negative ones fail. */
  smallInteger(tag: number = TAG.integer): number {
    const content = this.integer(tag)
    if ((content[0] ?? 0x80) >= 0x80) {
      this.fail()
      return 0
    }
    let value = 0
    for (const octet of content) {
      value = value * 256 + octet
      if (value > MAX_SMALL_INTEGER) return MAX_SMALL_INTEGER
    }
    return value
  }

  oid(tag: number = TAG.oid): string {
    return this.#oidOf(this.enter(tag).rest())
  }

  /** A BIT STRING's octets; unused bits must be zero. */
  bitString(): Uint8Array {
    return this.#bits(7)
  }

  /** The octets of a BIT STRING that holds whole ones: a key, a signature. */
  bitStringOfOctets(): Uint8Array {
    return this.#bits(0)
  }

  /** Milliseconds since the epoch, from either time type in the one form that RFC 5280 §4.1.2.5 allows. */
  timeMs(): number {
    const tag = this.tag
    if (tag !== TAG.utcTime && tag !== TAG.generalizedTime) this.fail()
    const text = latin1(this.enterAny().rest())
    const parts = (tag === TAG.utcTime ? UTC_TIME : GENERALIZED_TIME).exec(text)
    if (parts === null) {
      this.fail()
      return 0
    }
    const [, yearText = '', month = '', day = '', hour = '', minute = '', second = ''] = parts
    const shortYear = Number(yearText)
    const year = tag === TAG.utcTime ? shortYear + (shortYear < 50 ? 2000 : 1900) : shortYear
    const iso = `${String(year).padStart(4, '0')}-${month}-${day}T${hour}:${minute}:${second}.000Z`
    const ms = Date.parse(iso)
    // Date.parse takes the 30th of February for the 1st of March.
    if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) this.fail()
    return Number.isNaN(ms) ? 0 : ms
  }

  /** Moves past the next element. @returns where its content starts; it ends at the new position */
  #header(): number {
    if (!this.hasMore) return this.#stop()
    const bytes = this.bytes
    let position = this.#position
    const tag = bytes[position++] ?? 0
    // Tag numbers above 30 stand nowhere in what we read.
    if ((tag & 0x1f) === 0x1f || position >= this.#end) return this.#stop()
    let length = bytes[position++] ?? 0
    if (length >= 0x80) {
      const octets = length & 0x7f
      if (octets === 0 || octets > 4 || position + octets > this.#end) return this.#stop()
      length = 0
      for (let index = 0; index < octets; index++) length = length * 256 + (bytes[position++] ?? 0)
      const shortest = octets === 1 ? 0x80 : 256 ** (octets - 1)
      if (length < shortest) return this.#stop()
    }
    if (length > this.#end - position) return this.#stop()
    this.#position = position + length
    return position
  }

  #bits(mostUnused: number): Uint8Array {
    const content = this.enter(TAG.bitString).rest()
    const unused = content[0] ?? 8
    const last = content[content.length - 1] ?? 0
    const sound = content.length > 1 ? (last & ((1 << unused) - 1)) === 0 : unused === 0
    if (unused > mostUnused || !sound) this.fail()
    return content.subarray(1)
  }

  #stop(): number {
    this.fail()
    return this.#position
  }

  #oidOf(content: Uint8Array): string {
    const last = content[content.length - 1] ?? 0x80
    // No arc begins with a padding octet.
    const padded = content.some((octet, index) => octet === 0x80 && (content[index - 1] ?? 0) < 0x80)
    if (content.length <= MAX_OID_BYTES && last < 0x80 && !padded) return oidText(content)
    this.fail()
    return ''
  }
}

function oidText(content: Uint8Array): string {
  let text = ''
  let arc = 0
  for (const octet of content) {
    arc = arc * 128 + (octet & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) return bigOidText(content)
    if (octet >= 0x80) continue
    const top = arc < 40 ? 0 : arc < 80 ? 1 : 2
    text += text === '' ? `${top}.${arc - top * 40}` : `.${arc}`
    arc = 0
  }
  return text
}

/** The same with arcs that a number does not hold: UUIDs are written so, under 2.25. */
function bigOidText(content: Uint8Array): string {
  const arcs: bigint[] = []
  let arc = 0n
  for (const octet of content) {
    arc = arc * 128n + BigInt(octet & 0x7f)
    if (octet >= 0x80) continue
    arcs.push(arc)
    arc = 0n
  }
  const [first = 0n, ...others] = arcs
  const top = first < 40n ? 0n : first < 80n ? 1n : 2n
  return [top, first - top * 40n, ...others].join('.')
}

/** Octets as characters U+0000 to U+00FF. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

const EMPTY = new Uint8Array(0)
const MAX_SMALL_INTEGER = 0x7fff_ffff
const MAX_OID_BYTES = 64
const UTC_TIME = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
const GENERALIZED_TIME = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
