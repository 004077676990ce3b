import type { Socket } from 'node:net'
import type { Clock, Limits } from '../base/index.ts'

/** What a peer that has connected says first. */
export type FirstByte = 'text' | 'tls' | 'nothing'

/**
 * Wait for the first byte of a connection and leave it to be read again. `nothing`: the peer ended, or said nothing
 * within `limits.openMs`.
 */
export function firstByte(
  socket: Socket,
  limits: Pick<Limits, 'openMs'>,
  clock: Clock,
  tell: (first: FirstByte) => void,
): void {
  const settle = (first: FirstByte): void => {
    timer.cancel()
    socket.off('data', onData)
    socket.off('close', onClose)
    tell(first)
  }
  const onData = (chunk: Buffer): void => {
    socket.pause()
    socket.unshift(chunk)
    settle(chunk[0] === TLS_HANDSHAKE ? 'tls' : 'text')
  }
  const onClose = (): void => settle('nothing')
  const timer = clock.setTimer(limits.openMs, () => settle('nothing'))
  socket.on('close', onClose)
  socket.on('data', onData)
  socket.resume()
}

/** The content type of the record that a ClientHello comes in (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16

/** An end in order: what still comes is read and thrown away, because unread bytes would make it a reset. */
export function endInOrder(socket: Socket, limits: Pick<Limits, 'closeMs'>, clock: Clock): void {
  if (socket.destroyed) return
  const timer = clock.setTimer(limits.closeMs, () => socket.destroy())
  socket.on('close', () => timer.cancel())
  socket.end()
  socket.resume()
}
