import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import type { Clock, Limits, NetworkFailure } from '../base/index.ts'
import { Dial, type Dialled, type DialOptions, type DialTlsOptions } from './dial.ts'
import type { TlsFacts } from './transport.ts'
import { type WebSocketLimits, WebSocketTransport, webSocketSettings } from './websocket.ts'

export type DialWebSocketLimits = WebSocketLimits &
  DialOptions['limits'] &
  Pick<Limits, 'upgradeResponseBytes'>

export interface DialWebSocketOptions<F> extends DialOptions, DialTlsOptions<F> {
  /** wss URL: path and Host header come from it (WS-10), nothing else */
  readonly url: string
  readonly limits: DialWebSocketLimits
  /** WS-11: none unless given */
  readonly origin?: string
}

/** Connect, TLS, vet, upgrade, all within `limits.connectMs`. Never rejects for what peer, network or caller do. */
export function dialWebSocket<F>(options: DialWebSocketOptions<F>): Promise<Dialled<F>> {
  if (!options.url.startsWith('wss:')) throw new TypeError('only wss is dialled') // WS-01
  return new Promise(resolve => {
    const dial = new Dial({ ...options, tls: options }, resolve, 'http', (socket, tls) =>
      upgrade(options, dial, socket, tls),
    )
    dial.start()
  })
}

function upgrade<F>(
  options: DialWebSocketOptions<F>,
  dial: Dial<F>,
  socket: Socket,
  tls: TlsFacts | null,
): void {
  const { url, limits, clock, origin } = options
  const settings = {
    ...webSocketSettings(limits),
    ...(origin === undefined ? {} : { origin }),
    followRedirects: false, // WS-09
    maxHeaderSize: limits.upgradeResponseBytes,
    createConnection: () => socket,
  }
  const ws = new WebSocket(url, 'xmpp', settings) // WS-02
  let answerBytes = 0
  // Interim answers (1xx) would otherwise be free.
  const count = (chunk: Uint8Array) => {
    answerBytes += chunk.length
    if (answerBytes > limits.upgradeResponseBytes) dial.fail(TOO_LONG)
  }
  socket.on('data', count)
  ws.on('error', dial.onError)
  ws.once('unexpected-response', (_request: ClientRequest, response: IncomingMessage) =>
    dial.fail(refusal(response, clock)),
  )
  ws.once('open', () => {
    socket.off('data', count)
    if (dial.settled) {
      ws.terminate()
      return
    }
    const facts = {
      kind: 'websocket',
      remoteAddress: options.address,
      remotePort: options.port,
      tls,
    } as const
    const transport = new WebSocketTransport({ ws, socket, facts, limits, clock, role: 'client' })
    ws.off('error', dial.onError)
    dial.step('upgraded')
    dial.done(transport)
  })
}

const TOO_LONG: NetworkFailure = {
  by: 'network',
  kind: 'http',
  detail: 'the answer to the WebSocket upgrade is too long',
}

/** WS-09: any answer but 101 is a failed candidate; redirects are not followed. */
function refusal(response: IncomingMessage, clock: Clock): NetworkFailure {
  const status = response.statusCode ?? 0
  const retryAfterMs = retryAfter(response.headers['retry-after'], clock)
  return {
    by: 'network',
    kind: 'http',
    detail: `the WebSocket upgrade was answered with HTTP ${status}`,
    status,
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  }
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3); null where absent or unreadable. */
function retryAfter(value: string | undefined, clock: Clock): number | null {
  if (value === undefined) return null
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const date = Date.parse(value)
  return Number.isNaN(date) ? null : Math.max(0, date - clock.wallMs())
}
