import type { Socket } from 'node:net'
import type { LocalFailure, NetworkFailure } from '../base/index.ts'
import { Dial, type DialOptions, type DialTlsOptions } from './dial.ts'

export type DialledTls<F> =
  | { readonly ok: true; readonly socket: Socket; readonly discard: () => void }
  | { readonly ok: false; readonly failure: F | NetworkFailure | LocalFailure }

/**
 * Connect, TLS, vet, within `limits.connectMs`, for a protocol that Node speaks (HTTP): nothing has been written or
 * read. Never rejects for what peer, network or caller do.
 */
export async function dialTls<F>(options: DialOptions & DialTlsOptions<F>): Promise<DialledTls<F>> {
  const dialled = await new Promise<Parameters<ConstructorParameters<typeof Dial<F, Socket>>[1]>[0]>(
    resolve => {
      const dial = new Dial<F, Socket>({ ...options, tls: options }, resolve, 'http', socket => {
        // Until the caller listens, an error has nobody else.
        socket.on('error', () => {})
        dial.done(socket)
      })
      dial.start()
    },
  )
  if (!dialled.ok) return dialled
  const socket = dialled.transport
  return { ok: true, socket, discard: () => socket.destroy() }
}
