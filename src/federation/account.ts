/**
 * The account of DECISIONS 23: what became of every stanza that was ever accepted. At any time
 * accepted = delivered + bounced + dropped + inDoubt + ambiguous + held.
 *
 * Accepted are: what a local host or the owner of the federation sends, what a peer sends on a proven stream, and errors
 * of ours that travel by a stream, to another domain or to a server of ours, because they are queued, written and lost
 * like any other stanza. An error that goes back to a host in this process is part of the bounce, not a stanza of the
 * account.
 *
 * - delivered: a local host took it, or whoever is at the other end of its stream is known to have read it (SessionHandler.onEnded says how).
 * - bounced: its sender's host, or the way back to its sender's domain, has taken an error for it.
 * - dropped: it could not be delivered and must not be answered (SZ-11), or its sender takes no more errors.
 * - inDoubt: written to a stream that died before anything confirmed it, and nothing could ask since. Where its kind, or
 *   the peer's lack of stream management, forbids to write it again, its sender, where it may be answered, is told that it
 *   may or may not have arrived.
 * - ambiguous: delivered and bounced both. What may have been delivered is never bounced, but in doubt, so it stays zero.
 * - resent is no outcome: how many of all those went out again although they may have arrived, and may be there twice.
 * - held: everything else. Counted where it lies, never computed from the rest: so the sum can be checked.
 */
export interface AccountSnapshot {
  /** taken over from a local host, from a proven stream, or an error of ours that leaves by a stream */
  readonly accepted: number
  /** a host took it, or the peer is known to have read it */
  readonly delivered: number
  /** returned to its sender with an error, once */
  readonly bounced: number
  /** could not be delivered and must not be answered (errors, iq results), or its sender takes no answer any more */
  readonly dropped: number
  /** written to a stream that died before anything confirmed it; where it can be, its sender is told so */
  readonly inDoubt: number
  /** of all accepted: went out a second time, as the peer could not say whether it had them; they may be there twice */
  readonly resent: number
  /** delivered and bounced both */
  readonly ambiguous: number
  /** in a queue, in a host's hands, or written and not yet confirmed */
  readonly held: number
}

/** The counters of final outcomes. Plain numbers, because they are on the path of every stanza. */
export class Account {
  accepted = 0
  delivered = 0
  bounced = 0
  dropped = 0
  inDoubt = 0
  resent = 0

  snapshot(held: number): AccountSnapshot {
    const { accepted, delivered, bounced, dropped, inDoubt, resent } = this
    return { accepted, delivered, bounced, dropped, inDoubt, resent, ambiguous: 0, held }
  }
}
