/**
 * What the network did to us. Produced in transport/ and discovery/, where the codes of Node and of libraries are
 * translated once; nothing else looks at an error's message.
 */
export interface NetworkFailure {
  readonly by: 'network'
  readonly kind: /** the name did not resolve, or to nothing that we may dial */
    | 'dns'
    /** every address is refused by the address guard */
    | 'forbidden-address'
    /** connection refused, reset or no route before TLS */
    | 'unreachable'
    /** no answer within the deadline */
    | 'timeout'
    /** the TLS handshake itself failed (not the identity: that is the peer's) */
    | 'tls'
    /** an HTTP answer that is not the one needed (status, headers, body) */
    | 'http'
    /** an established transport ended without the stream's close */
    | 'closed'
  /** what happened, for a person; no trailing stop */
  readonly detail: string
  /** HTTP status, where one arrived */
  readonly status?: number
  /** what the other side asked for by Retry-After */
  readonly retryAfterMs?: number
}

/** What we did ourselves. */
export interface LocalFailure {
  readonly by: 'us'
  readonly kind: /** we are stopping */
    | 'shutdown'
    /** the domain is none of ours any more */
    | 'gone'
    /** nothing was said for too long */
    | 'idle'
    /** a limit of ours: queue, memory, count */
    | 'overload'
    /** configuration forbids it */
    | 'policy'
    /** the caller gave up (AbortSignal) */
    | 'aborted'
    /** a defect of ours */
    | 'internal'
  readonly detail: string
}
