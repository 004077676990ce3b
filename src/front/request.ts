import type { IncomingMessage } from 'node:http'
import type { Limits } from '../base/index.ts'

/** An answer that is whole as it stands. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** for the log, where the request is refused rather than answered; null else */
  readonly refused: string | null
}

export function refuse(
  status: number,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  return { status, headers: { 'Content-Type': TEXT, ...headers }, body: `${detail}\n`, refused: detail }
}

/** An answer of the well-behaved kind: nothing to log. */
export function plain(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'Content-Type': TEXT, ...headers }, body: `${text}\n`, refused: null }
}

const TEXT = 'text/plain; charset=utf-8'

/**
 * What every request must be, before anybody looks at what it asks for. Node's parser has taken it; this is what Node
 * leaves to us.
 */
export function judgeForm(request: IncomingMessage, limits: Pick<Limits, 'httpHeaderFields'>): Answer | null {
  const { rawHeaders, url = '', httpVersion } = request
  if (rawHeaders.length / 2 > limits.httpHeaderFields) return refuse(431, 'too many header fields')
  if (count(rawHeaders, 'host') !== 1) return refuse(400, 'exactly one Host header is needed')
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return refuse(505, 'HTTP/1.1 is spoken here')
  // Absolute, authority and asterisk form ask for a proxy of another kind. `//host` is one to some.
  if (!url.startsWith('/') || url.startsWith('//')) return refuse(400, 'the request target must be a path')
  return null
}

/** None of our own routes takes a body, so there is none that two parsers could end in two places. */
export function judgeNoBody({ headers }: IncomingMessage): Answer | null {
  const length = headers['content-length']
  if (headers['transfer-encoding'] !== undefined || (length !== undefined && !/^0+$/.test(length))) {
    return refuse(400, 'no request body is taken here')
  }
  return null
}

/** The upgrade to XMPP over WebSocket (RFC 6455 §4.2.1, RFC 7395 §3.1). null: go on. */
export function judgeUpgrade(request: IncomingMessage): Answer | null {
  const { headers, rawHeaders, method, httpVersion } = request
  if (method !== 'GET') return refuse(405, 'an upgrade is a GET', { Allow: 'GET' })
  if (httpVersion !== '1.1') return refuse(400, 'an upgrade needs HTTP/1.1')
  if (headers.upgrade?.trim().toLowerCase() !== 'websocket') return refuse(400, 'no upgrade but to websocket')
  if (headers['sec-websocket-version'] !== '13') {
    return refuse(426, 'WebSocket version 13 is spoken here', { 'Sec-WebSocket-Version': '13' }) // WS-06
  }
  const key = headers['sec-websocket-key']
  if (key === undefined || !KEY.test(key) || count(rawHeaders, 'sec-websocket-key') !== 1) {
    return refuse(400, 'Sec-WebSocket-Key must be 16 bytes in base64')
  }
  const offered = tokens(headers['sec-websocket-protocol'])
  if (offered === null) return refuse(400, 'Sec-WebSocket-Protocol is malformed')
  if (!offered.has('xmpp')) return refuse(400, 'the WebSocket subprotocol xmpp must be offered') // WS-05
  return null
}

/** 16 bytes; the last character before `==` carries two bits. */
const KEY = /^[+/0-9A-Za-z]{21}[AQgw]==$/
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** null: malformed, repetitions included */
function tokens(value: string | undefined): ReadonlySet<string> | null {
  if (value === undefined) return new Set()
  const list = value.split(',').map(token => token.trim())
  const set = new Set(list)
  return set.size === list.length && list.every(token => TOKEN.test(token)) ? set : null
}

function count(rawHeaders: readonly string[], name: string): number {
  let found = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) found += 1
  }
  return found
}
