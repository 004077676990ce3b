import { type Clock, type Limits, spread, type Timer } from '../base/index.ts'
import type { Discovery } from '../discovery/index.ts'
import type {
  Custody,
  EstablishedSession,
  Management,
  Rest,
  Session,
  SessionHandler,
} from '../session/index.ts'
import type { PeerProof } from '../stream/index.ts'
import type { Domain, DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Adopted } from './connect.ts'
import { GONE, STOPPING } from './reasons.ts'
import { Resumable } from './resumable.ts'
import type { Router } from './router.ts'

export interface InboundOptions {
  readonly router: Router
  readonly discovery: Pick<Discovery, 'reconsider'>
  readonly limits: Pick<Limits, 'pairStreams' | 'maxStreamAgeMs' | 'manageMs'>
  readonly clock: Clock
  /** whether streams to the local domain are still taken; absent: they are */
  readonly isServed?: (local: Domain) => boolean
}

/** What has proven a peer. */
export type Proven = Pick<PeerProof, 'method' | 'evidence'>

/** Streams that peers opened to us, by the pair that they have proven. */
export class Inbound {
  readonly #options: InboundOptions
  readonly #streams = new Set<InboundStream>()
  /** local -> remote -> how many stand */
  readonly #established = new Map<Domain, Map<Domain, number>>()
  readonly #resumable: Resumable
  #stopping = false

  constructor(options: InboundOptions) {
    this.#options = options
    this.#resumable = new Resumable(options.clock, options.limits.pairStreams)
  }

  /**
   * Take a peer's stream.
   * @param start the session on its transport, told to the handler; attached in this turn
   * @param onAuthenticated the peer is proven
   */
  accept(start: (handler: SessionHandler) => Session, onAuthenticated: () => void): Session {
    const { router, limits, clock } = this.#options
    const stream = new InboundStream(router, {
      resumable: this.#resumable,
      later: then => clock.setTimer(limits.manageMs, then),
      age: ended => (limits.maxStreamAgeMs > 0 ? clock.setTimer(limits.maxStreamAgeMs, ended) : null),
      onProven: (pair, bidi) => {
        const failure = this.#admit(pair, bidi)
        if (failure === null) onAuthenticated()
        return failure
      },
      onEnded: ended => {
        this.#streams.delete(ended)
        for (const pair of ended.pairs) this.#leave(pair)
      },
    })
    const session = start(stream)
    stream.session = session
    this.#streams.add(stream)
    if (this.#stopping) session.end(STOPPING)
    return session
  }

  /** how many streams of the pair stand */
  count({ local, remote }: DomainPair): number {
    return this.#established.get(local)?.get(remote) ?? 0
  }

  /** what proved the pair on its newest stream; null: none stands */
  proofOf(pair: DomainPair): Proven | null {
    let newest: Proven | null = null
    for (const stream of this.#streams) newest = stream.proofOf(pair) ?? newest
    return newest
  }

  /** whether any stream from the remote domain stands */
  hasFrom(remote: Domain): boolean {
    for (const remotes of this.#established.values()) if (remotes.has(remote)) return true
    return false
  }

  /** WS-52: no more streams; system-shutdown on each that stands, staggered. Resolves when all have ended. */
  async end(staggerMs: number, deadlineMs: number): Promise<void> {
    this.#stopping = true
    await this.#end([...this.#streams], STOPPING, staggerMs, deadlineMs)
  }

  /**
   * The same for streams that have proven pairs of these local domains and of no other. Those that serve others, too, go
   * on for them.
   */
  async endOf(
    locals: ReadonlySet<Domain>,
    failure: Failure,
    staggerMs: number,
    deadlineMs: number,
  ): Promise<void> {
    const leaving = [...this.#streams].filter(({ pairs }) => pairs.some(({ local }) => locals.has(local)))
    const isOnly = ({ pairs }: InboundStream) => pairs.every(({ local }) => locals.has(local))
    await this.#end(leaving.filter(isOnly), failure, staggerMs, deadlineMs)
  }

  async #end(
    streams: readonly InboundStream[],
    failure: Failure,
    staggerMs: number,
    deadlineMs: number,
  ): Promise<void> {
    const { clock } = this.#options
    const force = clock.setTimer(deadlineMs, () => {
      for (const stream of streams) stream.session?.abort(failure)
    })
    await spread(streams, stream => stream.end(failure), staggerMs, clock)
    force.cancel()
  }

  #admit(pair: DomainPair, bidi: boolean): Failure | null {
    if (this.#stopping) return STOPPING
    const { limits, router, discovery, isServed } = this.#options
    if (isServed?.(pair.local) === false) return GONE
    const count = this.count(pair)
    if (count >= limits.pairStreams) return TOO_MANY
    const { local, remote } = pair
    const ofLocal = this.#established.get(local)
    if (ofLocal === undefined) this.#established.set(local, new Map([[remote, 1]]))
    else ofLocal.set(remote, count + 1)
    discovery.reconsider(remote)
    // A stream that goes both ways is the way to it.
    if (!bidi) router.pool.find(local, remote)?.peerIsUp()
    return null
  }

  #leave(pair: DomainPair): void {
    const ofLocal = this.#established.get(pair.local)
    const left = this.count(pair) - 1
    if (left > 0) ofLocal?.set(pair.remote, left)
    else ofLocal?.delete(pair.remote)
  }
}

/** DECISIONS 22: the new one goes, never an older one, in which something may be under way. */
const TOO_MANY: Failure = {
  by: 'peer',
  kind: 'violation',
  condition: 'conflict',
  rule: 'ST-20',
  detail: 'this pair has as many streams as we take',
}

interface Hooks {
  readonly resumable: Resumable
  /** Call `then` when a peer has had time to ask for stream management. */
  later(then: () => void): Timer
  /** Call `ended` when a stream that stands now has lived long enough; null: it may for ever. */
  age(ended: () => void): Timer | null
  /** why it is not wanted; null: it is */
  onProven(pair: DomainPair, bidi: boolean): Failure | null
  onEnded(stream: InboundStream): void
}

/** One stream that a peer opened. */
class InboundStream implements SessionHandler {
  session: Session | null = null
  /** those that count: by SASL one, by dialback more (DB-20, DB-22) */
  readonly pairs: DomainPair[] = []
  /** of all pairs but the first, whose proof is the session's */
  readonly #laterProofs: Proven[] = []
  readonly #router: Router
  readonly #hooks: Hooks
  readonly #endListeners: (() => void)[] = []
  #age: Timer | null = null
  /** it goes both ways; what we write waits until we know whether something goes on here */
  #adopting: Timer | null = null
  /** it goes both ways: how routes write to it */
  #adopted: Adopted | null = null
  #ended = false

  constructor(router: Router, hooks: Hooks) {
    this.#router = router
    this.#hooks = hooks
  }

  onEstablished(session: EstablishedSession): Failure | null {
    const { pair, bidi } = session
    const failure = this.#prove(pair, bidi)
    if (failure !== null) return failure
    if (bidi) this.#adoptSoon(session)
    // Before a platform's limit cuts it: in order, so that its peer goes on with another one.
    this.#age = this.#hooks.age(() => session.end(null))
    return null
  }

  onAuthorised(pair: DomainPair, proof: PeerProof): Failure | null {
    const failure = this.#prove(pair, this.#adopted !== null)
    if (failure !== null) return failure
    this.#laterProofs.push(proof)
    this.#adopted?.take(pair)
    return null
  }

  onBidi(session: EstablishedSession): void {
    this.#adoptSoon(session)
  }

  onManaged(session: EstablishedSession): void {
    this.#hooks.resumable.stands(session, this.pairs)
    this.#adoptNow(session)
  }

  onResume(previd: string): Management | null {
    return this.#hooks.resumable.find(previd, this.pairs)
  }

  onStanza(stanza: Stanza, session: EstablishedSession, custody: Custody | null): Promise<void> | undefined {
    if (this.#adopting === null) return this.#router.receive(stanza, custody)
    // Whoever sends does not ask any more for what was before; and the answer goes by this stream, too.
    this.#adoptNow(session)
    return Promise.resolve().then(() => this.#router.receive(stanza, custody))
  }

  onConfirmed(): void {
    this.#adopted?.onConfirmed()
  }

  onDrain(): void {
    this.#adopted?.onDrain()
  }

  onEnded(
    failure: Failure | null,
    unconfirmed: readonly Stanza[],
    unconfirmedCount: number,
    rest: Rest,
  ): void {
    this.#ended = true
    this.#age?.cancel()
    this.#adopting?.cancel()
    const { resumable } = this.#hooks
    if (typeof rest !== 'string') resumable.lost(rest)
    else if (this.session?.established) resumable.ended(this.session.established)
    this.#adopted?.onEnded(failure, unconfirmed, unconfirmedCount, rest)
    this.#hooks.onEnded(this)
    for (const listener of this.#endListeners.splice(0)) listener()
  }

  proofOf({ local, remote }: DomainPair): Proven | null {
    const index = this.pairs.findIndex(pair => pair.local === local && pair.remote === remote)
    const proof = index === 0 ? this.session?.established?.proof : this.#laterProofs[index - 1]
    return proof ?? null
  }

  #prove(pair: DomainPair, bidi: boolean): Failure | null {
    const failure = this.#hooks.onProven(pair, bidi)
    if (failure === null) this.pairs.push(pair)
    return failure
  }

  /** BI-06. Before anything is written there, what the peer resumes has to go ahead of it (SM-08). */
  #adoptSoon(session: EstablishedSession): void {
    if (!session.isManageable) this.#adopt(session)
    else
      this.#adopting = this.#hooks.later(() => {
        this.#adopting = null
        this.#adopt(session)
      })
  }

  #adoptNow(session: EstablishedSession): void {
    if (this.#adopting === null) return
    this.#adopting.cancel()
    this.#adopting = null
    this.#adopt(session)
  }

  #adopt(session: EstablishedSession): void {
    this.#adopted = this.#router.pool.adopt(session)
    for (const pair of this.pairs) this.#adopted.take(pair)
  }

  end(failure: Failure): Promise<void> {
    return new Promise(resolve => {
      if (this.#ended) {
        resolve()
        return
      }
      this.#endListeners.push(resolve)
      this.session?.end(failure)
    })
  }
}
