import { isLoopback, isLoopbackBlock, parseAddress, parseCidr, unixPath } from '../config/address.ts'
import type { InitAnswers } from './answers.ts'

/** Our public side: where we listen, and who may say whom it comes for. */
export interface FrontPlan {
  /** 'ADDRESS:PORT', which may have variables in it, or 'unix:PATH' */
  readonly listen: readonly string[]
  /** TLS ends at a proxy in front, at these addresses; null: it ends here */
  readonly proxy: { readonly trusted: readonly string[] } | null
}

const THIS_MACHINE = ['127.0.0.0/8', '::1/128']

/** Platforms have their proxies on networks that the internet does not route; the app's port is on these only. */
const PRIVATE_NETWORKS = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  'fc00::/7',
]

/** The platform's choice of a port. */
const PLATFORM_LISTEN = `0.0.0.0:\${PORT}`
/** Where the proxies of deploy/ look for us. */
const LOCAL_LISTEN = '127.0.0.1:8080'
const LOCAL_LISTEN_IPV6 = '[::1]:8080'

/** Whom to trust as the proxy where nothing else is known than where we listen. */
export function defaultTrusted(listen: readonly string[] | undefined): readonly string[] {
  return listen?.every(isHere) ? THIS_MACHINE : PRIVATE_NETWORKS
}

export function planFront(
  answers: Pick<InitAnswers, 'listen' | 'tls' | 'trustedProxy'>,
  url: string,
): FrontPlan {
  if (answers.tls !== 'proxy') {
    const port = URL.canParse(url) ? new URL(url).port || 443 : 443
    return { listen: answers.listen ?? [`[::]:${port}`], proxy: null }
  }
  const trusted = answers.trustedProxy ?? defaultTrusted(answers.listen)
  return { listen: answers.listen ?? [listenFor(trusted)], proxy: { trusted } }
}

/** A proxy on this machine needs no more of us than loopback; one that is elsewhere is a platform's. */
function listenFor(trusted: readonly string[]): string {
  if (!trusted.every(isBlockHere)) return PLATFORM_LISTEN
  return trusted.every(block => block.includes(':')) ? LOCAL_LISTEN_IPV6 : LOCAL_LISTEN
}

/** No address is asked for there. */
export function hasSocketsOnly(listen: readonly string[] | undefined): boolean {
  return listen?.every(at => unixPath(at) !== null) === true
}

export function isHere(listen: string): boolean {
  if (unixPath(listen) !== null) return true
  const at = parseAddress(listen)
  return at !== null && isLoopback(at.host)
}

function isBlockHere(block: string): boolean {
  return parseCidr(block) && isLoopbackBlock(block)
}
