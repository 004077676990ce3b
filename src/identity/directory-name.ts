import { DerReader, latin1, TAG } from './der.ts'

/** A Name as a list of relative names, equal where RFC 5280 §7.1 calls them equal. */
export function comparableName(name: Uint8Array): string[] | null {
  const attributes = attributesOf(name)
  if (attributes === null) return null
  const rdns: string[][] = []
  for (const { rdn, type, tag, value } of attributes) {
    const text = textOf(tag, value)
    // A string that breaks its own type could be read as anything.
    if (text === null && (tag === TAG.bmpString || tag === TAG.universalString)) return null
    const comparable =
      text === null
        ? `#${tag}:${latin1(value)}`
        : text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
    const attribute = JSON.stringify([type, comparable])
    const others = rdns[rdn]
    if (others) others.push(attribute)
    else rdns[rdn] = [attribute]
  }
  return rdns.map(parts => parts.sort().join())
}

interface Attribute {
  /** index of the relative name that holds it */
  readonly rdn: number
  readonly type: string
  readonly tag: number
  readonly value: Uint8Array
}

export function attributesOf(name: Uint8Array): Attribute[] | null {
  const attributes: Attribute[] = []
  const rdns = new DerReader(name).enter(TAG.sequence)
  for (let rdn = 0; rdns.hasMore; rdn++) {
    const set = rdns.enter(TAG.set)
    if (!set.hasMore) set.fail()
    while (set.hasMore) {
      const pair = set.enter(TAG.sequence)
      const type = pair.oid()
      const tag = pair.tag
      attributes.push({ rdn, type, tag, value: pair.enterAny().rest() })
      pair.finish()
    }
  }
  return rdns.failed ? null : attributes
}

function textOf(tag: number, value: Uint8Array): string | null {
  switch (tag) {
    case TAG.utf8String:
      return Buffer.from(value).toString('utf8')
    case TAG.numericString:
    case TAG.printableString:
    case TAG.ia5String:
    case TAG.visibleString:
    case TAG.teletexString:
      return latin1(value)
    case TAG.bmpString:
      return value.length % 2 === 0 ? Buffer.from(value).swap16().toString('utf16le') : null
    case TAG.universalString:
      return value.length % 4 === 0 ? utf32(value) : null
    default:
      return null
  }
}

function utf32(value: Uint8Array): string {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  let text = ''
  for (let at = 0; at < value.length; at += 4) {
    const code = view.getUint32(at)
    text += String.fromCodePoint(code <= 0x10ffff ? code : 0xfffd)
  }
  return text
}
