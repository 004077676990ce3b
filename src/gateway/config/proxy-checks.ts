import { isOwnPath } from '../../front/index.ts'
import type { Config } from './config.ts'
import { error, type Problem, warning } from './problem.ts'

/** What is wrong with proxied paths. */
export function proxyChecks(config: Config): Problem[] {
  return config.proxies.length === 0
    ? []
    : [...takenPaths(config), ...unreachablePaths(config), ...prompts(config)]
}

function takenPaths({ proxies, domains }: Config): Problem[] {
  const seen = new Map<string, string>()
  for (const [index, { url }] of domains.entries()) {
    if (url !== null) seen.set(trimmed(new URL(url).pathname), `it is where peers come: domain[${index}].url`)
  }
  return proxies.flatMap(({ path }, index) => {
    const key = `proxy[${index}].path`
    const got = JSON.stringify(path)
    if (isOwnPath(trimmed(path)))
      return [
        error(key, 'a path that is not our own', got, '/healthz and /.well-known are served by the gateway'),
      ]
    const taken = seen.get(trimmed(path))
    if (taken === undefined) {
      seen.set(trimmed(path), `proxy[${index}] has it already`)
      return []
    }
    return [error(key, 'a path that is not taken', got, taken)]
  })
}

/** '/upload/' and '/upload' are one path here. */
function trimmed(path: string): string {
  return path === '/' ? path : path.replace(/\/$/, '')
}

function unreachablePaths({ listen }: Config): Problem[] {
  if (listen.length > 0) return []
  return [warning('proxy', 'a [[listen]] through which somebody comes', 'none', '')]
}

// DECISIONS 29: a browser that is asked for a certificate asks its user.
function prompts({ listen }: Config): Problem[] {
  return listen.flatMap(({ clientCertificates, proxy }, index) =>
    clientCertificates === 'off' || proxy !== null
      ? []
      : [
          warning(
            `listen[${index}].client_certificates`,
            '"off" on a listener that browsers come to',
            '"request"',
            'browsers ask their user for a certificate; a second [[listen]] for them, with "off", avoids it',
          ),
        ],
  )
}
