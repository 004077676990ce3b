import { PATHS } from './answers.ts'
import { frontParts } from './front-text.ts'
import { list, toml } from './part.ts'
import type { InitPlan } from './plan.ts'
import { SERVER_TITLES, usualSubdomains } from './titles.ts'

/** isthmus.toml */
export function configText(plan: InitPlan): string {
  const title = SERVER_TITLES[plan.server]
  const parts = [
    [
      `# Isthmus beside ${title}, for ${plan.domain}. Every key is in docs/CONFIG.md.`,
      '# Names of files are relative to this file.',
    ],
    ...frontParts(plan),
    domainLines(plan),
    plan.server === 'component' ? componentLines(plan) : serverLines(plan, title),
    ...(plan.steering === 'dns' ? [steeringLines(plan)] : []),
    ...(plan.http === null ? [] : [proxyLines(plan, plan.http)]),
  ]
  return `${parts.map(lines => lines.join('\n')).join('\n\n')}\n`
}

function domainLines({ domain, also, url, identity, proxy, server }: InitPlan): string[] {
  return [
    '[[domain]]',
    `name = ${toml(domain)}`,
    ...(server === 'component'
      ? ['# Further domains that the component answers for, and that the certificate is for too.']
      : [
          '# Every further domain of the server that others talk to, and that the certificate is for too. Usual are',
          `# ${usualSubdomains(domain).join(', ')}.`,
        ]),
    `also = ${list(also)}`,
    '# Where other servers reach the domain.',
    `url = ${toml(url)}`,
    ...(identity === null
      ? ['# There is no certificate here: the one of the proxy, which ends TLS, is the proof of the domain.']
      : [
          ...(proxy === null
            ? []
            : ['# Shown to the peers that we dial; those that dial us see the one of the proxy.']),
          '# The chain, leaf first, and its key. They are read again when they change.',
          `certificate = ${toml(identity.certificate)}`,
          `key = ${toml(identity.key)}`,
        ]),
    `host = ${toml(server === 'component' ? 'component' : 'server')}`,
  ]
}

function serverLines({ serverAddress, serverListen, security, ...plan }: InitPlan, title: string): string[] {
  return [
    '[domain.server]',
    `# Where ${title} takes streams of other servers.`,
    `address = ${toml(serverAddress)}`,
    `# Where ${title} brings its own, whatever domain they are for.`,
    `listen = ${list(serverListen)}`,
    ...(security === 'tls'
      ? [`# ${title} stays strict: we have a certificate of our own authority for each remote domain.`]
      : ['# Nothing of it leaves this machine.']),
    `security = ${toml(security)}`,
    ...(plan.serverCa === null
      ? []
      : [`# Whom the certificate of ${title} is from; a self-signed one may stand here itself.`]),
    ...(plan.serverCa === null ? [] : [`ca = ${toml(plan.serverCa)}`]),
    ...(plan.serverPin === null ? [] : [`pin = ${toml(plan.serverPin)}`]),
  ]
}

function componentLines({ componentListen, componentSecret }: InitPlan): string[] {
  return [
    '[domain.component]',
    '# Where the component connects.',
    `listen = ${toml(componentListen)}`,
    `secret = ${toml(componentSecret)}`,
    '# How long stanzas wait for the component while it is away; "0s": they are bounced at once.',
    'hold = "0s"',
  ]
}

function steeringLines({ dnsListen, dnsUpstream, tcpEgress }: InitPlan): string[] {
  return [
    '# The server asks here for the addresses of other domains.',
    '[steering]',
    `listen = ${toml(dnsListen)}`,
    '# Where everything else is asked for: the resolvers that this machine had.',
    `upstream = ${list(dnsUpstream)}`,
    ...(tcpEgress
      ? ['# The server reaches domains that are not on WebSocket by itself.']
      : ['# Domains that are not on WebSocket cannot be reached.']),
    `steer = ${toml(tcpEgress ? 'websocket-only' : 'all')}`,
  ]
}

function proxyLines({ server }: InitPlan, http: string): string[] {
  return [
    '# Its users reach the server through our port, and host-meta tells them so.',
    ...PATHS[server].flatMap(({ path, link }) => [
      '[[proxy]]',
      `path = ${toml(path)}`,
      `to = ${toml(http)}`,
      `link = ${toml(link)}`,
    ]),
  ]
}
