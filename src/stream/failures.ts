import type { Failure } from '../xmpp/index.ts'
import { violated } from './errors.ts'

// Ends that always have the same words.

export const NO_FROM: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the stream has no from, so no certificate can prove it',
}

export const NO_TLS: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'without TLS no certificate proves anything',
}

export const NO_CERTIFICATE: Failure = {
  by: 'peer',
  kind: 'identity',
  reason: 'no-certificate',
  detail: 'no certificate was presented',
}

export const WRONG_VERDICT: Failure = { by: 'us', kind: 'internal', detail: 'a verdict about another domain' }

export const OTHER_FROM = violated('invalid-from', 'ST-18', 'another from after authentication')

export const OTHER_TO = violated('host-unknown', 'ST-18', 'another to after authentication')

export const CLOSED_EARLY: Failure = {
  by: 'peer',
  kind: 'closed',
  detail: 'before the stream was established',
}

export const NO_HEADER: Failure = {
  by: 'network',
  kind: 'timeout',
  detail: 'the peer did not open its stream in time',
}

export const NOT_AUTHENTICATED: Failure = {
  by: 'network',
  kind: 'timeout',
  detail: 'authentication took too long',
}

export const NOTHING_IN_COMMON: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer offers neither SASL EXTERNAL nor dialback',
}

export const DIALBACK_IS_OFF: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer offers no SASL EXTERNAL, only dialback, which is off here',
}

export const NOTHING_TO_SHOW: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer takes only SASL EXTERNAL, and there is no certificate here to show',
}

export const NO_STARTTLS: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer does not offer TLS, which is required here',
}

export const TLS_REFUSED: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer offers TLS and then refuses it',
}

export const AUTHENTICATION_AGAIN: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'the peer asks for authentication again after its success',
}

export const WRONG_KEY: Failure = {
  by: 'peer',
  kind: 'unauthenticated',
  detail: 'its dialback key is not one of the domain that it claims',
}

export const UNVERIFIED: Failure = {
  by: 'network',
  kind: 'timeout',
  detail: 'the question about a dialback key was not answered in time',
}

/** WS-53 */
export function redirectedTo(uri: string): Failure {
  return { by: 'peer', kind: 'redirect', uri, detail: 'in place of a stream' }
}
