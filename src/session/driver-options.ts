import type { StreamRole } from '../base/index.ts'
import type { IdentityVerdict } from '../identity/index.ts'
import type { DialbackOutcome, StanzasTo, StreamInput, StreamOutput, Verification } from '../stream/index.ts'
import type { StartTlsOptions, TlsFacts } from '../transport/index.ts'
import type { Domain, DomainPair } from '../xmpp/index.ts'
import type { Barrier, InitiatingManagement, SessionOptions } from './options.ts'
import type { Wire } from './wire.ts'

/** A stream machine with its state: an input makes outputs. */
export type Machine = (input: StreamInput) => readonly StreamOutput[]

export interface DriverOptions {
  readonly session: SessionOptions
  readonly role: StreamRole
  /** as far as they are known before the peer's header */
  readonly names: { readonly local: string; readonly remote: string }
  readonly machine: Machine
  readonly wire: Wire
  /** who the peer's certificate proves; absent where that has been judged */
  readonly judge?: (tls: TlsFacts | null, claimed: Domain) => IdentityVerdict
  /** absent: TLS is never agreed on */
  readonly startTls?: (pair: DomainPair) => StartTlsOptions
  /** absent: no keys are taken */
  readonly verify?: (verification: Verification, signal: AbortSignal) => Promise<DialbackOutcome>
  readonly barrier?: Barrier | undefined
  /** initiating: absent: never */
  readonly management?: InitiatingManagement | undefined
  /** what may go out on a stream that the peer has opened, where it is bidi; absent: 'pair', the inverse of what is proven */
  readonly sends?: StanzasTo
  /** of a stream that asks about a key */
  readonly onVerified?: (outcome: DialbackOutcome) => void
}
