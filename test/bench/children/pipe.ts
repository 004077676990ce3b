import { connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import { connect, createServer } from 'node:tls'
import { tlsContextSettings } from '../../../src/transport/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { listening } from '../relay/listening.ts'
import { FAR } from '../relay/pieces.ts'

// The sockets of the gateway alone: TCP on one side, TLS on the other, and bytes copied between them both ways as Node
// does it best. No WebSocket, no XML.

function join(one: Socket, other: Socket): void {
  for (const socket of [one, other]) socket.setNoDelay().on('error', () => {})
  one.pipe(other).pipe(one)
}

const calls = {
  /**
   * @param to what accepts TCP there, and what accepts TLS
   * @returns where this does
   */
  async start(options: {
    identity: Identity
    to: { tcp: number; tls: number }
  }): Promise<{ tcp: number; tls: number }> {
    const { identity, to } = options
    const settings = {
      ...tlsContextSettings({ identity, ca: [identity.ca] }),
      requestCert: true,
      rejectUnauthorized: false,
    }
    const host = '127.0.0.1'
    const outward = createTcpServer(socket =>
      join(socket, connect({ ...settings, host, port: to.tls, servername: FAR })),
    )
    const inward = createServer(settings, socket => join(socket, connectTcp(to.tcp, host)))
    return { tcp: await listening(outward), tls: await listening(inward) }
  },
}

export type Pipe = typeof calls

answer(calls)
