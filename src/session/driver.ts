import type { LocalFailure, NetworkFailure, StreamRole, Timer } from '../base/index.ts'
import { type Codec, OVERSIZE } from '../framing/index.ts'
import { isOrderly, type StreamInput, type StreamOutput } from '../stream/index.ts'
import type { Transport, TransportFacts, TransportHandler } from '../transport/index.ts'
import { xmlLimits } from '../xml/index.ts'
import { type Failure, NS, type Stanza } from '../xmpp/index.ts'
import { Closes } from './closes.ts'
import { Confirmation, type ConfirmationOptions } from './confirmation.ts'
import type { DriverOptions } from './driver-options.ts'
import { StreamEvents } from './events.ts'
import { Liveness } from './liveness.ts'
import type { Managed, Management } from './management.ts'
import { Managing } from './managing.ts'
import type { SessionOptions } from './options.ts'
import { Outflow } from './outflow.ts'
import { Outgoing } from './outgoing.ts'
import { defectOf, Owner } from './owner.ts'
import { Questions } from './questions.ts'
import { Reading } from './reading.ts'
import type { EstablishedSession } from './session.ts'
import { type Driver, StandingSession } from './standing.ts'
import { Steps } from './steps.ts'
import { Timers } from './timers.ts'

type Closed = { readonly failure: NetworkFailure | LocalFailure | null }

/**
 * Feeds one machine with what one transport brings and carries out what it answers. All that happens to a session comes
 * through here: from the transport, from a timer, from its owner, or from its handler's promise.
 */
export class SessionDriver implements Driver, Managed, TransportHandler {
  readonly role: StreamRole
  readonly #parts: DriverOptions
  readonly #options: SessionOptions
  readonly #transport: Transport
  readonly #codec: Codec
  readonly #events: StreamEvents
  readonly #timers: Timers
  readonly #outflow: Outflow
  readonly #confirmation: Confirmation
  readonly #closes: Closes
  readonly #liveness: Liveness
  readonly #reading: Reading
  readonly #steps: Steps
  readonly #questions: Questions
  readonly #owner: Owner
  readonly #managing: Managing
  readonly #outgoing: Outgoing
  readonly #startMs: number
  /** proven, and its owner does not know yet whether what was before goes on here */
  #proven: StandingSession | null = null
  #carried = 0
  /** the peer offers stream management, or we do */
  #hasManagement = false
  #abortTimer: Timer | null = null
  #established: StandingSession | null = null
  /** the machine has ended */
  #outcome: { readonly failure: Failure | null } | null = null
  /** the transport has ended */
  #closed: Closed | null = null
  /** why we cut the transport */
  #cause: Failure | null = null
  /** the end is under way or told */
  #over = false
  /** onEnded has been called: what is sent now would be lost without a word */
  #told = false

  constructor(options: DriverOptions) {
    const { session, role, names } = options
    const { transport, limits, clock, random } = session
    this.role = role
    this.#parts = options
    this.#options = session
    this.#transport = transport
    this.#startMs = clock.monotonicMs()
    this.#codec = options.wire.codec(xmlLimits(limits, 'before-authentication'))
    this.#events = new StreamEvents(session.observer, transport, role, names)
    this.#timers = new Timers(clock, timer => this.#steps.feed({ type: 'timeout', timer }))
    this.#outflow = new Outflow({ transport, limits, clock, onStuck: failure => this.abort(failure) })
    this.#confirmation = new Confirmation({
      transport,
      limits,
      clock,
      ...this.#barrier(),
      request: () => this.#managing.request(),
      onConfirmed: () => this.#onConfirmed(),
    })
    this.#closes = new Closes(this.#confirmation)
    this.#outgoing = new Outgoing({
      transport,
      codec: this.#codec,
      outflow: this.#outflow,
      confirmation: this.#confirmation,
    })
    this.#liveness = new Liveness({
      limits,
      clock,
      random,
      ping: () => this.#confirmation.ping(),
      isPaused: () => this.#reading.paused,
      onBeat: () => this.#beat(),
      onDead: failure => this.abort(failure),
    })
    this.#reading = new Reading({
      transport,
      codec: this.#codec,
      limits,
      clock,
      onFrame: frame => this.#onFrame(frame),
      isCut: () => this.#cause !== null,
      onCaughtUp: () => this.#onCaughtUp(),
    })
    this.#steps = new Steps({
      machine: options.machine,
      perform: output => this.#perform(output),
      // Only the transport can still be ended.
      onDefect: error => this.abort(defectOf(error)),
    })
    this.#questions = new Questions(options, this.#events, input => this.#steps.feed(input))
    this.#owner = new Owner(session.handler, failure => this.end(failure))
    this.#managing = new Managing({
      write: element => void this.#outgoing.write({ type: 'element', element }),
      confirmation: this.#confirmation,
      limits,
      clock,
      feed: input => this.#steps.feed(input),
      stream: this,
      onManaged: (management, carried) => this.#onManaged(management, carried),
      onNotResumed: () => this.#ask(null),
      onNotManaged: () => this.#tellEstablished(),
    })
  }

  /** @param outputs the machine's first */
  start(outputs: readonly StreamOutput[]): void {
    for (const output of outputs) this.#perform(output)
    this.#transport.attach(this)
  }

  get established(): EstablishedSession | null {
    return this.#established
  }

  // -- the owner -----------------------------------------------------------------------------------------------------

  get transport(): TransportFacts {
    return this.#transport.facts
  }

  get isClosing(): boolean {
    return this.#closes.isOurs || this.#closed !== null || this.#over
  }

  send(stanza: Stanza): boolean {
    if (
      this.role !== 'initiating' &&
      this.#established?.mayCarry(stanza, this.#parts.sends ?? 'pair') !== true
    )
      throw new TypeError('stanzas go out on the stream that we open, or back to where a pair was proven') // ST-19, BI-03
    if (this.#told) throw new TypeError('sent into a session that has ended')
    this.#confirmation.add(stanza)
    if (this.#closes.isOurs || this.#over) return true
    return this.#outgoing.send(stanza)
  }

  confirmedCount(): number {
    return this.#confirmation.confirmed
  }

  get management(): Management | null {
    return this.#managing.management
  }

  get isManageable(): boolean {
    return this.#hasManagement && this.#managing.management === null && !this.#managing.hasMoved
  }

  get carried(): number {
    return this.#carried
  }

  get isFull(): boolean {
    return this.#outgoing.isFull
  }

  answered(id: number): void {
    this.#confirmation.answered(id)
  }

  end(failure: Failure | null): void {
    if (!isOrderly(failure)) {
      this.#steps.feed({ type: 'end', failure })
      return
    }
    // What has come and is not taken would have to come again (SM-05).
    this.#whenTaken(() => this.#steps.feed({ type: 'end', failure }))
  }

  abort(failure: Failure): void {
    if (this.#closed !== null && this.#reading.isEmpty) return
    this.#cause ??= failure
    this.#reading.clear()
    const closed = this.#closed
    if (closed === null) this.#transport.abort()
    else queueMicrotask(() => this.#ending(closed))
  }

  // -- the transport -------------------------------------------------------------------------------------------------

  onMessage(bytes: Uint8Array): void {
    this.#reading.message(bytes)
  }

  onOversize(): void {
    this.#steps.feed({ type: 'violation', violation: OVERSIZE }) // WS-49
  }

  onActivity(): void {
    this.#liveness.heard()
  }

  onPong(id: number): void {
    this.#confirmation.answered(id)
  }

  onDrain(): void {
    if (this.#outgoing.drained()) this.#goOn()
  }

  onClosed(failure: NetworkFailure | LocalFailure | null): void {
    this.#closed = { failure }
    // What came before the end is told before it.
    if (this.#reading.isEmpty) this.#ending(this.#closed)
  }

  // -- reading -------------------------------------------------------------------------------------------------------

  #onFrame(frame: StreamInput): void {
    if (frame.type !== 'close' && !isStreamError(frame)) {
      this.#steps.feed(frame)
      return
    }
    if (frame.type === 'close') this.#closes.peers()
    // The answer to its close, or to the error ahead of that, is preceded by our last word on what it has sent.
    if (this.#closes.isOurs) this.#steps.feed(frame)
    else this.#whenTaken(() => this.#steps.feed(frame))
  }

  #onCaughtUp(): void {
    if (this.#closed !== null) {
      this.#ending(this.#closed)
      return
    }
    this.#liveness.heard()
    this.#reading.resume()
  }

  #deliver(stanza: Stanza): void {
    // The peer knows that we have not taken it, and sends it again: elsewhere, or on its next stream.
    if (this.#managing.hasMoved || (this.#managing.management !== null && this.#closes.isOurs)) return
    this.#tellEstablished()
    if (this.#established === null || !this.#managing.received()) return
    const custody = this.#managing.management?.custody ?? null
    const busy = this.#owner.stanza(stanza, this.#established, custody)
    if (busy !== null) {
      custody?.hold(busy)
      this.#reading.hold(busy)
    }
    if (custody !== null) this.#managing.handled()
  }

  /** Read no further until all that has come is taken, for a while. */
  #whenTaken(then: () => void): void {
    if (this.#managing.isClear) {
      then()
      return
    }
    this.#reading.freeze()
    this.#managing.whenClear(this.#options.limits.closeMs / 2, () => {
      then()
      this.#reading.thaw()
    })
  }

  // -- the machine ---------------------------------------------------------------------------------------------------

  #perform(output: StreamOutput): void {
    switch (output.type) {
      case 'stanza':
        this.#deliver(output.stanza)
        break
      case 'ack':
        this.#acked(output.h)
        break
      case 'ack-request':
        this.#managing.requested()
        break
      case 'late-ack-request':
        this.#confirmation.asked()
        break
      case 'managed':
        this.#managing.managed(output.management)
        break
      case 'need-resumption':
        this.#managing.answer(this.#resumed(output.previd))
        break
      case 'write':
        this.#outgoing.write(output.frame)
        break
      case 'timer':
        this.#timers.set(output.timer, output.afterMs)
        break
      case 'need-identity':
        this.#questions.identity(output.claimed)
        break
      case 'restart':
        this.#questions.giveUp()
        this.#codec.restart()
        break
      case 'progress':
        this.#events.progress(output.step)
        if (output.step.name === 'closing') this.#closing()
        break
      case 'start-tls':
        this.#questions.startTls(output.pair)
        break
      case 'need-verification':
        this.#questions.verify(output)
        break
      case 'verified':
        this.#parts.onVerified?.(output.outcome)
        break
      case 'established':
        this.#establish(output)
        break
      case 'authorised':
        this.#authorise(output)
        break
      case 'bidi':
        this.#established?.goBothWays(output.peerLimits)
        if (this.#established !== null) this.#owner.bidi(this.#established)
        break
      case 'close-transport':
        this.#transport.close(output.code, output.reason)
        break
      case 'ended':
        this.#outcome = output
        break
    }
  }

  #authorise({ pair, proof }: Extract<StreamOutput, { type: 'authorised' }>): void {
    if (this.#established === null) return
    const refusal = this.#owner.authorised(pair, proof, this.#established)
    if (refusal !== null) this.end(refusal)
    else this.#established.authorise(pair, proof)
  }

  /** Written like a stanza, and counted like none. */
  #barrier(): Pick<ConfirmationOptions, 'barrier'> {
    const { barrier } = this.#parts
    if (barrier === undefined) return {}
    const write = (id: number) => {
      this.#outgoing.write({ type: 'stanza', bytes: barrier.request(id).bytes })
    }
    return { barrier: { write, onSilent: barrier.onSilent } }
  }

  #establish(agreed: Extract<StreamOutput, { type: 'established' }>): void {
    const { limits } = this.#options
    const session = new StandingSession(this, agreed, this.#ageMs())
    this.#hasManagement = agreed.sm
    this.#proven = session
    this.#codec.setLimits(xmlLimits(limits, 'authenticated'))
    this.#transport.setMaxMessageBytes(limits.stanzaBytes)
    this.#liveness.start()
    if (agreed.sm) this.#ask(this.#parts.management?.resumes?.() ?? null)
    else this.#tellEstablished()
  }

  /**
   * Whoever asks knows the answer before it sends: what went ahead of it would be in doubt where the stream is lost.
   * @param wanted see Managing.ask
   */
  #ask(wanted: Management | null): void {
    const { management } = this.#parts
    if (management === undefined || this.#closes.isOurs) this.#tellEstablished()
    else this.#managing.ask(wanted, management.resumable)
  }

  /** Idempotent. */
  #tellEstablished(): void {
    const session = this.#proven
    if (session === null) return
    this.#proven = null
    const refusal = this.#owner.established(session)
    if (refusal !== null) {
      this.end(refusal)
      return
    }
    this.#established = session
    this.#events.established(session)
  }

  // -- stream management ---------------------------------------------------------------------------------------------

  /** What was before goes on here: first what the peer has not handled of it, in its order. */
  #onManaged(management: Management, carried: number): void {
    const { work } = management.custody
    if (work !== null) this.#reading.hold(work)
    if (carried > 0) this.#outgoing.again(this.#confirmation.stanzas())
    this.#carried = carried
    this.#tellEstablished()
    if (this.#established !== null) this.#owner.managed(this.#established)
  }

  #resumed(id: string): Management | null {
    return this.#established === null ? null : this.#owner.resume(id, this.#established)
  }

  #acked(h: number): void {
    const fault = this.#managing.acked(h)
    if (fault !== null) this.end(fault)
  }

  /** Room may have come of it. */
  #onConfirmed(): void {
    const established = this.#established
    if (established === null) return
    this.#owner.confirmed(established)
    if (this.#outgoing.confirmed()) this.#goOn()
  }

  suspend(): void {
    this.#reading.freeze()
  }

  proceed(): void {
    this.#reading.thaw()
  }

  moved(): void {
    const { clock, limits } = this.#options
    this.#managing.moved()
    this.#outgoing.stop()
    // Its close is still answered.
    this.#reading.leave()
    this.#abortTimer = clock.setTimer(limits.closeMs, () => this.abort(MOVED))
  }

  #closing(): void {
    // SM-05
    if (this.#closed === null) this.#managing.close()
    this.#closes.ours(this.#steps.current)
  }

  /** Whoever sends may. */
  #goOn(): void {
    const established = this.#established
    if (established !== null && !this.#closes.isOurs) this.#owner.drained(established)
  }

  #beat(): void {
    const fault = this.#reading.fault() ?? this.#established?.fault(this.#options.clock.wallMs()) ?? null
    if (fault !== null) this.end(fault)
  }

  #ageMs(): number {
    return this.#options.clock.monotonicMs() - this.#startMs
  }

  // -- the end -------------------------------------------------------------------------------------------------------

  #ending(closed: Closed): void {
    if (this.#over) return
    this.#steps.feed({ type: 'transport-closed', failure: this.#cause ?? closed.failure })
    this.#over = true
    this.#questions.giveUp()
    const resumable = this.#closes.isLoss && isLoss(this.#outcome?.failure) ? this.#managing.lost() : null
    for (const part of [
      this.#timers,
      this.#reading,
      this.#outflow,
      this.#liveness,
      this.#confirmation,
      this.#managing,
      this.#outgoing,
    ])
      part.stop()
    this.#abortTimer?.cancel()
    // Without an outcome the machine has failed, and #cause says how.
    const { failure } = this.#outcome ?? { failure: this.#cause }
    this.#closes.settle(failure, closed.failure === null)
    this.#events.ended(failure, this.#established !== null, this.#ageMs())
    this.#told = true
    const isPeers = this.#closes.isPeers || failure?.kind === 'reported'
    const rest = resumable ?? (isPeers ? this.#confirmation.rest : 'unknown')
    this.#owner.ended(failure, this.#confirmation.stanzas(), this.#confirmation.unconfirmed, rest)
  }
}

function isStreamError(input: StreamInput): boolean {
  if (input.type !== 'element') return false
  const { name, namespace } = input.element
  return name === 'error' && namespace === NS.stream
}

const MOVED: Failure = { by: 'us', kind: 'aborted', detail: 'another stream has taken over' }

function isLoss(failure: Failure | null | undefined): boolean {
  return failure?.by === 'network'
}
