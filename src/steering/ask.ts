import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import type { Ask, Asked } from './forward.ts'
import { forTcp, TCP_MESSAGE_BYTES, TcpMessages } from './tcp-messages.ts'

/**
 * A socket, and so a port, of its own for each question. It is connected: the kernel lets in nothing that comes from
 * elsewhere, and tells when nobody is there.
 */
export const askUdp: Ask = ({ address, port }, message, isAnswer, done) => {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  const { settle, giveUp } = once(done, () => socket.close())
  socket.on('connect', () => socket.send(message))
  // A wrong answer is somebody's guess: the right one may still come.
  socket.on('message', answer => {
    if (isAnswer(answer)) settle({ ok: true, message: answer })
  })
  socket.on('error', error => settle(failed(error)))
  try {
    socket.connect(port, address)
  } catch (error) {
    // E.g. no descriptor left.
    setImmediate(settle, failed(error))
  }
  return giveUp
}

export const askTcp: Ask = ({ address, port }, message, isAnswer, done) => {
  const socket = connect({ host: address, port })
  const { settle, giveUp } = once(done, () => socket.destroy())
  const messages = new TcpMessages(TCP_MESSAGE_BYTES)
  socket.on('connect', () => socket.write(forTcp(message)))
  socket.on('data', chunk => {
    const answer = messages.read(chunk)?.message ?? null
    if (answer === null) return
    settle(isAnswer(answer) ? { ok: true, message: answer } : { ok: false, detail: 'answers something else' })
  })
  socket.on('error', error => settle(failed(error)))
  socket.on('close', () => settle({ ok: false, detail: 'ended the connection without an answer' }))
  return giveUp
}

function once(done: (result: Asked) => void, close: () => void) {
  let over = false
  const giveUp = () => {
    if (over) return
    over = true
    close()
  }
  const settle = (result: Asked) => {
    if (over) return
    giveUp()
    done(result)
  }
  return { settle, giveUp }
}

function failed(error: unknown): Asked {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  return { ok: false, detail: `cannot be asked (${code})` }
}
