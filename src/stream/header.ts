import type { OutgoingFrame, StreamHeader } from '../framing/index.ts'
import { type Domain, type Failure, notFederable, parseDomain } from '../xmpp/index.ts'
import type { DialbackSecret } from './dialback.ts'
import { violated } from './errors.ts'

/**
 * Our header. The language is that of the texts that we write (ST-09); version 1.0 is the one there is (ST-11), and
 * without it nobody expects features. `dialback` declares its prefix, which says that we speak it (WS-35).
 */
export function openFrame(
  header: Pick<StreamHeader, 'from' | 'to' | 'id'>,
  { dialback, legacy = false }: { readonly dialback: boolean; readonly legacy?: boolean },
): OutgoingFrame {
  return { type: 'open', header: { ...header, ...(legacy ? {} : { version: '1.0' }), lang: 'en', dialback } }
}

/**
 * ST-11 to ST-13: two integers, compared as such. Without a version, or below 1.0, there are no features and so nothing
 * to agree on; above it the peer has to cope with our 1.0.
 */
export function versionFault({ version }: StreamHeader): Failure | null {
  const major = /^(\d+)\.\d+$/.exec(version ?? '')?.[1]
  if (major !== undefined && Number(major) >= 1) return null
  const detail = version === undefined ? 'a stream without version' : 'a stream whose version is not 1.0'
  return violated('unsupported-version', 'ST-12', detail)
}

export interface JudgedHeader {
  /** null where it is none of ours */
  readonly to: Domain | null
  /** null where it names nobody */
  readonly from: Domain | null
  readonly fault: Failure | null
}

/** Which headers are taken. */
export interface HeaderPolicy {
  /** whether we speak for the domain */
  readonly isLocal: (domain: Domain) => boolean
  /** whom a stream is taken from; without it from every domain of the network that is not local */
  readonly admits?: (from: Domain) => boolean
  /** headers from before version 1.0, which may name nobody: where there is dialback, which is all they have */
  readonly legacy?: boolean
  readonly dialback?: DialbackSecret
}

/** What an initiating side's header asks for. A missing from is no fault (ST-05). */
export function judgeHeader(header: StreamHeader, policy: HeaderPolicy): JudgedHeader {
  const asked = header.to === undefined ? null : parseDomain(header.to)
  const from = header.from === undefined ? null : parseDomain(header.from)
  const to = asked !== null && policy.isLocal(asked) ? asked : null
  return { to, from, fault: headerFault(header, asked, to, from, policy) }
}

/** COMPAT(jabberd2): its headers have no version, and name nobody where one stream serves several pairs. */
export function isLegacy({ version }: StreamHeader, { legacy = false, dialback }: HeaderPolicy): boolean {
  return legacy && dialback !== undefined && version === undefined
}

/** Whether keys can be made of it: there is one, in one word (DB-01). */
export function isUsable(id: string | undefined): id is string {
  return id !== undefined && id !== '' && !/\s/.test(id)
}

function headerFault(
  header: StreamHeader,
  asked: Domain | null,
  to: Domain | null,
  from: Domain | null,
  policy: HeaderPolicy,
): Failure | null {
  const { isLocal, admits } = policy
  const isOld = isLegacy(header, policy)
  if (isOld && header.to === undefined) return null
  if (asked === null)
    return violated('improper-addressing', 'ST-05', 'a stream whose to is missing or no domain')
  if (to === null) return violated('host-unknown', 'SE-06', 'a stream to a domain that is not served here')
  const version = isOld ? null : versionFault(header)
  if (version !== null) return version
  if (from === null) {
    if (header.from === undefined || header.from === '') return null
    return violated('improper-addressing', 'ST-01', 'a stream whose from is no domain')
  }
  if (admits !== undefined) return admits(from) ? null : NOT_ADMITTED
  if (isLocal(from)) return violated('invalid-from', 'SE-09', 'a stream from one of our own domains')
  const kind = notFederable(from)
  return kind === null
    ? null
    : { by: 'us', kind: 'policy', detail: `no stream is taken from a ${NAMES[kind]}` }
}

const NOT_ADMITTED = violated('invalid-from', 'SE-09', 'a stream from a domain that is not expected here')

/** DECISIONS 26. */
const NAMES = {
  'single-label': 'single label',
  'ip-literal': 'network address',
  'special-use': 'special-use domain',
} as const
