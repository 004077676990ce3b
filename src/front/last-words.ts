import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock, Limits } from '../base/index.ts'
import { type Answer, refuse } from './request.ts'

/** Answer on a bare socket, and let go of it: a tunnel through a proxy must not stay open (WS-06). */
export function lastWords(
  socket: Duplex,
  answer: Answer,
  clock: Clock,
  { closeMs }: Pick<Limits, 'closeMs'>,
): void {
  socket.on('error', () => {})
  const timer = clock.setTimer(closeMs, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  // Read on: a reset for unread bytes would overtake the answer.
  socket.resume()
  socket.end(render(answer))
}

/** null: no answer is due, because the peer has left or TLS has failed, which is told elsewhere */
export function clientErrorAnswer(code: string): Answer | null {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return refuse(408, 'the request head took too long')
    case 'HPE_HEADER_OVERFLOW':
      return refuse(431, 'the request head is too long')
    case 'HPE_INVALID_EOF_STATE':
      return null
    default:
      return code.startsWith('HPE_') ? refuse(400, 'this is no HTTP request') : null
  }
}

function render({ status, headers, body }: Answer): string {
  const all = { ...headers, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
