import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { NS, type Stanza } from '../../src/xmpp/index.ts'
import { RawStream } from './raw-stream.ts'

// What a LocalServer is told to be, and its streams both ways.

export interface LocalServerOptions {
  /** whom it serves */
  readonly domains: readonly string[]
  /** strict: STARTTLS and SASL EXTERNAL only */
  readonly tls?: SecureContext
  readonly bidi?: boolean
  /** answers without version and features, as jabberd2 */
  readonly isOld?: boolean
  /** whether it answers pings to its domains; default true */
  readonly answersPings?: boolean
  /** what it says when it is asked about a key, in place of the truth; null: nothing */
  readonly says?: (asked: Asked) => string | null | Promise<string | null>
  /** what it does when it is asked for stream management; default: nothing, as ejabberd */
  readonly management?: 'takes' | 'ends'
  /** what it does with a stream instead */
  readonly onStream?: (stream: ServerSide) => void
  /** default: a free one */
  readonly port?: number
}

/** A question about a key, as it stands there. */
export interface Asked {
  readonly from: string
  readonly to: string
  readonly id: string
  readonly isOwn: boolean
}

/** A stream that has been opened to it. */
export class ServerSide extends RawStream {
  readonly id = randomBytes(8).toString('hex')
  /** of the last header */
  local = ''
  remote = ''
  isSecure = false
  isAuthenticated = false
  isBidi = false
  /** keys were asked about on it */
  asked = 0
}

/** A stream that it has opened. */
export class ClientSide extends RawStream {
  /** that the other side gave it */
  id = ''
  readonly from: string
  readonly to: string

  constructor(socket: Socket, from: string, to: string) {
    super(socket)
    this.from = from
    this.to = to
  }
}

/** what it offers on a stream, as far as that has come */
export function featuresOf(
  { tls, bidi = false }: LocalServerOptions,
  { isSecure, isAuthenticated }: ServerSide,
): string {
  const ready = tls === undefined || isSecure
  const offered = [
    ready ? '' : `<starttls xmlns='${NS.tls}'><required/></starttls>`,
    tls !== undefined && ready && !isAuthenticated
      ? `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`
      : '',
    tls === undefined ? `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>` : '',
    bidi && ready && !isAuthenticated ? `<bidi xmlns='${NS.bidiFeature}'/>` : '',
  ]
  return `<stream:features>${offered.join('')}</stream:features>`
}

/** a ping by which the host asks whether what came before it has been read */
export function isBarrier({ kind, id }: Stanza): boolean {
  return kind === 'iq' && id.startsWith('isthmus-read-')
}
