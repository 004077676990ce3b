import type { Domain } from './domain.ts'
import { parseDomain } from './domain.ts'
import { Memo } from './memo.ts'
import {
  JID_PART_BYTES,
  prepareLocal,
  prepareLocalLeniently,
  prepareResource,
  prepareResourceLeniently,
} from './precis.ts'

/** A JID in its prepared form (RFC 7622). */
export interface Jid {
  /** '' where absent */
  readonly local: string
  readonly domain: Domain
  /** '' where absent */
  readonly resource: string
}

/** Read and prepare a JID by RFC 7622; null where it is none. For what people and programs on our side write. */
export function parseJid(text: string): Jid | null {
  return strictMemo.get(text) ?? keep(strictMemo, text, split(text, prepareLocal, prepareResource))
}

/**
 * The same for an address on the wire. The domain is judged as strictly; a localpart or resource that only stringprep
 * accepts is let through.
 */
// COMPAT(Prosody, ejabberd): they prepare by stringprep (RFC 6122), so their users have emoji in room names and
// nicknames; a stream must not end for all users of two domains because of one of those.
export function parseWireJid(text: string): Jid | null {
  return (
    parseJid(text) ??
    lenientMemo.get(text) ??
    keep(lenientMemo, text, split(text, lenientLocal, lenientResource))
  )
}

export function formatJid(jid: Jid): string {
  const bare = jid.local === '' ? jid.domain : `${jid.local}@${jid.domain}`
  return jid.resource === '' ? bare : `${bare}/${jid.resource}`
}

/** The JID without its resource. */
export function toBare(jid: Jid): Jid {
  return jid.resource === '' ? jid : Object.freeze({ local: jid.local, domain: jid.domain, resource: '' })
}

export function sameJid(one: Jid, other: Jid): boolean {
  return one.domain === other.domain && one.local === other.local && one.resource === other.resource
}

type Prepare = (text: string) => string | null

/** First '/', then first '@' before it (RFC 7622 §3.1): neither may be a mapped character, so this comes first. */
function split(text: string, preparedLocal: Prepare, preparedResource: Prepare): Jid | null {
  if (text.length > JID_BYTES) return null
  const slash = text.indexOf('/')
  const end = slash < 0 ? text.length : slash
  const found = text.indexOf('@')
  const at = found < end ? found : -1

  const domain = parseDomain(text.slice(at + 1, end))
  if (domain === null) return null
  let local: string | null = ''
  if (at >= 0) local = at === 0 || at > JID_PART_BYTES ? null : preparedLocal(text.slice(0, at))
  let resource: string | null = ''
  if (slash >= 0) {
    const given = text.slice(slash + 1)
    resource = given === '' || given.length > JID_PART_BYTES ? null : preparedResource(given)
  }
  return local === null || resource === null ? null : Object.freeze({ local, domain, resource })
}

/** Three parts, '@' and '/'. */
const JID_BYTES = 3 * JID_PART_BYTES + 2

const lenientLocal: Prepare = text => prepareLocal(text) ?? prepareLocalLeniently(text)
const lenientResource: Prepare = text => prepareResource(text) ?? prepareResourceLeniently(text)

const strictMemo = new Memo<Jid>()
const lenientMemo = new Memo<Jid>()

function keep(memo: Memo<Jid>, text: string, jid: Jid | null): Jid | null {
  if (jid !== null) memo.set(text, jid)
  return jid
}
