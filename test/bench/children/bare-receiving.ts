import { createServer } from 'node:https'
import { type RawData, WebSocketServer } from 'ws'
import { tlsContextSettings } from '../../../src/transport/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { Countdown } from '../countdown.ts'

// The wire alone: a WebSocket of `ws` over the same TLS, which counts messages and looks into none.

const messages = new Countdown()

const calls = {
  /** @returns the port */
  start(identity: Identity): Promise<number> {
    const server = createServer({
      ...tlsContextSettings({ identity, ca: [identity.ca] }),
      requestCert: true,
      rejectUnauthorized: false,
    })
    const sockets = new WebSocketServer({ server, perMessageDeflate: false })
    sockets.on('connection', socket => {
      socket.on('message', (data: RawData) => {
        if (data instanceof Uint8Array && data.length > 0) messages.one()
      })
    })
    return new Promise(resolve => {
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address()
        resolve(bound === null || typeof bound === 'string' ? 0 : bound.port)
      })
    })
  },

  stanzas: (count: number): Promise<void> => messages.wait(count),
}

export type BareReceiving = typeof calls

answer(calls)
