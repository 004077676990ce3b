import type { Answer } from 'dns-packet'
import { type Domain, isFederable, parseDomain } from '../xmpp/index.ts'
import { answerTo, RCODE, type Via } from './message.ts'
import type { Query } from './query.ts'

/** What a question gets. */
export type Plan =
  | { readonly kind: 'answer'; readonly message: Buffer }
  /** `steeredAnswer` where the domain is steered, else forwarded */
  | { readonly kind: 'decide'; readonly domain: Domain; readonly service: Service }
  | { readonly kind: 'forward' }

/** `xmpps-server`: TLS from the first byte (XEP-0368). */
export type Service = 'xmpp-server' | 'xmpps-server'

export interface AnswerFacts {
  /** where the gateway takes the streams that a local server opens */
  readonly port: number
  readonly ttlMs: number
}

export function planFor(query: Query, via: Via, facts: AnswerFacts): Plan {
  const { asked } = query
  if (asked === null) return { kind: 'forward' }
  // A zone comes in many messages; whoever transfers zones asks its server.
  if (ZONE_TRANSFERS.has(asked.type)) return answer(answerTo(query, via, { rcode: RCODE.refused }))
  if (isLocalhost(asked.name)) return answer(localhost(query, asked.type, via, facts))
  if (asked.type !== 'SRV') return { kind: 'forward' }
  const found = SERVICE_NAME.exec(asked.name)
  const domain = parseDomain(found?.[2] ?? '')
  if (domain === null || !isFederable(domain)) return { kind: 'forward' }
  return { kind: 'decide', domain, service: found?.[1] === 'xmpps' ? 'xmpps-server' : 'xmpp-server' }
}

/** The gateway, for streams that begin in the clear; that there is none, for those that begin with TLS. */
export function steeredAnswer(query: Query, service: Service, via: Via, facts: AnswerFacts): Buffer {
  const name = query.asked?.name ?? '.'
  if (query.edns !== null && query.edns.version !== 0) return answerTo(query, via, BAD_VERSION)
  // The start of authority says nothing of the domain itself, only that beside our record there is none.
  if (service === 'xmpps-server')
    return answerTo(query, via, {
      rcode: RCODE.nameError,
      authorities: [startOfAuthority(name.slice(name.indexOf('.') + 1), facts)],
    })
  const data = { priority: 0, weight: 0, port: facts.port, target: 'localhost' }
  return answerTo(query, via, {
    rcode: RCODE.noError,
    answers: [{ type: 'SRV', name, ttl: seconds(facts.ttlMs), data }],
  })
}

/** RFC 6761 §6.3. libunbound asks us for the target of our own records, and nobody else need know of it. */
function localhost(query: Query, type: string, via: Via, facts: AnswerFacts): Buffer {
  const name = query.asked?.name ?? '.'
  if (query.edns !== null && query.edns.version !== 0) return answerTo(query, via, BAD_VERSION)
  const ttl = seconds(facts.ttlMs)
  const answers: Answer[] = []
  if (type === 'A') answers.push({ type, name, ttl, data: '127.0.0.1' })
  if (type === 'AAAA') answers.push({ type, name, ttl, data: '::1' })
  if (answers.length > 0) return answerTo(query, via, { rcode: RCODE.noError, answers })
  return answerTo(query, via, {
    rcode: RCODE.noError,
    authorities: [startOfAuthority('localhost', facts)],
  })
}

/** RFC 2308 §3: without it nobody may keep a negative answer; the ttl is how long. */
function startOfAuthority(name: string, { ttlMs }: AnswerFacts): Answer {
  const ttl = seconds(ttlMs)
  return {
    type: 'SOA',
    name,
    ttl,
    data: {
      mname: 'localhost',
      rname: 'nobody.invalid',
      serial: 1,
      refresh: ttl,
      retry: ttl,
      expire: ttl,
      minimum: ttl,
    },
  }
}

function answer(message: Buffer): Plan {
  return { kind: 'answer', message }
}

function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function seconds(ms: number): number {
  return Math.ceil(ms / 1_000)
}

const SERVICE_NAME = /^_(xmpps?)-server\._tcp\.(.+)$/
const ZONE_TRANSFERS: ReadonlySet<string> = new Set(['AXFR', 'IXFR'])
const BAD_VERSION = { rcode: RCODE.badVersion }
