import { type AddressInfo, createServer, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/system.ts'
import { acceptTcp, createTlsContext, dialTcp, type Transport } from '../../../src/transport/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { complianceLimits, transportCompliance } from '../../kit/transport-compliance.ts'

const authority = testAuthority()
const server = authority.issue({ dns: ['montague.example'] })
const secureContext = createTlsContext({ identity: null, ca: [authority.caPem] })

const listeners = {
  tcp: createServer(),
  'tcp over TLS': createTlsServer({ cert: server.certificatePem, key: server.keyPem }),
}
for (const listener of Object.values(listeners)) {
  await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
}
afterAll(() => {
  for (const listener of Object.values(listeners)) listener.close()
})
const portOf = (name: keyof typeof listeners) => (listeners[name].address() as AddressInfo).port
const dialOptions = (port: number) => ({
  address: '127.0.0.1',
  port,
  limits: complianceLimits,
  clock: systemClock,
  signal: new AbortController().signal,
})

for (const name of ['tcp', 'tcp over TLS'] as const) {
  const listener = listeners[name]
  transportCompliance({
    name,
    mode: 'chunk',
    pings: false,
    // A TLS socket of Node shows a missing close_notify as an orderly end.
    tellsAborts: name === 'tcp',
    async connect(handlers) {
      let raw: Socket | null = null
      listener.once('connection', socket => {
        if (socket instanceof Socket) raw = socket
      })
      const accepted = new Promise<Transport>(resolve => {
        listener.once(name === 'tcp' ? 'connection' : 'secureConnection', (socket: Socket) => {
          const transport = acceptTcp(socket, complianceLimits, systemClock)
          transport.attach(handlers.receiving)
          resolve(transport)
        })
      })
      const dialled = await dialTcp({
        ...dialOptions(portOf(name)),
        tls: name === 'tcp' ? null : { servername: 'montague.example', secureContext, vet: () => null },
      })
      if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
      const initiating = dialled.transport
      initiating.attach(handlers.initiating)
      const receiving = await accepted
      return {
        initiating,
        receiving,
        reset: () => raw?.resetAndDestroy(),
        stop: async () => {
          initiating.abort()
          receiving.abort()
        },
      }
    },
  })
}

it('reports what TLS said', async () => {
  const seen: unknown[] = []
  const dialled = await dialTcp({
    ...dialOptions(portOf('tcp over TLS')),
    tls: {
      servername: 'montague.example',
      secureContext,
      vet: tls => {
        seen.push({ nodeVerdict: tls.nodeVerdict, servername: tls.servername, chain: tls.chain.length })
        return { by: 'test' as const }
      },
    },
  })
  expect(seen).toEqual([{ nodeVerdict: 'authorized', servername: 'montague.example', chain: 2 }])
  expect(dialled).toEqual({ ok: false, failure: { by: 'test' } })
})
