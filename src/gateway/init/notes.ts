import { hasSocketsOnly } from './front.ts'
import type { InitPlan } from './plan.ts'
import { SERVER_TITLES, usualSubdomains } from './titles.ts'

/** What a person has to know beside the files, a paragraph each. */
export function initNotes(plan: InitPlan): string[] {
  return [
    ...(plan.server === 'component' ? [] : [subdomains(plan)]),
    ...(plan.proxy === null ? certificate(plan) : behindProxy(plan, plan.proxy.trusted)),
    hostMeta(plan),
    reach(plan),
    ...(plan.security === 'plaintext' && plan.server !== 'component' ? [closed(plan)] : []),
    ...(plan.server === 'jabberd2' ? [PORT_53] : []),
  ]
}

function subdomains({ domain, also }: InitPlan): string {
  const named =
    also.length === 0 ? 'Only the domain itself is served.' : `Served beside it: ${also.join(', ')}.`
  return `${named} Each further domain that the server has for rooms, uploads or transfers needs to stand in \`also\` (--also), or nobody elsewhere reaches it. Usual names: ${usualSubdomains(domain).join(', ')}.`
}

function certificate({ domain, also, identity }: InitPlan): string[] {
  if (identity === null) return []
  return [
    `${identity.certificate} must hold a certificate for ${[domain, ...also].join(', ')}, from an authority that others trust. One for a web server is right.`,
  ]
}

function behindProxy(
  { domain, also, url, identity, listen }: InitPlan,
  trusted: readonly string[],
): string[] {
  const names = [...new Set([domain, ...also, ...(URL.canParse(url) ? [new URL(url).hostname] : [])])].join(
    ', ',
  )
  const shown =
    identity === null
      ? 'Whom we dial finds out about us in the same way'
      : `Whom we dial is shown ${identity.certificate}, and where that does not do finds out about us in the same way`
  const believed = hasSocketsOnly(listen)
    ? ''
    : ` Who connects from ${trusted.join(', ')} is believed to be the proxy: let nobody else get to that port from there.`
  return [
    `TLS of those who dial us ends at the proxy, so the gateway sees no certificate of theirs: they prove themselves by dialback. The gateway asks at the address that their domain publishes, on a connection of its own, and the answer counts because the certificate there is the domain's. ${shown}, by a question to ${url}, where the certificate is that of the proxy. It must be for ${names}, from an authority that others trust.`,
    'DIALBACK_SECRET must be in the environment of the gateway, and of `isthmus config check`: `openssl rand -hex 24` makes one. It stays the same from one start to the next.',
    `The proxy must take ${names} on port ${urlPort(url)}, pass requests and WebSocket on over HTTP/1.1 to us at ${listen.join(', ')}, and set X-Forwarded-For and X-Forwarded-Proto itself.${believed}`,
    'What a platform needs beside this (how many proxies it has, how long a connection lives, its grace on stop) is in docs/operations/hosting.md. For a proxy of your own, deploy/nginx and deploy/haproxy of the repository have its configuration, each also in a variant that hands on the certificates of peers.',
  ]
}

function urlPort(url: string): string {
  return (URL.canParse(url) && new URL(url).port) || '443'
}

function hostMeta({ domain, url }: InitPlan): string {
  return `Others look for the gateway at https://${domain}/.well-known/host-meta. Where ${url} is on another host than that web site, \`isthmus config host-meta ${domain}\` prints what the site has to serve.`
}

function reach({ server, tcpEgress, steering, remote }: InitPlan): string {
  const title = SERVER_TITLES[server]
  if (server === 'component') return 'The component reaches the domains that are on WebSocket.'
  // DECISIONS 28
  if (!tcpEgress)
    return `Unreachable from now on: every domain that is not on WebSocket. ${title} brings all its streams to the gateway; a machine that may connect over TCP does better with --tcp-egress yes.`
  if (steering === 'dns')
    return `Nothing becomes unreachable: ${title} brings to the gateway what is on WebSocket, and reaches the rest by itself as before.`
  return `Nothing becomes unreachable: ${title} brings ${remote.join(', ')} to the gateway, and reaches the rest by itself as before.`
}

function closed({ server, tcpEgress }: InitPlan): string {
  const title = SERVER_TITLES[server]
  const strict = server === 'prosody' || server === 'ejabberd' ? ' --security tls keeps it open.' : ''
  return tcpEgress
    ? `With plaintext, ${title} takes streams from this machine only: servers that are not on WebSocket cannot open one to it any more, nor answer where that needs one.${strict}`
    : `With plaintext, ${title} takes streams from this machine only: whoever else reaches its port could claim to be anybody.`
}

const PORT_53 =
  'jabberd2 asks name servers at port 53 only, so the responder listens there: the gateway needs the right to (CAP_NET_BIND_SERVICE), and nothing else may listen there. Its upstream must not be 127.0.0.1.'
