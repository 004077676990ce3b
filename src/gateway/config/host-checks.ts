import { addressText, isLoopback, isLoopbackBlock } from './address.ts'
import { SECRET_CHARACTERS } from './component-schema.ts'
import type { ComponentConfig, Config, ServerConfig } from './config.ts'
import { error, type Problem, warning } from './problem.ts'

/** What is wrong with servers and components beside us, and with how servers are brought to us. */
export function hostChecks(config: Config): Problem[] {
  return [
    ...config.domains.flatMap(({ host }, index) => {
      if (host.kind === 'server') return serverChecks(host, `domain[${index}].server`)
      return host.kind === 'component' ? componentChecks(host, `domain[${index}].component`) : []
    }),
    ...steeringChecks(config),
  ]
}

function serverChecks({ address, listen, allow, security }: ServerConfig, path: string): Problem[] {
  const problems: Problem[] = []
  if (address.port === 0) problems.push(error(`${path}.address`, 'a port that can be dialled', '0', ''))
  const open = security.kind === 'plaintext'
  if (open && !isLoopback(address.host)) {
    const hint = 'what is said there can be read and changed on the way: security = "tls" prevents it'
    problems.push(
      warning(`${path}.address`, 'a loopback address', JSON.stringify(addressText(address)), hint),
    )
  }
  listen.forEach((at, index) => {
    if (isLoopback(at.host)) return
    const got = JSON.stringify(addressText(at))
    const hint = 'right only where the server is on another machine'
    problems.push(warning(`${path}.listen[${index}]`, 'a loopback address', got, hint))
  })
  allow.forEach((block, index) => {
    if (!open || isLoopbackBlock(block)) return
    const hint = 'with security = "plaintext" nothing is encrypted on the way'
    problems.push(warning(`${path}.allow[${index}]`, 'loopback addresses only', JSON.stringify(block), hint))
  })
  return problems
}

function componentChecks({ listen, secret }: ComponentConfig, path: string): Problem[] {
  const problems: Problem[] = []
  if (secret.length < SECRET_CHARACTERS) {
    const expected = `at least ${SECRET_CHARACTERS} characters`
    const hint = 'who guesses it is the domain; `openssl rand -hex 24` makes a good one'
    problems.push(warning(`${path}.secret`, expected, String(secret.length), hint))
  }
  if (!('path' in listen) && !isLoopback(listen.host)) {
    const hint = 'components do not encrypt: whoever is on the way reads along'
    problems.push(warning(`${path}.listen`, 'a loopback address', JSON.stringify(addressText(listen)), hint))
  }
  return problems
}

function steeringChecks({ steering, domains }: Config): Problem[] {
  if (steering === null) return []
  const problems: Problem[] = []
  const at = JSON.stringify(addressText(steering.listen))
  if (!isLoopback(steering.listen.host)) {
    const hint = 'it would be a resolver for everybody, whom others abuse'
    problems.push(error('steering.listen', 'a loopback address', at, hint))
  }
  steering.upstream.forEach(({ port }, index) => {
    if (port === 0) problems.push(error(`steering.upstream[${index}]`, 'a port that can be asked', '0', ''))
  })
  const servers = domains.flatMap(({ host }) => (host.kind === 'server' ? [host] : []))
  if (servers.length === 0) {
    const hint = 'the responder brings a server to us, and there is none'
    problems.push(warning('steering', 'a domain with host = "server"', 'none', hint))
  }
  // Nothing in a DNS query says which server asks.
  const listeners = new Set(servers.map(({ listen }) => JSON.stringify(listen.map(({ port }) => port))))
  if (listeners.size > 1) {
    const hint = 'all servers that ask are brought to the first; steer the others by other means'
    problems.push(
      warning('steering', 'one [domain.server] listen for all', `${listeners.size} of them`, hint),
    )
  }
  // DECISIONS 28
  if (steering.steer === 'all') {
    const hint = 'right only where the server cannot connect to others over TCP'
    const got = '"all": domains that are not on WebSocket cannot be reached'
    problems.push(warning('steering.steer', '"websocket-only"', got, hint))
  }
  return problems
}
