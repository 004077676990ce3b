import type { Server } from 'node:net'

/** Listen on a free port of loopback, which is returned. */
export function listening(server: Server): Promise<number> {
  return new Promise(resolve => {
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address()
      resolve(bound === null || typeof bound === 'string' ? 0 : bound.port)
    })
  })
}
