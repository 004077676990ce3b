/** What the operator has to put right before a gateway can start; the message is a sentence without trailing stop. */
export class StartProblem extends Error {}

/** A system error that the operator can do something about, as a sentence; null for everything else. */
export function systemFailure(cause: unknown): string | null {
  if (cause instanceof StartProblem) return cause.message
  if (!(cause instanceof Error) || !('code' in cause) || typeof cause.code !== 'string') return null
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
    default:
      return null
  }
}
