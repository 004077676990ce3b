import { type Clock, type Limits, Observer, type Random } from '../base/index.ts'
import * as stream from '../stream/index.ts'
import type { Transport } from '../transport/index.ts'
import { describe, type Failure } from '../xmpp/index.ts'
import { SessionDriver } from './driver.ts'
import { machineOf } from './machine-of.ts'
import type { SessionHandler } from './session.ts'
import { wireOf } from './wire.ts'

export interface VerifyOptions {
  /** to a server of the domain that is said to have made the key; nobody has attached to it yet */
  readonly transport: Transport
  readonly verification: stream.Verification
  /** what says, for the log, who has answered */
  readonly evidence: string
  readonly signal: AbortSignal
  readonly observer: Observer
  readonly clock: Clock
  readonly random: Random
  readonly limits: Limits
  /** the stream is gone: some time after the answer, or, with why, for want of one */
  readonly onGone?: (failure: Failure | null) => void
}

/**
 * Ask about a key, on a stream of its own that ends afterwards (DB-41). Never rejects; without an answer it is an error
 * (DB-27). The observer hears of the question and its outcome, not of a stream.
 */
export function verify(options: VerifyOptions): Promise<stream.DialbackOutcome> {
  const { transport, verification, evidence, signal, observer, clock, limits, onGone } = options
  const wire = wireOf(transport.facts)
  const sinceMs = clock.monotonicMs()
  return new Promise(resolve => {
    let answered = false
    const tell = (outcome: stream.DialbackOutcome, detail: string) => {
      if (answered) return
      answered = true
      const { pair } = verification
      const address = transport.facts.remoteAddress
      const ms = clock.monotonicMs() - sinceMs
      observer.publish({ type: 'dialback:asked', ...pair, address, outcome: outcome.type, detail, ms })
      resolve(outcome)
    }
    const onAbort = () => driver.abort(NOT_NEEDED)
    const handler: SessionHandler = {
      onEstablished: () => null,
      onStanza: () => {},
      onDrain: () => {},
      onEnded: failure => {
        signal.removeEventListener('abort', onAbort)
        // The one that counts was before, if there was any.
        tell(unanswered(failure), failure === null ? 'no answer' : describe(failure))
        onGone?.(failure)
      },
    }
    const first = stream.startVerifying({ ...verification, evidence, limits })
    const driver = new SessionDriver({
      session: { ...options, observer: new Observer(), handler },
      role: 'initiating',
      names: verification.pair,
      wire,
      machine: machineOf(first, stream.stepVerifying),
      onVerified: outcome => tell(outcome, detailOf(outcome)),
    })
    signal.addEventListener('abort', onAbort, { once: true })
    driver.start(first.outputs)
    if (signal.aborted) onAbort()
  })
}

function detailOf(outcome: stream.DialbackOutcome): string {
  if (outcome.type === 'error') return 'it could not say'
  return outcome.type === 'valid' ? outcome.evidence : 'it has not made this key'
}

/** DB-27: it does not serve the domain, or it is not known what it would have said. */
function unanswered(failure: Failure | null): stream.DialbackOutcome {
  const isUnknown =
    failure?.kind === 'reported' &&
    (failure.condition === 'host-unknown' || failure.condition === 'host-gone')
  return { type: 'error', condition: isUnknown ? 'remote-server-not-found' : 'remote-server-timeout' }
}

const NOT_NEEDED: Failure = { by: 'us', kind: 'aborted', detail: 'nobody waits for the answer any more' }
