/**
 * The account of DECISIONS 23. At any time, for stanzas accepted from hosts and from streams alike:
 * accepted = delivered + bounced + dropped + inDoubt + held.
 */
export interface AccountSnapshot {
  /** taken over from a local host or from a proven stream */
  readonly accepted: number
  /** a host took it, or the peer is known to have read it */
  readonly delivered: number
  /** returned to its sender with an error, once */
  readonly bounced: number
  /** could not be delivered and must not be answered (errors, iq results) */
  readonly dropped: number
  /** written to a stream that died before anything confirmed it; where it can be, its sender is told so */
  readonly inDoubt: number
  /** delivered and bounced both */
  readonly ambiguous: number
  /** in a queue, in a host's hands, or written and not yet confirmed */
  readonly held: number
}
