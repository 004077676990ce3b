import { once } from 'node:events'
import tls from 'node:tls'
import { defaultLimits } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import {
  acceptTcp,
  createTlsContext,
  dialTcp,
  type TlsFacts,
  tlsContextSettings,
} from '../../src/transport/index.ts'

// What src/transport says of a peer's certificates, in both roles, over real sockets.

export interface Presented {
  /** leaf first */
  readonly chainPem: string
  readonly keyPem: string
}

export interface TlsBench {
  /** As the receiving side: `client` dials us. null where the handshake itself failed. */
  asClient(client: Presented): Promise<TlsFacts | null>
  /** As the initiating side: we dial `server`. null where the handshake itself failed. */
  asServer(server: Presented): Promise<TlsFacts | null>
  close(): Promise<void>
}

/**
 * @param ours what we present
 * @param rootsPem trusted beside Node's own
 */
export async function tlsBench(ours: Presented, rootsPem: readonly string[]): Promise<TlsBench> {
  const identity = { certificate: ours.chainPem, key: ours.keyPem }
  const listener = tls.createServer({
    ...tlsContextSettings({ identity, ca: rootsPem }),
    requestCert: true,
    rejectUnauthorized: false,
  })
  const secureContext = createTlsContext({ identity: null, ca: rootsPem })
  const port = await listen(listener)
  return {
    async asClient(client) {
      const arrival = new Promise<TlsFacts | null>(resolve => {
        listener.once('secureConnection', socket => {
          const transport = acceptTcp(socket, defaultLimits, systemClock)
          resolve(transport.facts.tls)
          transport.abort()
        })
        listener.once('tlsClientError', () => resolve(null))
      })
      const socket = tls.connect({ host: '127.0.0.1', port, ...asAnyStrength(client) })
      socket.on('error', () => {})
      const facts = await arrival
      listener.removeAllListeners('secureConnection').removeAllListeners('tlsClientError')
      socket.destroy()
      return facts
    },
    async asServer(server) {
      const peer = tls.createServer(asAnyStrength(server))
      peer.on('tlsClientError', () => {})
      peer.on('secureConnection', socket => socket.on('error', () => {}))
      let seen: TlsFacts | null = null
      await dialTcp<'seen'>({
        ...{ address: '127.0.0.1', port: await listen(peer), limits: defaultLimits, clock: systemClock },
        signal: new AbortController().signal,
        tls: {
          servername: 'capulet.example',
          secureContext,
          vet(facts) {
            seen = facts
            return 'seen'
          },
        },
      })
      await new Promise(resolve => peer.close(resolve))
      return seen
    },
    close: () => new Promise(resolve => listener.close(() => resolve())),
  }
}

/** What a hostile peer would do: its own OpenSSL must not refuse to send what it has. */
function asAnyStrength({ chainPem, keyPem }: Presented): tls.TlsOptions & tls.ConnectionOptions {
  return { cert: chainPem, key: keyPem, ciphers: 'DEFAULT@SECLEVEL=0', rejectUnauthorized: false }
}

async function listen(listener: tls.Server): Promise<number> {
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
