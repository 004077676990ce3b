import { readFileSync } from 'node:fs'
import type { Limits } from '../base/index.ts'

/** How many files this process may have open, connections among them; null where nothing says so (not Linux, or no limit). */
export function openFilesLimit(read: () => string = readLimits): number | null {
  try {
    // Node has raised the soft limit to the hard one when it started.
    const soft = /^Max open files\s+(\d+)/m.exec(read())?.[1]
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

/**
 * Limits whose `connections` leave descriptors for what else the gateway opens: a connection that comes may need one that
 * goes, to the peer or to a server behind. Whoever runs out of them can neither accept nor dial, and not even say so.
 * Strangers leave room for peers.
 * @returns what was changed, for the operator; null: nothing
 */
export function fitConnections(
  limits: Limits,
  openFiles: number | null,
): { readonly limits: Limits; readonly warning: string | null } {
  if (openFiles === null) return { limits, warning: null }
  const most = Math.max(1, Math.floor(openFiles * SHARE))
  if (limits.connections <= most) return { limits, warning: null }
  const warning = `connections is ${limits.connections}, but this process may open ${openFiles} files: ${most} it is (LimitNOFILE, ulimit -n)`
  const strangers = Math.max(1, Math.floor(most * STRANGERS_SHARE))
  const unauthenticatedTotal = Math.min(limits.unauthenticatedTotal, strangers)
  return { limits: { ...limits, connections: most, unauthenticatedTotal }, warning }
}

const SHARE = 0.5
/** of the connections */
const STRANGERS_SHARE = 0.5

function readLimits(): string {
  return readFileSync('/proc/self/limits', 'utf8')
}
