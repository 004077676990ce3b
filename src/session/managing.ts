import type { Clock, Limits } from '../base/index.ts'
import {
  ackElement,
  HANDLED_MODULUS,
  requestElement,
  type StreamInput,
  type StreamOutput,
} from '../stream/index.ts'
import type { Element } from '../xml/index.ts'
import type { Failure } from '../xmpp/index.ts'
import { Acks } from './acks.ts'
import type { Confirmation } from './confirmation.ts'
import { Custody } from './custody.ts'
import { type Managed, Management } from './management.ts'

export interface ManagingOptions {
  readonly write: (element: Element) => void
  readonly confirmation: Confirmation
  readonly limits: Pick<Limits, 'ackStanzas' | 'ackMs' | 'resumeMs'>
  readonly clock: Clock
  readonly feed: (input: StreamInput) => void
  /** the stream itself, as its management may have to stop it */
  readonly stream: Managed
  /** it is on: `carried` stanzas of another stream go on here */
  readonly onManaged: (management: Management, carried: number) => void
  /** what was to go on here does not */
  readonly onNotResumed: () => void
  /** it was asked for, and there is none */
  readonly onNotManaged: () => void
}

type ManagedOutput = Extract<StreamOutput, { type: 'managed' }>['management']

/** Stream management on one stream: asking for it, resuming what was before, and what we tell the peer (XEP-0198). */
export class Managing {
  /** null: it is not on, or another stream has it now */
  management: Management | null = null
  /** another stream has it */
  hasMoved = false
  readonly #options: ManagingOptions
  #acks: Acks | null = null
  /** what we want to go on here */
  #wanted: Management | null = null
  /** what of its stanzas we have said to be taken */
  #told = 0
  /** how many had been sent before it was asked for; null: it was not, by us */
  #base: number | null = null
  /** of what comes, so many have come before, on another stream (DECISIONS 24) */
  #repeated = 0

  constructor(options: ManagingOptions) {
    this.#options = options
  }

  /** @param wanted what is to go on here; null: a new one begins */
  ask(wanted: Management | null, resume: boolean): void {
    const { confirmation, feed } = this.#options
    this.#wanted = wanted
    if (wanted === null || wanted.id === null) {
      this.#base = confirmation.window.sent
      confirmation.manageable()
      feed({ type: 'manage', how: { type: 'enable', resume } })
      return
    }
    // What the peer has sent is counted once nothing more of it can come.
    wanted.suspend()
    this.#told = wanted.custody.taken()
    feed({ type: 'manage', how: { type: 'resume', previd: wanted.id, h: this.#told % HANDLED_MODULUS } })
  }

  /** receiving: the peer wants to go on with `found`. */
  answer(found: Management | null): void {
    found?.suspend()
    this.#wanted = found
    this.#told = found?.custody.taken() ?? 0
    this.#options.feed({ type: 'resumption', h: found === null ? null : this.#told % HANDLED_MODULUS })
  }

  managed(managed: ManagedOutput): void {
    switch (managed.type) {
      case 'enabled':
        this.#begin(managed.id, managed.maxSeconds)
        break
      case 'resumed':
        this.#goOn(managed.h)
        break
      case 'failed':
        this.#fail(managed.h)
        break
    }
  }

  /** The peer acknowledges. @returns what is wrong with that */
  acked(h: number): Failure | null {
    return this.management === null ? null : this.#options.confirmation.acked(h)
  }

  /** The peer asks (SM-05). */
  requested(): void {
    this.#options.confirmation.asked()
    this.#acks?.requested()
  }

  request(): void {
    this.#options.write(requestElement())
  }

  /** A stanza has come. @returns false: it had come before */
  received(): boolean {
    const { management } = this
    if (management === null) return true
    if (this.#repeated > 0) {
      this.#repeated -= 1
      return false
    }
    management.custody.came()
    return true
  }

  /** The one that has come last has been given to our owner. */
  handled(): void {
    this.management?.custody.handed()
    this.#acks?.received()
  }

  /** Whether all that has come is taken, or nobody is to be told. */
  get isClear(): boolean {
    return this.#acks?.isClear ?? true
  }

  /** All that has come is taken, or `deadlineMs` have passed: our close, or its answer, says more then. */
  whenClear(deadlineMs: number, then: () => void): void {
    if (this.#acks === null) then()
    else this.#acks.whenClear(deadlineMs, then)
  }

  /** Our close is the next thing that is written. */
  close(): void {
    const isLast = this.#acks?.last() ?? true
    // Who asks behind its acknowledgement says that this was not its last word.
    if (!isLast) this.request()
    this.#acks = null
  }

  moved(): void {
    this.hasMoved = true
    this.management = null
    this.stop()
    this.#options.confirmation.moved()
  }

  /** The transport has ended. @returns what a further stream may resume */
  lost(): Management | null {
    const { management } = this
    if (management === null || management.id === null) return null
    management.moveTo(null)
    return management
  }

  stop(): void {
    this.#acks?.stop()
    this.#acks = null
    // What was to go on here did not: it stays where it was.
    this.#wanted?.proceed()
    this.#wanted = null
  }

  #begin(id: string | null, maxSeconds: number | null): void {
    const { confirmation, limits, stream, onManaged } = this.#options
    const management = new Management({
      id,
      maxMs: maxSeconds === null ? limits.resumeMs : Math.min(limits.resumeMs, maxSeconds * SECOND_MS),
      window: confirmation.window,
      base: this.#base ?? confirmation.window.sent,
      custody: new Custody(),
      stream,
    })
    confirmation.manage(management)
    this.#on(management, 0)
    onManaged(management, 0)
  }

  /** Both have it again: what the peer had not handled is sent again, what it sends again we know. */
  #goOn(h: number): void {
    const management = this.#wanted
    const { confirmation, stream, onManaged } = this.#options
    if (management === null) return
    this.#wanted = null
    const carried = management.window.sent - management.window.confirmed
    confirmation.resume(management)
    management.moveTo(stream)
    this.#repeated = management.custody.received - this.#told
    this.#on(management, this.#told)
    const fault = confirmation.acked(h)
    if (fault !== null) this.#options.feed({ type: 'end', failure: fault })
    onManaged(management, carried)
  }

  #fail(h: number | null): void {
    const { confirmation, onNotResumed, onNotManaged } = this.#options
    const wanted = this.#wanted
    if (wanted === null) {
      confirmation.unmanageable()
      onNotManaged()
      return
    }
    this.#wanted = null
    // It may still say what it had handled. What it says wrong about that is nobody's loss.
    if (h !== null) wanted.acked(h)
    wanted.proceed()
    onNotResumed()
  }

  #on(management: Management, told: number): void {
    const { limits, clock, write } = this.#options
    this.management = management
    const { custody } = management
    const tell = (taken: number) => write(ackElement(taken % HANDLED_MODULUS))
    this.#acks = new Acks({ custody, limits, clock, tell }, told)
  }
}

const SECOND_MS = 1_000
