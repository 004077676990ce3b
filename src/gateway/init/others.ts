import { unixPath } from '../config/address.ts'
import { address, gatewayAddress, type ServerPart } from './part.ts'
import type { InitPlan } from './plan.ts'

export function jabberd2Parts({ dnsListen }: InitPlan): ServerPart[] {
  const { host } = address(dnsListen)
  return [
    {
      file: '/etc/jabberd2/s2s.xml',
      place: 'in <s2s>, where it stands',
      whole: false,
      text: '<!-- <out-conn-reuse/> -->\n',
      note: 'Comment it out: with it, one refused domain ends the streams of all others.',
    },
    {
      file: '/etc/resolv.conf',
      place: 'the first nameserver',
      whole: false,
      text: `nameserver ${host}\n`,
      note: 'jabberd2 asks port 53 only. Or start its s2s with NAMESERVERS in its environment.',
    },
  ]
}

export function openfireParts(plan: InitPlan): ServerPart[] {
  const { host, port } = gatewayAddress(plan)
  const domains = plan.tcpEgress ? plan.remote : ['*']
  const override = domains.map(domain => `{${domain},${host}:${port}}`).join(',')
  return [
    {
      file: 'system properties',
      place: 'Openfire admin console, Server Manager, System Properties',
      whole: false,
      text: [
        `dnsutil.dnsOverride = ${override}`,
        'xmpp.server.tls.policy = disabled',
        'xmpp.server.dialback.enabled = true',
        '',
      ].join('\n'),
      note: 'We know these from its documentation and source and have not tried them. Port 5269 must not be reachable from other machines.',
    },
  ]
}

export function componentParts({ domain, componentListen, componentSecret }: InitPlan): ServerPart[] {
  const socket = unixPath(componentListen)
  const where = () => {
    const { host, port } = address(componentListen)
    return [`host = ${host}`, `port = ${port}`]
  }
  return [
    {
      file: 'the settings of the component',
      place: 'where its library takes them',
      whole: false,
      text: [
        `domain = ${domain}`,
        ...(socket === null ? where() : [`socket = ${socket}`]),
        `secret = ${componentSecret}`,
        '',
      ].join('\n'),
      note: '',
    },
  ]
}
