import { createServer, type TLSSocket } from 'node:tls'
import { tlsContextSettings } from '../../../src/transport/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { Countdown } from '../countdown.ts'

// Handshakes alone: mutual TLS with the settings of our listener, and nothing after it.

const handshakes = new Countdown()

const calls = {
  /** @returns the port */
  start(identity: Identity): Promise<number> {
    const server = createServer(
      {
        ...tlsContextSettings({ identity, ca: [identity.ca] }),
        requestCert: true,
        rejectUnauthorized: false,
      },
      (socket: TLSSocket) => {
        if (socket.getPeerX509Certificate() !== undefined) handshakes.one()
        socket.on('error', () => {})
      },
    )
    return new Promise(resolve => {
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address()
        resolve(bound === null || typeof bound === 'string' ? 0 : bound.port)
      })
    })
  },

  streams: (count: number): Promise<void> => handshakes.wait(count),
}

export type TlsReceiving = typeof calls

answer(calls)
