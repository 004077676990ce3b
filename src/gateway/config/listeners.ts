import { addressText, collide, type HostPort, parseAddress, reaches, unixPath } from './address.ts'
import type { Config } from './config.ts'
import { error, type Problem } from './problem.ts'

/** Where something of ours listens. */
interface Listener {
  /** of the key that says so */
  readonly key: string
  readonly at: HostPort | { readonly path: string }
  /** listeners of one name are one listener */
  readonly name: string
  /** the table that domains share a listener by repeating; null: it is nobody else's */
  readonly shared: 'server' | 'component' | null
}

/** Listeners that get in each other's way, and addresses to connect to at which we would meet ourselves. */
export function listenerChecks(config: Config): Problem[] {
  const listeners = listenersOf(config)
  return [...collisions(listeners), ...loops(config, listeners)]
}

function listenersOf({ listen, domains, steering, admin }: Config): Listener[] {
  const listeners = new Map<string, Listener>()
  const add = (key: string, at: Listener['at'], name: string = key, shared: Listener['shared'] = null) => {
    if (!listeners.has(name)) listeners.set(name, { key, at, name, shared })
  }
  listen.forEach(({ address }, index) => {
    const path = unixPath(address)
    const at = path === null ? parseAddress(address) : { path }
    if (at !== null) add(`listen[${index}].address`, at)
  })
  domains.forEach(({ host }, index) => {
    if (host.kind === 'server') {
      host.listen.forEach((at, place) => {
        const key = `domain[${index}].server.listen[${place}]`
        add(key, at, `server ${place} ${JSON.stringify(host)}`, 'server')
      })
    } else if (host.kind === 'component') {
      const key = `domain[${index}].component.listen`
      add(key, host.listen, `component ${JSON.stringify(host)}`, 'component')
    }
  })
  if (steering !== null) add('steering.listen', steering.listen)
  if (admin.socket !== null && admin.socket !== 'off') add('admin.socket', { path: admin.socket })
  return [...listeners.values()]
}

function collisions(listeners: readonly Listener[]): Problem[] {
  return listeners.flatMap((listener, index) => {
    const first = listeners.slice(0, index).find(earlier => inTheWay(earlier.at, listener.at))
    if (first === undefined) return []
    const got = JSON.stringify('path' in listener.at ? listener.at.path : addressText(listener.at))
    const hint =
      first.shared !== null && first.shared === listener.shared
        ? `domains that share a listener repeat [domain.${first.shared}] word for word`
        : `${first.key} is in its way`
    return [error(listener.key, 'an address that stands once', got, hint)]
  })
}

function inTheWay(a: Listener['at'], b: Listener['at']): boolean {
  if ('path' in a || 'path' in b) return 'path' in a && 'path' in b && a.path === b.path
  return collide(a, b)
}

function loops({ domains, steering, proxies }: Config, listeners: readonly Listener[]): Problem[] {
  const problems: Problem[] = []
  const visit = (key: string, target: HostPort, expected: string) => {
    const own = listeners.find(({ at }) => !('path' in at) && reaches(target, at))
    if (own === undefined) return
    const hint = `we would talk to ourselves: ${own.key} is there`
    problems.push(error(key, expected, JSON.stringify(addressText(target)), hint))
  }
  domains.forEach(({ host }, index) => {
    if (host.kind === 'server')
      visit(`domain[${index}].server.address`, host.address, 'the address of the server')
  })
  steering?.upstream.forEach((upstream, index) => {
    visit(`steering.upstream[${index}]`, upstream, 'a resolver other than this one')
  })
  proxies.forEach(({ to }, index) => {
    for (const target of targetsOf(to)) visit(`proxy[${index}].to`, target, "the server's HTTP port")
  })
  return problems
}

function targetsOf(origin: string): HostPort[] {
  const { hostname, port } = new URL(origin)
  const hosts = hostname === 'localhost' ? ['127.0.0.1', '::1'] : [hostname.replace(/^\[|\]$/g, '')]
  return hosts.map(host => ({ host, port: Number(port || 80) }))
}
