import { parseDomain, toAscii } from '../xmpp/index.ts'
import type { Certificate, NameConstraints } from './certificate.ts'
import { latin1 } from './der.ts'
import { attributesOf, comparableName } from './directory-name.ts'
import { isWithin, type PresentedName, readPresentedName } from './dns-name.ts'
import type { GeneralNames } from './general-names.ts'
import { OID } from './oids.ts'

/** How many comparisons a check may still make: hostile lists would multiply. */
export interface Budget {
  left: number
}

/**
 * What `certificate`, below an authority with `constraints`, does wrong; null where it keeps them (RFC 5280 §4.2.1.10).
 * dNSName subtrees bind DNS-ID, SRV-ID and XmppAddr alike: an authority for one domain shall not vouch for another in a
 * different spelling. What cannot be understood is a breach. The answer counts only while the budget is not negative.
 */
export function breachOf(
  constraints: NameConstraints,
  certificate: Certificate,
  budget: Budget,
): string | null {
  const { permitted, excluded } = constraints
  if (!isImplemented(constraints)) return 'is under name constraints of a kind that is not supported'
  const lists = (kind: 'dns' | 'email' | 'uri'): Lists<string> => ({
    permitted: permitted[kind],
    excluded: excluded[kind],
  })
  return (
    check('a DNS or XMPP name', DNS, () => hostNames(certificate.names), lists('dns'), budget) ??
    check('an e-mail address', EMAIL, () => emailAddresses(certificate), lists('email'), budget) ??
    check('a URI', URI, () => certificate.names?.uri ?? [], lists('uri'), budget) ??
    check('an IP address', IP, () => certificate.names?.ip ?? [], ipLists(constraints), budget) ??
    check(
      'a directory name',
      DIRECTORY,
      () => directoryNames(certificate),
      directoryLists(constraints),
      budget,
    )
  )
}

/** Nothing here knows how a subtree of otherName, x400Address, ediPartyName or registeredID binds: those refuse. */
function isImplemented({ permitted, excluded, bounded }: NameConstraints): boolean {
  const foreign = (names: GeneralNames): boolean =>
    names.others > 0 || names.srv.length > 0 || names.xmpp.length > 0
  return !bounded && !foreign(permitted) && !foreign(excluded)
}

interface Lists<Raw> {
  readonly permitted: readonly Raw[]
  readonly excluded: readonly Raw[]
}

/** How subtrees of one kind bind. Reading gives null for what cannot be understood. */
interface Kind<Raw, RawSubtree, Name, Subtree> {
  readName(raw: Raw): Name | null
  readSubtree(raw: RawSubtree): Subtree | null
  /** every name that `name` may stand for lies inside */
  covers(subtree: Subtree, name: Name): boolean
  /** some name that `name` may stand for lies inside */
  touches(subtree: Subtree, name: Name): boolean
}

function check<Raw, RawSubtree, Name, Subtree>(
  what: string,
  kind: Kind<Raw, RawSubtree, Name, Subtree>,
  values: () => readonly Raw[],
  lists: Lists<RawSubtree>,
  budget: Budget,
): string | null {
  if (lists.permitted.length === 0 && lists.excluded.length === 0) return null
  budget.left -= lists.permitted.length + lists.excluded.length
  if (budget.left < 0) return TOO_MUCH
  const permitted = readAll(lists.permitted, kind.readSubtree)
  const excluded = readAll(lists.excluded, kind.readSubtree)
  if (permitted === null || excluded === null) return 'is under name constraints that cannot be read'
  for (const raw of values()) {
    budget.left -= 1 + permitted.length + excluded.length
    if (budget.left < 0) return TOO_MUCH
    const name = kind.readName(raw)
    if (name === null) return `bears ${what} that cannot be read, under name constraints`
    if (excluded.some(subtree => kind.touches(subtree, name)))
      return `bears ${what} that name constraints exclude`
    if (permitted.length > 0 && !permitted.some(subtree => kind.covers(subtree, name)))
      return `bears ${what} that name constraints do not permit`
  }
  return null
}

const TOO_MUCH = 'has too many names under constraints'

function readAll<Raw, T>(raws: readonly Raw[], read: (raw: Raw) => T | null): T[] | null {
  const values: T[] = []
  for (const raw of raws) {
    const value = read(raw)
    if (value === null) return null
    values.push(value)
  }
  return values
}

/** A host, and whether it is itself meant ('.host' is below only, as for URIs and mail). */
interface HostSubtree {
  readonly host: string
  readonly self: boolean
  readonly below: boolean
}

function readHost(raw: string, below: boolean): HostSubtree | null {
  if (raw === '') return { host: '', self: true, below: true }
  const dotted = raw.startsWith('.')
  const read = readPresentedName(dotted ? raw.slice(1) : raw)
  return read === null || read.wildcard ? null : { host: read.name, self: !dotted, below: below || dotted }
}

function hostCovers(subtree: HostSubtree, host: string): boolean {
  if (host === subtree.host) return subtree.self
  return subtree.below && isWithin(host, subtree.host)
}

const DNS: Kind<PresentedName | null, string, PresentedName, HostSubtree> = {
  readName: raw => raw,
  readSubtree: raw => readHost(raw, true),
  // All that a wildcard stands for lies below its name.
  covers: (subtree, { name, wildcard }) =>
    wildcard ? isWithin(name, subtree.host) : hostCovers(subtree, name),
  // '*.a.example' may stand for the excluded 'b.a.example'.
  touches: (subtree, { name, wildcard }) =>
    isWithin(name, subtree.host) || (wildcard && subtree.host.slice(subtree.host.indexOf('.') + 1) === name),
}

function hostNames(names: GeneralNames | null): (PresentedName | null)[] {
  if (names === null) return []
  return [
    ...names.dns.map(readPresentedName),
    ...names.srv.map(name => {
      const dot = name.indexOf('.')
      return name.startsWith('_') && dot !== -1 ? readPresentedName(name.slice(dot + 1)) : null
    }),
    ...names.xmpp.map(name => {
      const domain = parseDomain(name)
      return domain === null ? null : { name: toAscii(domain), wildcard: false }
    }),
  ]
}

interface Mailbox {
  /** '' in a subtree: anybody's */
  readonly local: string
  readonly host: string
}

const EMAIL: Kind<string, string, Mailbox, Mailbox & { readonly tree: HostSubtree }> = {
  readName: readMailbox,
  readSubtree(raw) {
    const mailbox = raw.includes('@') ? readMailbox(raw) : { local: '', host: raw }
    const tree = mailbox && readHost(mailbox.host, false)
    return mailbox && tree && { ...mailbox, tree }
  },
  covers: ({ local, tree }, name) => (local === '' || local === name.local) && hostCovers(tree, name.host),
  touches: ({ local, tree }, name) =>
    (local === '' || local.toLowerCase() === name.local.toLowerCase()) && hostCovers(tree, name.host),
}

function readMailbox(text: string): Mailbox | null {
  const at = text.lastIndexOf('@')
  const host = readPresentedName(text.slice(at + 1))
  return at < 1 || host === null || host.wildcard ? null : { local: text.slice(0, at), host: host.name }
}

/** rfc822Name, and the emailAddress that old certificates have in the subject. */
function emailAddresses(certificate: Certificate): string[] {
  const inSubject = attributesOf(certificate.subject)?.filter(({ type }) => type === OID.emailAddress) ?? []
  return [...(certificate.names?.email ?? []), ...inSubject.map(({ value }) => latin1(value))]
}

const URI: Kind<string, string, string, HostSubtree> = {
  // A URI without a host, or with an address for one, cannot keep a constraint.
  readName(raw) {
    const host = /^[a-z][a-z\d+.-]*:\/\/(?:[^@/?#]*@)?([^:/?#]*)/i.exec(raw)?.[1] ?? ''
    const read = readPresentedName(host)
    return read === null || read.wildcard ? null : read.name
  },
  readSubtree: raw => readHost(raw, false),
  covers: hostCovers,
  touches: hostCovers,
}

interface Block {
  readonly address: Uint8Array
  readonly mask: Uint8Array
}

const IP: Kind<Uint8Array, Uint8Array, Uint8Array, Block> = {
  readName: raw => (raw.length === 4 || raw.length === 16 ? raw : null),
  readSubtree(raw) {
    if (raw.length !== 8 && raw.length !== 32) return null
    const mask = raw.subarray(raw.length / 2)
    const bits = Array.from(mask, octet => octet.toString(2).padStart(8, '0')).join('')
    return /^1*0*$/.test(bits) ? { address: raw.subarray(0, raw.length / 2), mask } : null
  },
  covers: inBlock,
  touches: inBlock,
}

function inBlock({ address, mask }: Block, name: Uint8Array): boolean {
  return (
    name.length === address.length &&
    name.every((octet, index) => ((octet ^ (address[index] ?? 0)) & (mask[index] ?? 0xff)) === 0)
  )
}

function ipLists({ permitted, excluded }: NameConstraints): Lists<Uint8Array> {
  return { permitted: permitted.ip, excluded: excluded.ip }
}

const DIRECTORY: Kind<Uint8Array, Uint8Array, readonly string[], readonly string[]> = {
  readName: comparableName,
  readSubtree: comparableName,
  covers: startsWith,
  touches: startsWith,
}

function startsWith(subtree: readonly string[], name: readonly string[]): boolean {
  return subtree.every((rdn, index) => name[index] === rdn)
}

function directoryLists({ permitted, excluded }: NameConstraints): Lists<Uint8Array> {
  return { permitted: permitted.directory, excluded: excluded.directory }
}

function directoryNames(certificate: Certificate): Uint8Array[] {
  const empty = certificate.subject.length === 2
  return [...(empty ? [] : [certificate.subject]), ...(certificate.names?.directory ?? [])]
}
