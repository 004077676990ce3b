import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'

/** What the place of the socket depends on beside the configuration. */
export interface AdminUser {
  readonly uid: number
  readonly home: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/**
 * Where the admin socket of a configuration may be, the best place first (DECISIONS 30). The gateway takes the first
 * that it can use; the command looks at all, because a service's environment is not its caller's.
 */
export function adminSocketPaths(config: { path: string; socket: string | null }, user: AdminUser): string[] {
  if (config.socket === 'off') return []
  if (config.socket !== null) return [config.socket]
  const name = `${createHash('sha256').update(realPath(config.path)).digest('hex').slice(0, 16)}.sock`
  const { RUNTIME_DIRECTORY, XDG_RUNTIME_DIR, XDG_STATE_HOME } = user.environment
  const folders = [
    // systemd may name several, separated by colons
    absolute(RUNTIME_DIRECTORY?.split(':')[0], 'admin'),
    '/run/isthmus/admin',
    absolute(XDG_RUNTIME_DIR, 'isthmus'),
    absolute(XDG_STATE_HOME, 'isthmus') ?? absolute(user.home, '.local/state/isthmus'),
  ]
  return [...new Set(folders.flatMap(folder => (folder === null ? [] : [join(folder, name)])))].filter(
    path => Buffer.byteLength(path) <= SOCKET_PATH_BYTES,
  )
}

/**
 * Make the folder of a socket ours alone.
 * @returns null, or why a socket in it would not be safe
 */
export function prepareFolder(socket: string, user: AdminUser): string | null {
  const folder = dirname(socket)
  try {
    mkdirSync(folder, { mode: 0o700, recursive: true })
  } catch {
    return `${folder} cannot be made`
  }
  const stats = statsOf(folder)
  if (stats === null || !stats.isDirectory()) return `${folder} is not a directory`
  if (stats.uid !== user.uid) return `${folder} belongs to somebody else`
  if ((stats.mode & 0o077) !== 0) return `${folder} is open to others (chmod 700)`
  return null
}

/** Whether what stands at `socket` was put there by this user, or by root. */
export function isTrustedSocket(socket: string, user: AdminUser): boolean {
  const stats = statsOf(socket)
  const folder = statsOf(dirname(socket))
  if (stats === null || folder === null || !stats.isSocket()) return false
  const trusted = (owner: number) => owner === user.uid || owner === 0 || user.uid === 0
  return trusted(stats.uid) && trusted(folder.uid) && (folder.mode & 0o022) === 0
}

export function currentUser(environment: AdminUser['environment'], home: string): AdminUser {
  return { uid: process.getuid?.() ?? 0, home, environment }
}

// sun_path is 108 bytes on Linux and 104 on others, its final zero included.
const SOCKET_PATH_BYTES = 103

function absolute(folder: string | undefined, name: string): string | null {
  return folder?.startsWith('/') ? join(folder, name) : null
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // The configuration is gone: its name is still the same.
    return path
  }
}

function statsOf(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null
}
