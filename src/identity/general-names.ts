import { constructed, type DerReader, implicit, latin1, TAG } from './der.ts'
import { OID } from './oids.ts'

/**
 * GeneralNames (RFC 5280 §4.2.1.6) by kind, as they stand: nothing here is known to be a sound name. Text is Latin-1 of
 * the octets, XmppAddr is UTF-8 with U+FFFD for what is not.
 */
export interface GeneralNames {
  readonly dns: readonly string[]
  readonly ip: readonly Uint8Array[]
  /** SRVName (RFC 4985), e.g. '_xmpp-server.capulet.example' */
  readonly srv: readonly string[]
  /** id-on-xmppAddr (CT-02) */
  readonly xmpp: readonly string[]
  readonly email: readonly string[]
  readonly uri: readonly string[]
  /** DER Names */
  readonly directory: readonly Uint8Array[]
  /** how many names of other kinds, or of other string types than their kind demands */
  readonly others: number
}

/** Collects one GeneralName at a time, so that SANs and subtrees read alike. */
export interface NameCollector extends GeneralNames {
  readonly dns: string[]
  readonly ip: Uint8Array[]
  readonly srv: string[]
  readonly xmpp: string[]
  readonly email: string[]
  readonly uri: string[]
  readonly directory: Uint8Array[]
  others: number
}

export function noNames(): NameCollector {
  return { dns: [], ip: [], srv: [], xmpp: [], email: [], uri: [], directory: [], others: 0 }
}

/** Reads the next GeneralName; one that is broken as DER fails the reader, one of no use to us is counted. */
export function readGeneralName(reader: DerReader, into: NameCollector): void {
  switch (reader.tag) {
    case constructed(0):
      readOtherName(reader.enterAny(), into)
      return
    case implicit(1):
      into.email.push(latin1(reader.enterAny().rest()))
      return
    case implicit(2):
      into.dns.push(latin1(reader.enterAny().rest()))
      return
    case constructed(4): {
      const name = reader.enterAny()
      into.directory.push(name.element(TAG.sequence))
      name.finish()
      return
    }
    case implicit(6):
      into.uri.push(latin1(reader.enterAny().rest()))
      return
    case implicit(7):
      into.ip.push(reader.enterAny().rest())
      return
    case constructed(3): // x400Address
    case constructed(5): // ediPartyName
    case implicit(8): // registeredID
      reader.element()
      into.others += 1
      return
    default:
      reader.fail()
  }
}

function readOtherName(name: DerReader, into: NameCollector): void {
  const type = name.oid()
  const holder = name.enter(constructed(0))
  name.finish()
  const tag = holder.tag
  const value = holder.enterAny().rest()
  holder.finish()
  if (name.failed) return
  if (type === OID.xmppAddr && tag === TAG.utf8String) into.xmpp.push(Buffer.from(value).toString('utf8'))
  else if (type === OID.srvName && tag === TAG.ia5String) into.srv.push(latin1(value))
  else into.others += 1
}
