import type { Clock, Limits, Observer, Random } from '../base/index.ts'
import * as stream from '../stream/index.ts'
import type { Transport } from '../transport/index.ts'
import type { Failure } from '../xmpp/index.ts'
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
}

/** Ask about a key, on a stream of its own that ends afterwards. Never rejects; without an answer it is an error (DB-27). */
export function verify(options: VerifyOptions): Promise<stream.DialbackOutcome> {
  const { transport, verification, evidence, signal, limits } = options
  const wire = wireOf(transport.facts)
  return new Promise(resolve => {
    const onAbort = () => driver.abort(NOT_NEEDED)
    const handler: SessionHandler = {
      onEstablished: () => null,
      onStanza: () => {},
      onDrain: () => {},
      onEnded: () => {
        signal.removeEventListener('abort', onAbort)
        // The one that counts was before, if there was any.
        resolve({ type: 'error', condition: 'remote-server-timeout' })
      },
    }
    const first = stream.startVerifying({ ...verification, evidence, limits })
    const driver = new SessionDriver({
      session: { ...options, handler },
      role: 'initiating',
      names: verification.pair,
      wire,
      machine: machineOf(first, stream.stepVerifying),
      onVerified: resolve,
    })
    signal.addEventListener('abort', onAbort, { once: true })
    driver.start(first.outputs)
    if (signal.aborted) onAbort()
  })
}

const NOT_NEEDED: Failure = { by: 'us', kind: 'aborted', detail: 'nobody waits for the answer any more' }
