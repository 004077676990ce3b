import type { PeerProof } from '../stream/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Custody } from './custody.ts'
import type { Management } from './management.ts'
import type { EstablishedSession, Rest, SessionHandler } from './session.ts'

/** The handler of a session, whose defects are failures of that session and of nobody else. */
export class Owner {
  readonly #handler: SessionHandler
  readonly #onDefect: (failure: Failure) => void

  constructor(handler: SessionHandler, onDefect: (failure: Failure) => void) {
    this.#handler = handler
    this.#onDefect = onDefect
  }

  /** @returns why the stream is not wanted; null: it is */
  established(session: EstablishedSession): Failure | null {
    try {
      return this.#handler.onEstablished(session)
    } catch (error) {
      return defectOf(error)
    }
  }

  /** @returns why the pair is not wanted; null: it is */
  authorised(pair: DomainPair, proof: PeerProof, session: EstablishedSession): Failure | null {
    try {
      return this.#handler.onAuthorised?.(pair, proof, session) ?? null
    } catch (error) {
      return defectOf(error)
    }
  }

  bidi(session: EstablishedSession): void {
    try {
      this.#handler.onBidi?.(session)
    } catch (error) {
      this.#defect(error)
    }
  }

  managed(session: EstablishedSession): void {
    try {
      this.#handler.onManaged?.(session)
    } catch (error) {
      this.#defect(error)
    }
  }

  /** @returns what is to go on; null: there is no such thing */
  resume(id: string, session: EstablishedSession): Management | null {
    try {
      return this.#handler.onResume?.(id, session) ?? null
    } catch (error) {
      this.#defect(error)
      return null
    }
  }

  confirmed(session: EstablishedSession): void {
    try {
      this.#handler.onConfirmed?.(session)
    } catch (error) {
      this.#defect(error)
    }
  }

  /** @returns a promise that never rejects, while it works on the stanza; null: it is done */
  stanza(stanza: Stanza, session: EstablishedSession, custody: Custody | null): Promise<void> | null {
    try {
      const busy = this.#handler.onStanza(stanza, session, custody)
      return busy instanceof Promise ? busy.catch(this.#defect) : null
    } catch (error) {
      this.#defect(error)
      return null
    }
  }

  drained(session: EstablishedSession): void {
    try {
      this.#handler.onDrain(session)
    } catch (error) {
      this.#defect(error)
    }
  }

  ended(failure: Failure | null, unconfirmed: readonly Stanza[], unconfirmedCount: number, rest: Rest): void {
    try {
      this.#handler.onEnded(failure, unconfirmed, unconfirmedCount, rest)
    } catch {
      // It was the last call, and nothing is left to end.
    }
  }

  readonly #defect = (error: unknown): void => {
    this.#onDefect(defectOf(error))
  }
}

export function defectOf(error: unknown): Failure {
  const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return { by: 'us', kind: 'internal', detail }
}
