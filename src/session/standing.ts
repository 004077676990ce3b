import type { StreamRole } from '../base/index.ts'
import type { PeerLimits, PeerProof, StanzasTo } from '../stream/index.ts'
import type { TransportFacts } from '../transport/index.ts'
import type { DomainPair, Failure, Stanza } from '../xmpp/index.ts'
import type { Management } from './management.ts'
import type { EstablishedSession, Session } from './session.ts'

/** What a stream has proven and agreed on. */
export interface Standing {
  readonly pair: DomainPair
  readonly proof: PeerProof
  readonly peerLimits: PeerLimits
  readonly bidi: boolean
}

/** A driver, as far as a session that stands needs it. */
export interface Driver extends Session {
  readonly isClosing: boolean
  readonly management: Management | null
  readonly isManageable: boolean
  readonly carried: number
  readonly isFull: boolean
  send(stanza: Stanza): boolean
  confirmedCount(): number
}

/** The view of a driver that exists once its stream is proven. */
export class StandingSession implements EstablishedSession {
  readonly pair: DomainPair
  readonly proof: PeerProof
  readonly setupMs: number
  readonly #driver: Driver
  #pairs: readonly DomainPair[]
  #peerLimits: PeerLimits
  #bidi: boolean
  /** when the first evidence of any pair ends */
  #notAfterMs: number

  constructor(driver: Driver, { pair, proof, peerLimits, bidi }: Standing, setupMs: number) {
    this.#driver = driver
    this.pair = pair
    this.proof = proof
    this.setupMs = setupMs
    this.#pairs = [pair]
    this.#peerLimits = peerLimits
    this.#bidi = bidi
    this.#notAfterMs = proof.notAfterMs
  }

  get pairs(): readonly DomainPair[] {
    return this.#pairs
  }

  get peerLimits(): PeerLimits {
    return this.#peerLimits
  }

  get bidi(): boolean {
    return this.#bidi
  }

  /** One more pair is proven. */
  authorise(pair: DomainPair, { notAfterMs }: PeerProof): void {
    this.#pairs = [...this.#pairs, pair]
    this.#notAfterMs = Math.min(this.#notAfterMs, notAfterMs)
  }

  goBothWays(peerLimits: PeerLimits): void {
    this.#peerLimits = peerLimits
    this.#bidi = true
  }

  /** Whether it may go to a peer that has opened the stream: as the inverse of what that has proven (BI-03). */
  mayCarry({ from, to }: Stanza, sends: StanzasTo): boolean {
    if (!this.#bidi) return false
    if (sends === 'anybody') return true
    return this.#pairs.some(({ local, remote }) => from.domain === local && to.domain === remote)
  }

  /** Whether its evidence has ended (CT-09, SE-16): who was proven by it has to prove itself again. */
  fault(nowMs: number): Failure | null {
    return nowMs >= this.#notAfterMs ? EXPIRED : null
  }

  get role(): StreamRole {
    return this.#driver.role
  }

  get transport(): TransportFacts {
    return this.#driver.transport
  }

  get established(): EstablishedSession | null {
    return this.#driver.established
  }

  get isClosing(): boolean {
    return this.#driver.isClosing
  }

  send(stanza: Stanza): boolean {
    return this.#driver.send(stanza)
  }

  confirmedCount(): number {
    return this.#driver.confirmedCount()
  }

  get management(): Management | null {
    return this.#driver.management
  }

  get isManageable(): boolean {
    return this.#driver.isManageable
  }

  get carried(): number {
    return this.#driver.carried
  }

  get isFull(): boolean {
    return this.#driver.isFull
  }

  end(failure: Failure | null): void {
    this.#driver.end(failure)
  }

  abort(failure: Failure): void {
    this.#driver.abort(failure)
  }

  answered(id: number): void {
    this.#driver.answered(id)
  }
}

const EXPIRED: Failure = {
  by: 'peer',
  kind: 'violation',
  condition: 'reset',
  rule: 'CT-09',
  detail: 'the certificate that proved the peer has expired',
}
