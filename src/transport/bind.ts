import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect, type ListenOptions, type Server } from 'node:net'

/** Listen; rejects with the system's error where that cannot be. @returns the port; 0 for a path */
export function bind(server: Server, where: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      // E.g. no descriptors left: the kernel keeps the connection for later.
      server.on('error', () => {})
      const bound = server.address()
      resolve(bound === null || typeof bound === 'string' ? 0 : bound.port)
    })
  })
}

/**
 * The same for a unix socket. What a process that is gone has left there makes room.
 * @param mode who may connect; default: its owner alone
 */
export async function bindPath(server: Server, path: string, mode = 0o600): Promise<void> {
  await clearStale(path)
  await bind(server, { path })
  chmodSync(path, mode)
}

/** Rejects where somebody listens there; what is no socket is left for `listen` to fail on. */
async function clearStale(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return
  const refused = await new Promise<boolean>(resolve => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolve(false)
    })
    // Anything else, as no right to connect, does not mean that nobody answers.
    probe.once('error', error => resolve(codeOf(error) === 'ECONNREFUSED'))
  })
  if (refused) unlinkSync(path)
}

/** '' for none */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
