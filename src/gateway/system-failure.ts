/** What the operator has to put right before a gateway can start; the message is a sentence without trailing stop. */
export class StartProblem extends Error {}

/** A system error that the operator can do something about, as a sentence; null for everything else. */
export function systemFailure(cause: unknown): string | null {
  if (cause instanceof StartProblem) return cause.message
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return null
  // A path in place of an address is a socket of this machine.
  if ('port' in cause && cause.port === -1 && 'address' in cause)
    return socketFailure(cause.code, String(cause.address))
  const where =
    'address' in cause ? ` ${String(cause.address)}${'port' in cause ? `:${String(cause.port)}` : ''}` : ''
  switch (cause.code) {
    case 'EADDRINUSE':
      return `the address${where} is in use: is a gateway running already?`
    case 'EADDRNOTAVAIL':
      return `the address${where} is none of this machine's`
    case 'EACCES':
      return `the address${where} may not be listened on (ports below 1024 need a right)`
    case 'EMFILE':
      return 'too many files are open'
    case 'ENOENT':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EROFS':
      return cause.message
    default:
      return null
  }
}

function socketFailure(code: string, path: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `${path} is there already, and is not a socket that nobody serves any more`
    case 'EACCES':
    case 'EPERM':
    case 'ENOENT':
      return `no socket can be made at ${path}: its directory must be there, and be ours to write in`
    default:
      return `no socket can be made at ${path}: ${code}`
  }
}
