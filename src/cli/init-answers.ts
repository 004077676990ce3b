import {
  defaultTrusted,
  hasSocketsOnly,
  type InitAnswers,
  parseCidr,
  SERVERS,
  TLS_ENDS,
} from '../gateway/index.ts'
import { type Domain, notFederable, parseDomain } from '../xmpp/index.ts'
import type { Questions, Read } from './questions.ts'

/** What `isthmus init` must know, as far as flags said it. */
export type KnownAnswers = Omit<InitAnswers, 'server' | 'domain'> &
  Partial<Pick<InitAnswers, 'server' | 'domain'>>

/** Ask for what flags have not said; null: nobody answered. */
export async function askAnswers(known: KnownAnswers, questions: Questions): Promise<InitAnswers | null> {
  const server = known.server ?? (await questions.ask(`Which server (${SERVERS.join(', ')})`, '', readServer))
  if (server === null) return null
  const domain = known.domain ?? (await questions.ask('Its domain', '', readDomain))
  if (domain === null) return null
  const also = known.also ?? (await questions.ask(ALSO(domain), '', readDomains))
  if (also === null) return null
  const url = known.url ?? (await questions.ask('Where others reach us', `wss://${domain}/s2s`, readText))
  if (url === null) return null
  const front = await askFront(known, questions)
  if (front === null) return null
  const answers = { ...known, server, domain, also, url, ...front }
  if (server === 'component' || known.tcpEgress !== undefined) return answers
  // DECISIONS 28
  const tcpEgress = await questions.ask(EGRESS, 'yes', readYesNo)
  return tcpEgress === null ? null : { ...answers, tcpEgress }
}

/** Who ends TLS, and where that is. */
async function askFront(
  known: KnownAnswers,
  questions: Questions,
): Promise<Pick<InitAnswers, 'tls' | 'trustedProxy'> | null> {
  const tls = known.tls ?? (await questions.ask(TLS, 'here', readTlsEnd))
  if (tls !== 'proxy' || known.trustedProxy !== undefined || hasSocketsOnly(known.listen))
    return tls === null ? null : { tls }
  const trustedProxy = await questions.ask(TRUSTED, defaultTrusted(known.listen).join(' '), readBlocks)
  return trustedProxy === null ? null : { tls, trustedProxy }
}

const TLS =
  'Where does the TLS of others end: here, or at a proxy in front of this machine, as on hosting that lets only HTTPS through (here, proxy)'

const TRUSTED =
  'Where that proxy connects from, as CIDR blocks: only from there anything is answered. 127.0.0.0/8 is a proxy on this machine; a platform has its proxies on private networks'

const ALSO = (domain: Domain) =>
  `Its further domains, such as conference.${domain}, rooms.${domain} or upload.${domain}: each that others talk to (none: an empty line)`

const EGRESS =
  'Can this machine connect to other servers over TCP, port 5269? With "no" all goes through the gateway, and domains that are not on WebSocket become unreachable'

function readServer(answer: string): Read<InitAnswers['server']> {
  const server = SERVERS.find(name => name === answer.toLowerCase())
  return server === undefined ? { wrong: `One of ${SERVERS.join(', ')}, please.` } : { value: server }
}

function readTlsEnd(answer: string): Read<(typeof TLS_ENDS)[number]> {
  const end = TLS_ENDS.find(name => name === answer.toLowerCase())
  return end === undefined ? { wrong: `One of ${TLS_ENDS.join(', ')}, please.` } : { value: end }
}

function readBlocks(answer: string): Read<string[]> {
  const blocks = wordsOf(answer)
  if (blocks.length === 0) return { wrong: 'At least one, please.' }
  const wrong = blocks.find(block => !parseCidr(block))
  return wrong === undefined
    ? { value: blocks }
    : { wrong: `${wrong}: an address, a slash and the length of the prefix.` }
}

function wordsOf(answer: string): string[] {
  return answer.split(/[\s,]+/).filter(text => text !== '')
}

function readDomain(answer: string): Read<Domain> {
  const domain = parseDomain(answer)
  if (domain === null) return { wrong: 'That is not a domain.' }
  return notFederable(domain) === null
    ? { value: domain }
    : { wrong: 'That is no domain of the public network.' }
}

function readDomains(answer: string): Read<Domain[]> {
  const domains: Domain[] = []
  for (const name of wordsOf(answer)) {
    const read = readDomain(name)
    if ('wrong' in read) return { wrong: `${name}: ${read.wrong}` }
    domains.push(read.value)
  }
  return { value: domains }
}

function readText(answer: string): Read<string> {
  return { value: answer }
}

function readYesNo(answer: string): Read<boolean> {
  if (/^y(es)?$/i.test(answer)) return { value: true }
  return /^no?$/i.test(answer) ? { value: false } : { wrong: 'yes or no, please.' }
}
