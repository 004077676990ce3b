import { isLoopback, parseAddress, unixPath } from '../config/address.ts'
import { type InitAnswers, PATHS, type ServerName, type Steering, WAYS } from './answers.ts'
import { hasSocketsOnly } from './front.ts'

/** An answer that does not fit. */
export interface Fault {
  /** '--tls' */
  readonly flag: string
  readonly detail: string
}

export function faultText({ flag, detail }: Fault): string {
  return `${flag}: ${detail}`
}

/** What faults do not depend on is left out. */
export type ServerAnswers = Omit<InitAnswers, 'domain'>

/** What stands where nothing was answered. */
export interface Settled {
  readonly tcpEgress: boolean
  readonly steering: Steering | null
  readonly security: 'plaintext' | 'tls'
}

export function settle(answers: ServerAnswers): Settled {
  const { server, tcpEgress = true } = answers
  return {
    tcpEgress,
    steering: answers.steering ?? defaultSteering(server, tcpEgress),
    security: answers.security ?? defaultSecurity(answers, tcpEgress),
  }
}

function defaultSteering(server: ServerName, tcpEgress: boolean): Steering | null {
  // Without TCP nothing else is worth looking up, and this way needs no responder.
  return server === 'prosody' && !tcpEgress ? 'localzone' : (WAYS[server][0] ?? null)
}

// A server that others still reach over TCP has to stay strict; plaintext would relax that port too.
function defaultSecurity(
  { server, serverCa, serverPin }: ServerAnswers,
  tcpEgress: boolean,
): 'plaintext' | 'tls' {
  if (serverCa !== undefined || serverPin !== undefined) return 'tls'
  return tcpEgress && canBeStrict(server) ? 'tls' : 'plaintext'
}

function canBeStrict(server: ServerName): boolean {
  return server === 'prosody' || server === 'ejabberd'
}

/** All that does not fit the server, or goes together with nothing else; of each flag only the first. */
export function initFaults(answers: ServerAnswers): Fault[] {
  const settled = settle(answers)
  const faults = [
    ...uselessFor(answers),
    ...frontFaults(answers),
    ...steeringFaults(answers, settled),
    ...serverFaults(answers, settled),
  ]
  const flags = faults.map(({ flag }) => flag)
  return faults.filter(({ flag }, index) => flags.indexOf(flag) === index)
}

const SERVERS_OF_USERS: readonly ServerName[] = ['prosody', 'ejabberd', 'jabberd2', 'openfire']
const STRICT: readonly ServerName[] = SERVERS_OF_USERS.filter(canBeStrict)
const ASKING_DNS: readonly ServerName[] = SERVERS_OF_USERS.filter(server => WAYS[server].includes('dns'))

/** Answers that only these servers have a use for. What is in no list, and has no fault of its own below, is for all. */
const ONLY_FOR: readonly (readonly [keyof InitAnswers, string, readonly ServerName[]])[] = [
  ['tcpEgress', '--tcp-egress', SERVERS_OF_USERS],
  ['security', '--security', SERVERS_OF_USERS],
  ['serverAddress', '--server-address', SERVERS_OF_USERS],
  ['serverListen', '--server-listen', SERVERS_OF_USERS],
  ['serverCa', '--server-ca', STRICT],
  ['serverPin', '--server-pin', STRICT],
  ['roots', '--roots', STRICT],
  ['dnsListen', '--dns-listen', ASKING_DNS],
  ['dnsUpstream', '--dns-upstream', ASKING_DNS],
  ['componentListen', '--component-listen', ['component']],
  ['componentSecret', '--component-secret', ['component']],
]

function uselessFor(answers: ServerAnswers): Fault[] {
  const { server } = answers
  const given: Partial<InitAnswers> = answers
  return ONLY_FOR.filter(
    ([answer, , servers]) => given[answer] !== undefined && !servers.includes(server),
  ).map(([, flag, servers]) => ({
    flag,
    detail: `${server} has no use for it; it is for ${servers.join(', ')}`,
  }))
}

function frontFaults({ tls, trustedProxy, listen }: ServerAnswers): Fault[] {
  if (tls === 'proxy') return trustedProxy !== undefined && hasSocketsOnly(listen) ? [NOBODY_TO_TRUST] : []
  const faults: Fault[] = []
  if (trustedProxy !== undefined)
    faults.push({ flag: '--trusted-proxy', detail: 'it goes with --tls proxy: there is no other proxy' })
  if (listen?.some(at => unixPath(at) !== null))
    faults.push({ flag: '--listen', detail: 'a unix socket goes with --tls proxy' })
  return faults
}

const NOBODY_TO_TRUST: Fault = {
  flag: '--trusted-proxy',
  detail: 'a unix socket has no use for it: its mode says who may connect',
}

function steeringFaults({ server, remote = [] }: ServerAnswers, { tcpEgress, steering }: Settled): Fault[] {
  const ways = WAYS[server]
  if (steering !== null && !ways.includes(steering)) {
    const detail =
      ways.length === 0 ? `nothing is steered with ${server}` : `${server} has ${ways.join(', ')}`
    return [{ flag: '--steering', detail }]
  }
  const faults: Fault[] = []
  if (steering === 'localzone' && tcpEgress) {
    const detail = 'localzone takes every domain: it goes with --tcp-egress no'
    faults.push({ flag: '--steering', detail })
  }
  const listed = (steering === 'module' || steering === 'property') && tcpEgress
  if (listed && remote.length === 0) {
    const detail = 'name the domains that come to the gateway, or say --tcp-egress no'
    faults.push({ flag: '--remote', detail })
  }
  if (remote.length > 0 && !listed) {
    const detail = 'domains are listed for module and property only, with --tcp-egress yes'
    faults.push({ flag: '--remote', detail })
  }
  return faults
}

function serverFaults(answers: ServerAnswers, { security }: Settled): Fault[] {
  const { server, serverCa, serverPin } = answers
  const faults: Fault[] = []
  if (!isOfThisMachine(answers.serverAddress)) {
    const detail =
      'what init writes is for a server on this machine; for another, begin with `isthmus config sample`'
    faults.push({ flag: '--server-address', detail })
  }
  if (answers.http !== undefined && PATHS[server].length === 0)
    faults.push({ flag: '--http', detail: 'only the paths of prosody and ejabberd are known' })
  if (answers.security === 'tls' && !canBeStrict(server))
    faults.push({ flag: '--security', detail: `only plaintext is known to work with ${server}` })
  if (security === 'plaintext' && (serverCa ?? serverPin) !== undefined)
    faults.push({ flag: '--security', detail: 'plaintext has no use for --server-ca and --server-pin' })
  if (security === 'plaintext' && answers.roots !== undefined)
    faults.push({ flag: '--roots', detail: 'with plaintext the server has nobody to trust' })
  if (serverCa !== undefined && serverPin !== undefined)
    faults.push({ flag: '--server-pin', detail: 'one of --server-ca and --server-pin is enough' })
  return faults
}

/** What is no address is found out by the check of the configuration. */
function isOfThisMachine(serverAddress: string | undefined): boolean {
  const at = serverAddress === undefined ? null : parseAddress(serverAddress)
  return at === null || isLoopback(at.host)
}
