import { connect, type TLSSocket } from 'node:tls'
import { createTlsContext } from '../../../src/transport/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'

// Handshakes alone. Connections stay open until `close`, as streams do.

const open = new Set<TLSSocket>()

const calls = {
  /** So many handshakes, so many at a time. */
  async open(options: {
    identity: Identity
    port: number
    count: number
    concurrency: number
  }): Promise<void> {
    const { identity, port, count, concurrency } = options
    const secureContext = createTlsContext({ identity, ca: [identity.ca] })
    let begun = 0
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect({
          host: '127.0.0.1',
          port,
          servername: 'montague.example',
          secureContext,
          rejectUnauthorized: false,
        })
        open.add(socket)
        socket.once('secureConnect', resolve)
        socket.once('error', reject)
      })
    const lane = async () => {
      while (begun < count) {
        begun += 1
        await one()
      }
    }
    await Promise.all(Array.from({ length: concurrency }, lane))
  },

  close(): void {
    for (const socket of open) socket.destroy()
    open.clear()
  },
}

export type TlsInitiating = typeof calls

answer(calls)
