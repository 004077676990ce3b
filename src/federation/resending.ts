import { delayed, isRequest, type Stanza } from '../xmpp/index.ts'

/** What is known of stanzas that were written to a stream that has ended, and were not confirmed. */
export type Fate =
  /** the peer has none of them */
  | 'not-taken'
  /** it may have some: what does no harm twice goes again (docs/ARCHITECTURE.md has the table) */
  | 'by-kind'
  /** it may have some, and nobody could tell them from others */
  | 'in-doubt'

/** What goes out again after it may have arrived, of one route: once each. */
export class Resending {
  readonly #again = new WeakSet<Stanza>()

  /** It has gone out before, and may have arrived. */
  has(stanza: Stanza): boolean {
    return this.#again.has(stanza)
  }

  /**
   * @param sentMs wall clock: when they were sent, at the latest
   * @param maxBytes no stanza becomes longer than that
   * @returns those that go again, noted as delayed, and the others; `ahead`: how many of these went before the last of those
   */
  sort(
    stanzas: readonly Stanza[],
    sentMs: number,
    maxBytes: number,
  ): { again: Stanza[]; doubtful: Stanza[]; ahead: number } {
    const again: Stanza[] = []
    const doubtful: Stanza[] = []
    let ahead = 0
    for (const stanza of stanzas) {
      if (this.has(stanza) || !goesAgain(stanza)) {
        doubtful.push(stanza)
        if (again.length > 0) ahead += 1
        continue
      }
      const noted = delayed(stanza, sentMs)
      const sent = noted.bytes.length > maxBytes ? stanza : noted
      this.#again.add(sent)
      again.push(sent)
    }
    return { again, doubtful, ahead }
  }
}

/**
 * A request may do something twice, and its sender waits for an answer, which an error is; a probe is answered by whatever
 * comes next.
 */
function goesAgain(stanza: Stanza): boolean {
  return !isRequest(stanza) && !(stanza.kind === 'presence' && stanza.type === 'probe')
}
