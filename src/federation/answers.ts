import type { Stanza } from '../xmpp/index.ts'

/** Questions of our own to peers, and their answers, on whichever stream these come: hosts never see them. */
export class Answers {
  /** null while nobody waits: the path of every stanza asks */
  #awaited: Set<Awaited> | null = null

  /** Wait for the iq answer with this unguessable id. Resolves with null once `signal` is aborted. */
  answerTo(request: Stanza, signal: AbortSignal): Promise<Stanza | null> {
    return new Promise(resolve => {
      const awaited: Awaited = {
        request,
        settle: answer => {
          this.#awaited?.delete(awaited)
          if (this.#awaited?.size === 0) this.#awaited = null
          signal.removeEventListener('abort', onAbort)
          resolve(answer)
        },
      }
      const onAbort = () => awaited.settle(null)
      signal.addEventListener('abort', onAbort)
      this.#awaited ??= new Set()
      this.#awaited.add(awaited)
      if (signal.aborted) onAbort()
    })
  }

  /** Whether it was such an answer, and is told now. */
  takes(stanza: Stanza): boolean {
    return this.#awaited !== null && this.#settles(stanza, this.#awaited)
  }

  #settles(stanza: Stanza, all: ReadonlySet<Awaited>): boolean {
    if (stanza.kind !== 'iq' || (stanza.type !== 'result' && stanza.type !== 'error')) return false
    for (const { request, settle } of all) {
      if (stanza.id !== request.id || stanza.from.domain !== request.to.domain) continue
      if (stanza.to.domain !== request.from.domain) continue
      settle(stanza)
      return true
    }
    return false
  }
}

interface Awaited {
  readonly request: Stanza
  readonly settle: (answer: Stanza | null) => void
}
