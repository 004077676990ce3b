import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  encode,
  RECURSION_AVAILABLE,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import type { Query } from './query.ts'

/** RFC 1035 §4.1.1, RFC 6891 §9 */
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const
export type Rcode = (typeof RCODE)[keyof typeof RCODE]

/** How a question came, and its answer goes. */
export type Via = 'udp' | 'tcp'

export interface Contents {
  readonly rcode: Rcode
  readonly answers?: readonly Answer[]
  readonly authorities?: readonly Answer[]
}

/** Our answer to `query`: its question as it came, OPT where it had one, cut where it would not fit (TC). */
export function answerTo(query: Query, via: Via, contents: Contents): Buffer {
  const whole = compose(query, contents, 0)
  if (via === 'tcp' || whole.length <= Math.max(PLAIN_UDP_BYTES, query.edns?.udpBytes ?? 0)) return whole
  return compose(query, { rcode: contents.rcode }, TRUNCATED_RESPONSE)
}

/** An answer to what has no question that could be repeated. */
export function headOnly(message: Buffer, rcode: Rcode): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(RESPONSE | RECURSION_AVAILABLE | (message.readUInt16BE(2) & KEPT_WITH_OPCODE) | rcode, 2)
  return head
}

function compose(query: Query, { rcode, answers, authorities }: Contents, more: number): Buffer {
  const { message, questionEnd } = query
  const kept = message.readUInt16BE(2) & KEPT
  // What we know ourselves has authority; a failure to find out has none.
  const authority = rcode === RCODE.noError || rcode === RCODE.nameError ? AUTHORITATIVE_ANSWER : 0
  const records = encode({
    type: 'response',
    id: message.readUInt16BE(0),
    flags: kept | RECURSION_AVAILABLE | authority | more | (rcode & 0xf),
    answers: [...(answers ?? [])],
    authorities: [...(authorities ?? [])],
    additionals: query.edns === null ? [] : [opt(query.edns.dnssec, rcode)],
  })
  records.writeUInt16BE(1, 4)
  const question = message.subarray(HEAD_BYTES, questionEnd)
  return Buffer.concat([records.subarray(0, HEAD_BYTES), question, records.subarray(HEAD_BYTES)])
}

function opt(dnssec: boolean, rcode: Rcode): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: EDNS_UDP_BYTES,
    extendedRcode: rcode >> 4,
    ednsVersion: 0,
    flags: dnssec ? DNSSEC_OK : 0,
    flag_do: dnssec,
    options: [],
  }
}

const HEAD_BYTES = 12
const RESPONSE = 0x8000
/** recursion desired, checking disabled */
const KEPT = 0x0110
const KEPT_WITH_OPCODE = 0x7800 | KEPT
const DNSSEC_OK = 0x8000
/** RFC 1035 §2.3.4 */
const PLAIN_UDP_BYTES = 512
/** what we take: DNS Flag Day 2020 */
const EDNS_UDP_BYTES = 1232
