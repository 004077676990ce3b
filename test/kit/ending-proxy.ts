import { connect } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { TestCertificate } from './authority.ts'

/** A proxy that ends TLS, as platforms have one: writes header fields into each request and passes on all else. */
export interface EndingProxy {
  readonly port: number
  /** where it passes on to */
  target: number | null
  close(): Promise<void>
}

/**
 * @param lines header fields that it writes for a client; a client's own of these names are taken out
 */
export async function endingProxy(
  certificate: TestCertificate,
  lines: (client: TLSSocket) => readonly (readonly [name: string, value: string])[],
): Promise<EndingProxy> {
  let target: number | null = null
  const sockets = new Set<TLSSocket>()
  const server = createServer(
    {
      ...certificate.secureContextOptions,
      requestCert: true,
      rejectUnauthorized: false,
    },
    client => {
      sockets.add(client)
      const fields = lines(client)
      client.on('close', () => sockets.delete(client)).on('error', () => {})
      if (target === null) {
        client.destroy()
        return
      }
      const behind = connect(target, '127.0.0.1')
      behind.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.on('close', () => behind.destroy())
      let head = Buffer.alloc(0)
      client.on('data', function onHead(chunk: Buffer) {
        head = Buffer.concat([head, chunk])
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        client.off('data', onHead)
        behind.write(withFields(head.subarray(0, end).toString('latin1'), fields), 'latin1')
        behind.write(head.subarray(end + 4))
        client.pipe(behind)
      })
      behind.pipe(client)
    },
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  return {
    port: bound.port,
    get target() {
      return target
    },
    set target(port) {
      target = port
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

function withFields(head: string, fields: readonly (readonly [name: string, value: string])[]): string {
  const names = fields.map(([name]) => name.toLowerCase())
  const kept = head
    .split('\r\n')
    .filter(line => !names.some(name => line.toLowerCase().startsWith(`${name}:`)))
  return [...kept, ...fields.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}
