import {
  type Domain,
  type Failure,
  type NotFederable,
  type StanzaError,
  toStanzaError,
} from '../xmpp/index.ts'

// What senders are told, in a sentence that a person understands: whose fault, then which.

/** The bounce for stanzas to `whom` that `failure` stopped (SZ-20). */
export function undeliverable(whom: string, failure: Failure): StanzaError {
  const { condition, text } = toStanzaError(failure)
  return { condition, text: `${whom}: ${text}` }
}

/** The end of waiting for a stream. */
export function tooLate(afterMs: number): Failure {
  return { by: 'network', kind: 'timeout', detail: `no stream within ${Math.round(afterMs / 1_000)} s` }
}

export const STOPPING: Failure = { by: 'us', kind: 'shutdown', detail: 'this server is stopping' }

/** It was one of ours, and the operator has taken it away. */
export const GONE: Failure = { by: 'us', kind: 'gone', detail: 'this domain is no longer served here' }

/** Written, and nobody knows (DECISIONS 23). */
export function inDoubt(whom: string, failure: Failure | null): StanzaError {
  const why = failure === null ? '' : ` (${toStanzaError(failure).text})`
  return {
    condition: 'remote-server-timeout',
    text: `${whom}: the stream ended before this was confirmed${why}; it may or may not have been delivered`,
  }
}

export function queueFull(whom: string, reading: boolean): StanzaError {
  const text = reading
    ? `${whom}: reads more slowly than you send`
    : `${whom}: not reached yet, and too much is waiting for it`
  return { condition: 'resource-constraint', text }
}

/** LI-03, SZ-24 */
export function tooLarge(whose: string, bytes: number, maxBytes: number): StanzaError {
  return {
    condition: 'policy-violation',
    type: 'modify',
    text: `${whose} takes stanzas of at most ${maxBytes} bytes; this one has ${bytes}`,
  }
}

/** DECISIONS 26 */
export function notOnTheNetwork(remote: Domain, why: NotFederable): StanzaError {
  return { condition: 'remote-server-not-found', text: `${remote}: ${NOT_FEDERABLE[why]}` }
}

const NOT_FEDERABLE: Readonly<Record<NotFederable, string>> = {
  'single-label': 'a name without a dot is not reachable from here',
  'ip-literal': 'an address is no domain that can be reached from here',
  'special-use': 'this name is not of the public network',
}
