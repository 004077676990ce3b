import { unixPath } from '../config/address.ts'
import { type FrontPlan, isHere } from './front.ts'
import { list, quoted } from './part.ts'

/** The first parts of isthmus.toml, lines each: where others reach us, and what that takes. */
export function frontParts({ listen, proxy }: FrontPlan): string[][] {
  if (proxy === null)
    return [['# Where other servers reach us.', ...listen.flatMap(at => ['[[listen]]', addressLine(at)])]]
  return [DIALBACK, ...listen.map(at => behindProxy(at, proxy.trusted))]
}

const DIALBACK = [
  '# What our dialback keys are made of: one for all processes that serve the domain, also while a new one starts beside',
  '# an old one. `openssl rand -hex 24` makes a good one; set it where the environment of the gateway comes from.',
  `dialback_secret = "\${DIALBACK_SECRET}"`,
]

function behindProxy(at: string, trusted: readonly string[]): string[] {
  return [
    whyThere(at),
    '[[listen]]',
    addressLine(at),
    '# It ends TLS, and says in X-Forwarded-For and X-Forwarded-Proto whom it comes for.',
    'tls = false',
    ...(unixPath(at) === null ? trustedLines(trusted, isHere(at)) : []),
    '# How many proxies append to X-Forwarded-For: docs/operations/hosting.md says where it is more than one.',
    '# forwarded_hops = 1',
  ]
}

function whyThere(at: string): string {
  if (unixPath(at) !== null)
    return '# Where the proxy reaches us: it is on this machine, and the mode of the socket says who may connect.'
  if (isHere(at))
    return '# Where the proxy reaches us: it is on this machine, and from elsewhere nobody gets here past it.'
  return at.includes('{PORT}')
    ? '# Where the proxy reaches us: it is on another machine, and the platform says in PORT where it looks for us.'
    : '# Where the proxy reaches us: it is on another machine.'
}

function trustedLines(trusted: readonly string[], here: boolean): string[] {
  return [
    '# Where the proxy connects from. Whoever else asks from there is believed too, and all others are refused.',
    ...(here ? [] : ['# Narrow it to what docs/operations/hosting.md has for your platform.']),
    `trusted_proxies = ${list(trusted)}`,
  ]
}

/** `${` begins nothing else in an address than the name of a variable. */
function addressLine(at: string): string {
  return `address = ${quoted(at)}`
}
