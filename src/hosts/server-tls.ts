import type { SecureContext } from 'node:tls'
import type { IdentityVerdict } from '../identity/index.ts'
import type { TlsFacts } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'

/** TLS on the leg to the server: who we are there, and whether it is the server. */
export interface ServerTls {
  /** with a certificate for a remote domain */
  contextFor(remote: Domain): SecureContext
  /** who has answered us */
  readonly judgeServer: (tls: TlsFacts, claimed: Domain) => IdentityVerdict
  /** who has come to us */
  readonly judgeClient: (tls: TlsFacts, claimed: Domain) => IdentityVerdict
}
