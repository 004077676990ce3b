import type { Failure } from '../xmpp/index.ts'
import type { EstablishedSession, Session, SessionHandler } from './session.ts'

/** What becomes of a stream after it stood. */
export type StreamEvents = Pick<SessionHandler, 'onDrain' | 'onEnded'> &
  Partial<Pick<SessionHandler, 'onStanza' | 'onConfirmed'>>

/**
 * Run an initiating stream until it stands; `onStands` is told then and names who hears the rest.
 * @param start starts the session with this handler, attached in this turn
 * @returns null: it stands; else why it does not
 */
export function openStream(
  start: (handler: SessionHandler) => Session,
  signal: AbortSignal,
  onStands: (session: EstablishedSession) => StreamEvents,
): Promise<Failure | null> {
  return new Promise(resolve => {
    let established = false
    let events: StreamEvents | null = null
    /** it stood and ended in one turn: nothing was sent, so nobody has to hear of it but the caller */
    let ended: { readonly failure: Failure | null } | null = null
    const stand = (session: EstablishedSession): StreamEvents | null => {
      if (ended !== null) {
        resolve(ended.failure ?? CLOSED)
        return null
      }
      events = onStands(session)
      resolve(null)
      return events
    }
    let stands: Promise<StreamEvents | null> = Promise.resolve(null)
    const onAbort = () => session.abort(GIVEN_UP)
    const session = start({
      onEstablished: standing => {
        if (signal.aborted) return GIVEN_UP
        signal.removeEventListener('abort', onAbort)
        established = true
        // Later: it does not send before this call has returned.
        stands = Promise.resolve()
          .then(() => stand(standing))
          .catch(defect => {
            const failure: Failure = { by: 'us', kind: 'internal', detail: String(defect) }
            standing.abort(failure)
            resolve(failure)
            return null
          })
        return null
      },
      onStanza: (stanza, standing, custody) =>
        events === null
          ? // Of a bidi stream, in the turn in which it stood: nothing more is read before the caller has it.
            stands.then(late => late?.onStanza?.(stanza, standing, custody))
          : events.onStanza?.(stanza, standing, custody),
      onConfirmed: standing => events?.onConfirmed?.(standing),
      onDrain: standing => events?.onDrain(standing),
      onEnded: (...end) => {
        signal.removeEventListener('abort', onAbort)
        if (events !== null) events.onEnded(...end)
        else if (established) ended = { failure: end[0] }
        else resolve(end[0] ?? CLOSED)
      },
    })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
}

const GIVEN_UP: Failure = { by: 'us', kind: 'aborted', detail: 'the caller gave up' }
const CLOSED: Failure = { by: 'peer', kind: 'closed', detail: 'before the stream was established' }
