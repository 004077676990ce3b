import { createServer } from 'node:https'
import { type AddressInfo, Socket } from 'node:net'
import { afterAll, expect } from 'vitest'
import { systemClock } from '../../../src/base/system.ts'
import {
  createTlsContext,
  dialWebSocket,
  type TransportHandler,
  webSocketAcceptor,
} from '../../../src/transport/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { complianceLimits, transportCompliance } from '../../kit/transport-compliance.ts'

const authority = testAuthority()
const server = authority.issue({ dns: ['montague.example'] })
const client = authority.issue({ dns: ['capulet.example'] })
const contextOf = (certificate: typeof server) =>
  createTlsContext({
    identity: { certificate: certificate.certificatePem, key: certificate.keyPem },
    ca: [authority.caPem],
  })
const clientContext = contextOf(client)

const https = createServer({
  cert: server.certificatePem,
  key: server.keyPem,
  requestCert: true,
  rejectUnauthorized: false,
})
const accept = webSocketAcceptor(complianceLimits, systemClock)
const sockets = new Set<Socket>()
let receiver: (handler: { attach(handler: TransportHandler): void } | null) => void = () => {}
https.on('connection', socket => {
  if (socket instanceof Socket) sockets.add(socket)
})
https.on('upgrade', (request, socket, head) => receiver(accept(request, socket, head)))
await new Promise<void>(resolve => https.listen(0, '127.0.0.1', resolve))
const { port } = https.address() as AddressInfo
afterAll(() => {
  https.close()
  https.closeAllConnections()
})

transportCompliance({
  name: 'websocket',
  mode: 'message',
  pings: true,
  async connect(handlers) {
    const accepted = new Promise<ReturnType<typeof accept>>(resolve => {
      receiver = transport => {
        transport?.attach(handlers.receiving)
        resolve(transport as ReturnType<typeof accept>)
      }
    })
    const dialled = await dialWebSocket({
      url: 'wss://montague.example/s2s',
      address: '127.0.0.1',
      port,
      servername: 'montague.example',
      secureContext: clientContext,
      vet: () => null,
      limits: complianceLimits,
      clock: systemClock,
      signal: new AbortController().signal,
    })
    if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
    dialled.transport.attach(handlers.initiating)
    const receiving = await accepted
    if (receiving === null) throw new Error('no transport')
    expect(receiving.facts.tls?.chain.length).toBeGreaterThan(0)
    const initiating = dialled.transport
    initiating.setMaxMessageBytes(complianceLimits.stanzaBytes)
    receiving.setMaxMessageBytes(complianceLimits.stanzaBytes)
    const [socket] = [...sockets].slice(-1)
    return {
      initiating,
      receiving,
      reset: () => {
        if (socket !== undefined) socket.resetAndDestroy()
      },
      stop: async () => {
        initiating.abort()
        receiving.abort()
      },
    }
  },
})
