/**
 * steering: a DNS responder that brings the outgoing streams of a local server to us, with no plugin in it. The server asks us
 * as its resolver; for domains that are steered, `_xmpp-server._tcp` is the gateway.
 *
 * It is not: a resolver (everything else goes to one, unchanged), a cache, or the judge of which domain is steered, which
 * is injected.
 *
 * Theory. A message becomes a query, or an error, or nothing (query.ts); what a query gets is a function of it (answer.ts):
 * an answer of ours, the question whether a domain is steered, or the way to an upstream. Whatever is undecided, late or
 * not understood goes to the upstream: with us in between nobody finds less than without. An upstream's answer counts only
 * if it comes from where we asked, by the socket that asked, with an id and a question that we sent (forward.ts, ask.ts).
 *
 * RFC 1035, 2308, 2782, 5452 §9, 6761 §6.3, 6891, 7766, 9619; XEP-0368; DECISIONS 28.
 */
export type { Decide } from './decisions.ts'
export { type Endpoint, steeringProblem } from './endpoint.ts'
export { createSteering, type Steering, type SteeringOptions } from './steering.ts'
