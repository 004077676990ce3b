import type { Limits, Observer, Random } from '../base/index.ts'
import type { Candidate, Discovery } from '../discovery/index.ts'
import { verify } from '../session/index.ts'
import type { DialbackOutcome, Verification } from '../stream/index.ts'
import { type DomainPair, describe, type Failure } from '../xmpp/index.ts'
import { deadline } from './deadline.ts'
import { type ReachDeps, reach } from './reach.ts'
import { redirected } from './redirect.ts'

export interface VerifierDeps extends Omit<ReachDeps, 'limits'> {
  readonly discovery: Pick<Discovery, 'discover' | 'forget'>
  readonly observer: Observer
  readonly random: Random
  readonly limits: Limits
}

/**
 * Asks the servers of remote domains about keys that were shown to us in their names, each on a stream of its own, never
 * the one that the key came on (DB-41). An answer counts only from a server whose certificate proves the domain (DB-42),
 * as `reach` has it: so a key proves what the domain's certificate would have proven.
 */
export class Verifier {
  readonly #deps: VerifierDeps
  readonly #byAddress = new Map<string, number>()
  #asking = 0

  constructor(deps: VerifierDeps) {
    this.#deps = deps
  }

  /**
   * Never rejects. Where too much is asked already, nothing is looked up or dialled (DB-23).
   * @param address of whoever has shown the key; of IPv6 the network that one host commands
   */
  async verify(verification: Verification, address: string, signal: AbortSignal): Promise<DialbackOutcome> {
    const { dialbackPerAddress, dialbackTotal } = this.#deps.limits
    const ofAddress = this.#byAddress.get(address) ?? 0
    if (this.#asking >= dialbackTotal || ofAddress >= dialbackPerAddress) {
      this.#tell(verification, 'resource-constraint', 'as many keys are asked about as we do at once')
      return { type: 'error', condition: 'resource-constraint' }
    }
    this.#asking += 1
    this.#byAddress.set(address, ofAddress + 1)
    try {
      return await this.#ask(verification, signal)
    } finally {
      this.#asking -= 1
      const left = (this.#byAddress.get(address) ?? 1) - 1
      if (left > 0) this.#byAddress.set(address, left)
      else this.#byAddress.delete(address)
    }
  }

  async #ask(verification: Verification, given: AbortSignal): Promise<DialbackOutcome> {
    const { discovery, limits, clock } = this.#deps
    const { remote } = verification.pair
    const attempt = deadline(limits.attemptMs, given, clock)
    try {
      const discovered = await discovery.discover(remote, { signal: attempt.signal })
      if (!discovered.ok) return this.#unreached(verification, discovered.failure)
      let outcome: DialbackOutcome = { type: 'error', condition: 'remote-server-timeout' }
      for (const candidate of discovered.candidates.slice(0, limits.dialbackCandidates)) {
        const asked = await this.#follow(verification, candidate, attempt.signal)
        outcome = asked.outcome
        if (isAnswered(asked)) return outcome
        if (attempt.signal.aborted) break
      }
      // Where nobody waits any more, nothing was learnt.
      if (!given.aborted) discovery.forget(remote)
      return outcome
    } finally {
      attempt.release()
    }
  }

  /** One candidate, and whom it redirects us to (WS-55). */
  async #follow(verification: Verification, first: Candidate, signal: AbortSignal): Promise<Asked> {
    let candidate = first
    for (let hops = 0; ; hops++) {
      const asked = await this.#askAt(verification, candidate, signal)
      const { failure } = asked
      if (failure?.kind !== 'redirect' || hops === this.#deps.limits.redirects) return asked
      const next = redirected(candidate, failure.uri)
      if ('by' in next) return asked
      candidate = next
    }
  }

  async #askAt(verification: Verification, candidate: Candidate, signal: AbortSignal): Promise<Asked> {
    const { pair } = verification
    const addresses = this.#deps.limits.dialbackAddresses
    const reached = await reach(this.#deps, { pair, candidate, signal, addresses })
    if (!reached.ok)
      return { reached: false, outcome: this.#unreached(verification, reached.failure), failure: null }
    const { transport, verdict } = reached
    const evidence = `its server, ${verdict.via} ${verdict.name}`
    let failure: Failure | null = null
    const onGone = (why: Failure | null) => {
      failure = why
    }
    const outcome = await verify({ ...this.#deps, transport, verification, evidence, signal, onGone })
    return { reached: true, outcome, failure }
  }

  /** DB-27, DB-28 */
  #unreached(verification: Verification, failure: Failure): DialbackOutcome {
    const condition = conditionOf(failure)
    this.#tell(verification, condition, describe(failure))
    return { type: 'error', condition, text: textOf(verification.pair, failure) }
  }

  #tell({ pair }: Verification, condition: string, detail: string): void {
    this.#deps.observer.publish({
      type: 'dialback:asked',
      local: pair.local,
      remote: pair.remote,
      address: '',
      outcome: 'error',
      detail: `${condition}: ${detail}`,
      ms: 0,
    })
  }
}

interface Asked {
  /** somebody who has proven to be the domain's server was there to ask */
  readonly reached: boolean
  readonly outcome: DialbackOutcome
  /** why its stream has ended, where that is why there is no answer */
  readonly failure: Failure | null
}

type ErrorOutcome = Extract<DialbackOutcome, { type: 'error' }>

/** Whoever answers speaks for the domain, were it that it does not know it; where nobody does, another candidate may. */
function isAnswered({ reached, outcome }: Asked): boolean {
  return outcome.type !== 'error' || (reached && outcome.condition === 'remote-server-not-found')
}

function conditionOf(failure: Failure): ErrorOutcome['condition'] {
  if (failure.by === 'peer' && failure.kind === 'identity') return 'not-authorized'
  if (failure.by === 'peer' && failure.kind === 'no-endpoint') return 'remote-server-not-found'
  if (failure.by === 'network' && failure.kind === 'dns') return 'remote-server-not-found'
  return 'remote-server-timeout'
}

/** For whoever has shown the key: what is wrong with its own server, and nothing of our network. */
function textOf({ remote }: DomainPair, failure: Failure): string {
  return failure.by === 'peer' ? describe(failure) : `the server of ${remote} could not be asked`
}
