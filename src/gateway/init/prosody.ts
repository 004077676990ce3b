import { AUTHORITY_CERTIFICATE, AUTHORITY_DIRECTORY } from '../config/server-schema.ts'
import { address, gatewayAddress, httpAddress, type ServerPart } from './part.ts'
import type { InitPlan } from './plan.ts'

/** What Prosody needs: a file of its own, as Debian's Prosody includes conf.d/ in the global section. */
export function prosodyParts(plan: InitPlan): ServerPart[] {
  const lines = [
    `-- Prosody beside Isthmus, which federates ${plan.domain} over WebSocket.`,
    '-- These are global settings: a file of its own that is included, or the lines before the first VirtualHost.',
    '',
    ...(plan.security === 'tls' ? strict(plan) : plaintext(plan)),
    '',
    '-- The gateway carries many domains over few streams and has limits of its own. Without a value here',
    '-- mod_limits takes 30 kB/s. c2s is as Debian has it.',
    'limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "10mb/s" } }',
    '',
    ...steering(plan),
    ...(plan.http === null ? [] : ['', ...http(plan, plan.http)]),
  ]
  const notes = [
    plan.steering === 'module' ? MODULE_NOTE : 'It needs lua-unbound (Debian: apt install lua-unbound).',
    plan.security === 'tls'
      ? `Start the gateway once, then: install -m 644 ${AUTHORITY_DIRECTORY}/${AUTHORITY_CERTIFICATE} ${plan.roots}`
      : '"dialback" must be in modules_enabled; it is in the stock list.',
    ...(plan.http === null ? [] : ['"websocket" and "bosh" must be in modules_enabled.']),
    'With "s2s_bidi" in modules_enabled one stream serves both ways.',
  ]
  return [
    {
      file: '/etc/prosody/conf.d/isthmus.cfg.lua',
      place: 'a file of its own',
      whole: true,
      text: `${lines.join('\n')}\n`,
      note: notes.join('\n'),
    },
  ]
}

function plaintext({ serverAddress }: InitPlan): string[] {
  const { host, port } = address(serverAddress)
  return [
    '-- The gateway talks plaintext and dialback. Both are allowed on every port for servers, so these are',
    '-- on this machine only.',
    `s2s_interfaces = { ${lua(host)} }`,
    `s2s_ports = { ${port} }`,
    's2s_direct_tls_ports = {}',
    's2s_require_encryption = false',
    's2s_secure_auth = false',
  ]
}

function strict({ roots, serverAddress }: InitPlan): string[] {
  const { port } = address(serverAddress)
  return [
    '-- The gateway proves each remote domain with a certificate of its own authority, so Prosody stays as strict as',
    '-- it is. The authorities of the system stay trusted. Have an `ssl` already? Add cafile to it.',
    `ssl = { cafile = ${lua(roots)} }`,
    `s2s_ports = { ${port} }`,
    '-- As Debian has it. If yours takes servers that prove less, leave these two lines out.',
    's2s_require_encryption = true',
    's2s_secure_auth = true',
  ]
}

function steering(plan: InitPlan): string[] {
  const gateway = gatewayAddress(plan)
  switch (plan.steering) {
    case 'dns': {
      const { host, port } = address(plan.dnsListen)
      return [
        '-- Names are looked up at the gateway, which answers for the domains that it takes and passes on the rest.',
        `unbound = { resolvconf = false; hoststxt = false; forward = { ${lua(`${host}@${port}`)} } }`,
      ]
    }
    case 'module':
      return [
        '-- mod_s2s_isthmus brings streams to the gateway; DNS stays as it is.',
        '-- (Prosody 13. In 0.12.4 and later, put "s2s_isthmus" into the list of modules_enabled instead.)',
        'modules_enabled { "s2s_isthmus" }',
        `isthmus_gateway = { ${lua(gateway.host)}, ${gateway.port} }`,
        ...(plan.tcpEgress ? [`isthmus_domains = { ${plan.remote.map(lua).join(', ')} }`] : []),
      ]
    default:
      return [
        '-- Every name that Prosody looks up is answered with the gateway, without asking anybody. Modules that',
        '-- connect over HTTP find nothing any more.',
        'unbound = { resolvconf = false; hoststxt = false; options = {',
        '  ["local-zone:"] = ". redirect";',
        `  ["local-data:"] = ". 3600 IN SRV 0 0 ${gateway.port} localhost.";`,
        '} }',
      ]
  }
}

function http({ domain, url, proxy }: InitPlan, origin: string): string[] {
  const { host, port } = httpAddress(origin)
  return [
    `-- Users come in through the gateway; TLS ends ${proxy === null ? 'there' : 'at the proxy in front'}. Their addresses are in X-Forwarded-For.`,
    `http_interfaces = { ${lua(host)} }`,
    `http_ports = { ${port} }`,
    'https_ports = {}',
    'trusted_proxies = { "127.0.0.1", "::1" }',
    `http_default_host = ${lua(domain)}`,
    `http_external_url = ${lua(`https://${new URL(url).host}/`)}`,
    'consider_websocket_secure = true',
    'consider_bosh_secure = true',
  ]
}

const MODULE_NOTE =
  'It needs Prosody 0.12.4 or newer, and contrib/prosody/mod_s2s_isthmus.lua of this package in a folder of plugin_paths (Debian: /usr/local/lib/prosody/modules).'

function lua(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`
}
