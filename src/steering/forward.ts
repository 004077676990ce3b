import type { Clock, Limits, Random } from '../base/index.ts'
import { type Endpoint, show } from './endpoint.ts'
import type { Query } from './query.ts'

/** Ask one upstream. `done` is called once at most, never in this turn; @returns how to give up, which is idempotent. */
export type Ask = (
  upstream: Endpoint,
  message: Buffer,
  /** what does not pass is not the answer */
  isAnswer: (message: Buffer) => boolean,
  done: (result: Asked) => void,
) => () => void

export type Asked =
  | { readonly ok: true; readonly message: Buffer }
  | { readonly ok: false; readonly detail: string }

export interface ForwardOptions {
  /** at least one, in the order in which they are asked */
  readonly upstream: readonly Endpoint[]
  readonly limits: Pick<Limits, 'steeringForwardMs' | 'steeringStaggerMs'>
  readonly clock: Clock
  readonly random: Random
}

export type Forwarded =
  | { readonly ok: true; readonly message: Buffer }
  | { readonly ok: false; readonly failures: readonly UpstreamFailure[] }

export interface UpstreamFailure {
  /** 'address:port' */
  readonly upstream: string
  readonly detail: string
}

/**
 * The query as it came, but for its id, to the first upstream; to the next when that fails, or beside it when it is slow.
 * The first answer goes back as it came, but for its id. Never rejects.
 */
export function forward(
  query: Query,
  ask: Ask,
  options: ForwardOptions,
  signal: AbortSignal,
): Promise<Forwarded> {
  const { upstream, limits, clock } = options
  return new Promise(resolve => {
    const running = new Map<Endpoint, () => void>()
    const failures: UpstreamFailure[] = []
    let next = 0
    const end = (result: Forwarded) => {
      deadline.cancel()
      stagger.cancel()
      signal.removeEventListener('abort', onAbort)
      for (const giveUp of running.values()) giveUp()
      resolve(result)
    }
    const onAbort = () => end({ ok: false, failures: [] })
    const deadline = clock.setTimer(limits.steeringForwardMs, () => {
      for (const endpoint of running.keys()) failures.push({ upstream: show(endpoint), detail: 'no answer' })
      end({ ok: false, failures })
    })
    let stagger = clock.setTimer(0, () => {})
    const askNext = () => {
      stagger.cancel()
      const endpoint = upstream[next]
      if (endpoint === undefined) {
        if (running.size === 0) end({ ok: false, failures })
        return
      }
      next += 1
      if (next < upstream.length) stagger = clock.setTimer(limits.steeringStaggerMs, askNext)
      const attempt = disguise(query, options.random)
      const onDone = (result: Asked) => {
        running.delete(endpoint)
        if (result.ok) {
          end({ ok: true, message: withId(result.message, query.message.readUInt16BE(0)) })
          return
        }
        failures.push({ upstream: show(endpoint), detail: result.detail })
        askNext()
      }
      running.set(endpoint, ask(endpoint, attempt.message, attempt.isAnswer, onDone))
    }
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else askNext()
  })
}

/** An id that nobody can foresee, and how its answer is known (RFC 5452 §9.1; address and port are the socket's part). */
function disguise(query: Query, random: Random) {
  const [high = 0, low = 0] = random.bytes(2)
  const id = (high << 8) | low
  const question = foldedQuestion(query.message, query.questionEnd)
  const isAnswer = (message: Buffer) =>
    message.length >= query.questionEnd &&
    message.readUInt16BE(0) === id &&
    (message.readUInt16BE(2) & RESPONSE_AND_OPCODE) === RESPONSE &&
    message.readUInt16BE(4) === 1 &&
    foldedQuestion(message, query.questionEnd).equals(question)
  return { message: withId(query.message, id), isAnswer }
}

/** The question section; case does not count in its name, but in no other part of it. */
function foldedQuestion(message: Buffer, end: number): Buffer {
  const question = Buffer.from(message.subarray(HEAD_BYTES, end))
  for (const [index, byte] of question.subarray(0, -TYPE_AND_CLASS_BYTES).entries())
    if (byte >= UPPER_A && byte <= UPPER_Z) question[index] = byte | 0x20
  return question
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message)
  copy.writeUInt16BE(id, 0)
  return copy
}

const HEAD_BYTES = 12
const TYPE_AND_CLASS_BYTES = 4
const RESPONSE = 0x8000
const RESPONSE_AND_OPCODE = 0xf800
// No length of a label is a letter.
const UPPER_A = 0x41
const UPPER_Z = 0x5a
