import type { InitPlan } from './answers.ts'
import { SERVER_TITLES, usualSubdomains } from './titles.ts'

/** What a person has to know beside the files, a paragraph each. */
export function initNotes(plan: InitPlan): string[] {
  return [
    ...(plan.server === 'component' ? [] : [subdomains(plan)]),
    certificate(plan),
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

function certificate({ domain, also, certificate }: InitPlan): string {
  return `${certificate} must hold a certificate for ${[domain, ...also].join(', ')}, from an authority that others trust. One for a web server is right.`
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
