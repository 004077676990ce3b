import type { OutgoingFrame, StreamHeader } from '../framing/index.ts'
import { type Domain, type Failure, notFederable, parseDomain } from '../xmpp/index.ts'
import { violated } from './errors.ts'

/** Our header. The language is that of the texts that we write (ST-09); version 1.0 is the one there is (ST-11). */
export function openFrame(header: Pick<StreamHeader, 'from' | 'to' | 'id'>): OutgoingFrame {
  return { type: 'open', header: { ...header, version: '1.0', lang: 'en', dialback: false } }
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

/** What an initiating side's header asks for. A missing from is no fault (ST-05). */
export function judgeHeader(header: StreamHeader, isLocal: (domain: Domain) => boolean): JudgedHeader {
  const asked = header.to === undefined ? null : parseDomain(header.to)
  const from = header.from === undefined ? null : parseDomain(header.from)
  const to = asked !== null && isLocal(asked) ? asked : null
  return { to, from, fault: headerFault(header, asked, to, from, isLocal) }
}

function headerFault(
  header: StreamHeader,
  asked: Domain | null,
  to: Domain | null,
  from: Domain | null,
  isLocal: (domain: Domain) => boolean,
): Failure | null {
  if (asked === null)
    return violated('improper-addressing', 'ST-05', 'a stream whose to is missing or no domain')
  if (to === null) return violated('host-unknown', 'SE-06', 'a stream to a domain that is not served here')
  const version = versionFault(header)
  if (version !== null) return version
  if (from === null) {
    if (header.from === undefined || header.from === '') return null
    return violated('improper-addressing', 'ST-01', 'a stream whose from is no domain')
  }
  if (isLocal(from)) return violated('invalid-from', 'SE-09', 'a stream from one of our own domains')
  const kind = notFederable(from)
  return kind === null
    ? null
    : { by: 'us', kind: 'policy', detail: `no stream is taken from a ${NAMES[kind]}` }
}

/** DECISIONS 26. */
const NAMES = {
  'single-label': 'single label',
  'ip-literal': 'network address',
  'special-use': 'special-use domain',
} as const
