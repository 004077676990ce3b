import type { Timer } from '../base/index.ts'
import type { HostContext } from '../federation/index.ts'
import { bounce, formatJid, isRequest, type Jid, type Stanza, type StanzaCondition } from '../xmpp/index.ts'

interface Waiting {
  readonly request: Stanza
  readonly settle: (answer: Stanza) => void
}

/** Our own iq requests on their way. Each has exactly one outcome. */
export class Requests {
  readonly #waiting = new Map<string, Waiting>()

  /** Send `request`; see EmbeddedHost.request. */
  ask(
    request: Stanza,
    context: HostContext,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Stanza> {
    if (!isRequest(request)) throw new TypeError(`only an iq get or set is answered, not ${request.kind}`)
    const key = answerKey(request.id, request.to, request.from)
    if (this.#waiting.has(key)) throw new TypeError(`a request with id ${request.id} to there waits already`)
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.#waiting.size >= context.limits.hostRequests) {
      return Promise.resolve(
        failed(request, 'resource-constraint', 'too many requests wait for their answer'),
      )
    }
    return new Promise((resolve, reject) => {
      let timer: Timer | null = null
      const forget = () => {
        this.#waiting.delete(key)
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
      }
      const settle = (answer: Stanza) => {
        forget()
        resolve(answer)
      }
      const onAbort = () => {
        forget()
        reject(signal?.reason)
      }
      this.#waiting.set(key, { request, settle })
      signal?.addEventListener('abort', onAbort, { once: true })
      timer = context.clock.setTimer(timeoutMs, () =>
        settle(failed(request, 'remote-server-timeout', 'no answer came in time')),
      )
      try {
        // How many may wait is bounded above; the answer, not the room to send, is what is waited for.
        void context.send(request)
      } catch (defect) {
        forget()
        throw defect
      }
    })
  }

  /** Hand an iq result or error to who waits for it. Only the one who was asked can answer. */
  answered(answer: Stanza): void {
    this.#waiting.get(answerKey(answer.id, answer.from, answer.to))?.settle(answer)
  }

  /** Nobody is left waiting. */
  end(): void {
    for (const { request, settle } of [...this.#waiting.values()]) {
      settle(failed(request, 'remote-server-timeout', 'stopped before an answer came'))
    }
  }
}

/** No address contains a line feed, and an id is the last. */
function answerKey(id: string, asked: Jid, asking: Jid): string {
  return `${formatJid(asked)}\n${formatJid(asking)}\n${id}`
}

function failed(request: Stanza, condition: StanzaCondition, text: string): Stanza {
  const answer = bounce(request, { condition, text })
  if (answer === null) throw new TypeError('a request can always be answered')
  return answer
}
