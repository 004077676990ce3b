import { decode, encode } from 'dns-packet'
import type { Limits } from '../base/index.ts'
import { headOnly, RCODE, type Rcode } from './message.ts'

/** A question as it came, and what of it can be understood. */
export interface Query {
  /** the whole message; not ours to change */
  readonly message: Buffer
  /** where its question section ends */
  readonly questionEnd: number
  /** null: no question that a host name of class IN could be part of; only to be forwarded */
  readonly asked: { readonly name: string; readonly type: string } | null
  /** RFC 6891; null: the asker did not say that it knows EDNS */
  readonly edns: Edns | null
}

export interface Edns {
  /** the largest answer that it takes over UDP */
  readonly udpBytes: number
  readonly version: number
  /** it asks for DNSSEC records (DO) */
  readonly dnssec: boolean
}

export type ReadQuery =
  | { readonly ok: true; readonly query: Query }
  /** what is wrong has this answer; null: none, as it asks nothing */
  | { readonly ok: false; readonly answer: Buffer | null }

/** Never throws. The cost is bounded by `steeringQueryBytes`. */
export function readQuery(message: Buffer, limits: Pick<Limits, 'steeringQueryBytes'>): ReadQuery {
  if (message.length < HEAD_BYTES) return { ok: false, answer: null }
  const flags = message.readUInt16BE(2)
  // To answer an answer is how two responders talk for ever.
  if ((flags & RESPONSE) !== 0) return { ok: false, answer: null }
  if ((flags & OPCODE) !== 0) return refused(message, RCODE.notImplemented)
  if (message.length > limits.steeringQueryBytes) return refused(message, RCODE.formatError)
  // RFC 9619: exactly one.
  if (message.readUInt16BE(4) !== 1) return refused(message, RCODE.formatError)
  const question = readQuestion(message)
  if (question === null) return refused(message, RCODE.formatError)
  const { end, asked } = question
  return { ok: true, query: { message, questionEnd: end, asked, edns: readEdns(message, end) } }
}

const HEAD_BYTES = 12
const RESPONSE = 0x8000
const OPCODE = 0x7800

function refused(message: Buffer, rcode: Rcode): ReadQuery {
  return { ok: false, answer: headOnly(message, rcode) }
}

function readQuestion(message: Buffer): { readonly end: number; readonly asked: Query['asked'] } | null {
  try {
    // The other sections are no business of ours: an odd record in them must not cost the question.
    const { questions } = decode(Buffer.concat([ONE_QUESTION, message.subarray(HEAD_BYTES)]))
    const end = decode.bytes
    const [question] = questions ?? []
    if (question === undefined || isCompressed(message, end)) return null
    // Text is not all that a label may hold: a dot inside, or bytes that are no UTF-8. What does not come out as it went in
    // is another name than its text says.
    const again = encode({ questions: [question] }).subarray(HEAD_BYTES)
    const faithful = question.class === 'IN' && again.equals(message.subarray(HEAD_BYTES, end))
    return { end, asked: faithful ? { name: question.name.toLowerCase(), type: question.type } : null }
  } catch {
    return null
  }
}

/** Nothing stands before the first name that it could point to, but the head, where we change the id. */
function isCompressed(message: Buffer, end: number): boolean {
  let at = HEAD_BYTES
  for (let size = message[at] ?? 0; size > 0; size = message[at] ?? 0) {
    if (size > LABEL_BYTES) return true
    at += 1 + size
  }
  return at + 1 + TYPE_AND_CLASS_BYTES !== end
}

const LABEL_BYTES = 63
const TYPE_AND_CLASS_BYTES = 4
const ONE_QUESTION = Buffer.from([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])

/** The OPT record, where it comes first, as all send it: root, type, class, TTL. */
function readEdns(message: Buffer, at: number): Edns | null {
  const others = message.readUInt32BE(6)
  if (others !== 0 || message.readUInt16BE(10) === 0 || message.length < at + OPT_BYTES) return null
  if (message[at] !== 0 || message.readUInt16BE(at + 1) !== OPT) return null
  return {
    udpBytes: message.readUInt16BE(at + 3),
    version: message.readUInt8(at + 6),
    dnssec: (message.readUInt16BE(at + 7) & DNSSEC_OK) !== 0,
  }
}

const OPT = 41
const OPT_BYTES = 11
const DNSSEC_OK = 0x8000
