import { parseAddress, unixPath } from './address.ts'
import { SECRET_CHARACTERS } from './component-schema.ts'
import type { Config, ListenConfig, ProxyInFrontConfig } from './config.ts'
import { error, type Problem, warning } from './problem.ts'

/** What is wrong with who ends TLS in front of us, and with where peers come. */
export function frontChecks(config: Config): Problem[] {
  return [
    ...config.listen.flatMap((listen, index) =>
      listen.proxy === null ? [] : proxyInFrontChecks(listen, listen.proxy, `listen[${index}]`),
    ),
    ...portsThatNobodyServes(config),
  ]
}

function proxyInFrontChecks(
  { address }: ListenConfig,
  { trusted, certificate, secret, ca }: ProxyInFrontConfig,
  path: string,
): Problem[] {
  const problems: Problem[] = []
  const unix = unixPath(address) !== null
  const proven = unix || secret !== null || ca !== null
  if (trusted.length === 0 && !unix) {
    const hint = 'who may say that the outer scheme was https'
    problems.push(error(`${path}.trusted_proxies`, 'the addresses of the proxy', 'none', hint))
  }
  // Other proofs are asked for whatever the address.
  if (!proven) {
    trusted.forEach((block, index) => {
      if (!block.endsWith('/0')) return
      const hint = 'everybody may then say https, and whose address it is: proxy_secret prevents it'
      const got = JSON.stringify(block)
      problems.push(warning(`${path}.trusted_proxies[${index}]`, 'the addresses of the proxy', got, hint))
    })
  }
  // DECISIONS 25
  if (certificate !== null && !proven) {
    const hint = 'certificates are public, and an address alone proves no proxy'
    const expected = 'proxy_secret or proxy_ca beside it, or a unix socket'
    problems.push(error(`${path}.forwarded_certificate`, expected, 'none', hint))
  }
  if (secret !== null && secret.length < SECRET_CHARACTERS) {
    const expected = `at least ${SECRET_CHARACTERS} characters`
    const hint = 'who guesses it is the proxy; `openssl rand -hex 24` makes a good one'
    problems.push(warning(`${path}.proxy_secret`, expected, String(secret.length), hint))
  }
  return problems
}

function portsThatNobodyServes({ listen, domains }: Config): Problem[] {
  // Which port its proxy listens on is not our business.
  if (listen.some(({ address, proxy }) => proxy !== null || unixPath(address) !== null)) return []
  const ports = listen.map(({ address }) => parseAddress(address)?.port)
  return domains.flatMap(({ url }, index) => {
    if (url === null) return []
    const port = Number(new URL(url).port || 443)
    if (ports.includes(port)) return []
    const listening = ports.length === 0 ? 'no [[listen]]' : `[[listen]] on ${ports.join(', ')}`
    return [
      warning(
        `domain[${index}].url`,
        `a port that is listened on, not ${port}`,
        listening,
        'right only where something forwards the port, without ending TLS',
      ),
    ]
  })
}
