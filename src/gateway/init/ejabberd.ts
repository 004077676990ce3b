import { AUTHORITY_CERTIFICATE, AUTHORITY_DIRECTORY } from '../config/server-schema.ts'
import { address, httpAddress, quoted, type ServerPart } from './part.ts'
import { type InitPlan, SYSTEM_ROOTS } from './plan.ts'

const OWN_FILE = '/etc/ejabberd/isthmus.yml'
const MAIN_FILE = '/etc/ejabberd/ejabberd.yml'

/** What ejabberd needs: its resolver, and a file that its configuration includes. */
export function ejabberdParts(plan: InitPlan): ServerPart[] {
  const { port } = address(plan.serverAddress)
  const twice = [
    's2s_use_starttls, s2s_max_retry_delay and ca_file',
    `the entry for ejabberd_s2s_in on port ${port} in listen`,
    'mod_s2s_dialback in modules',
  ]
  return [
    resolver(plan),
    {
      file: OWN_FILE,
      place: 'a file of its own',
      whole: true,
      text: `${included(plan).join('\n')}\n`,
      note:
        plan.security === 'tls'
          ? `Start the gateway once, then: cat ${SYSTEM_ROOTS} ${AUTHORITY_DIRECTORY}/${AUTHORITY_CERTIFICATE} > ${plan.roots}`
          : '',
    },
    {
      file: MAIN_FILE,
      place: 'at the top level',
      whole: false,
      text: `include_config_file:\n  - ${OWN_FILE}\n`,
      note: `Nothing may stand in both files, so take out of this one, where it is there: ${twice.join('; ')}.`,
    },
  ]
}

// Lists and modules of an included file come beside those of the file that includes it.
function included(plan: InitPlan): string[] {
  const strict = plan.security === 'tls'
  const { host, port } = address(plan.serverAddress)
  return [
    `# ejabberd beside Isthmus, which federates ${plan.domain} over WebSocket.`,
    ...(strict ? strictLines(plan) : PLAINTEXT),
    '# One failure would otherwise be answered from memory for up to five minutes.',
    's2s_max_retry_delay: 1',
    'listen:',
    '  -',
    `    port: ${port}`,
    `    ip: ${quoted(strict ? '::' : host)}`,
    '    module: ejabberd_s2s_in',
    '    max_stanza_size: 524288',
    ...(plan.http === null ? [] : http(plan, plan.http)),
    'modules:',
    ...(strict ? ['  # As in the stock file: for servers that come over TCP.'] : []),
    '  mod_s2s_dialback: {}',
  ]
}

function http({ proxy }: InitPlan, origin: string): string[] {
  const { host, port } = httpAddress(origin)
  return [
    `  # Users come in through the gateway; TLS ends ${proxy === null ? 'there' : 'at the proxy in front'}.`,
    '  -',
    `    port: ${port}`,
    `    ip: ${quoted(host)}`,
    '    module: ejabberd_http',
    '    request_handlers:',
    '      /ws: ejabberd_http_ws',
    '      /bosh: mod_bosh',
  ]
}

// Without the empty resolv_conf the nameserver would silently be the one of /etc/resolv.conf.
function resolver({ dnsListen }: InitPlan): ServerPart {
  const { host, port } = address(dnsListen)
  return {
    file: '/etc/ejabberd/inetrc',
    place: 'the whole file',
    whole: true,
    text: [
      "%% ejabberd's names are looked up at the gateway, which answers for the domains that it takes.",
      '{resolv_conf, ""}.',
      '{lookup, ["file", "dns"]}.',
      '{host, {127,0,0,1}, ["localhost"]}.',
      `{nameserver, ${erlangAddress(host)}, ${port}}.`,
      '',
    ].join('\n'),
    note: 'Restart ejabberd: it reads this file at its start.',
  }
}

/** '127.0.0.1' is {127,0,0,1}, '::1' is {0,0,0,0,0,0,0,1}. */
function erlangAddress(host: string): string {
  if (!host.includes(':')) return `{${host.split('.').join(',')}}`
  const [head = '', tail] = host.split('::')
  const words = (text: string) => (text === '' ? [] : text.split(':').map(word => Number.parseInt(word, 16)))
  const [before, after] = [words(head), words(tail ?? '')]
  const zeros = tail === undefined ? [] : Array<number>(8 - before.length - after.length).fill(0)
  return `{${[...before, ...zeros, ...after].join(',')}}`
}

const PLAINTEXT = ['# The gateway, on this machine, talks plaintext and dialback.', 's2s_use_starttls: false']

function strictLines({ roots }: InitPlan): string[] {
  return [
    '# The gateway proves each remote domain with a certificate of its own authority.',
    '# As Debian has it. If yours takes servers without TLS, say optional.',
    's2s_use_starttls: required',
    `# This replaces the roots that ejabberd has by itself: the file holds those of the system and the gateway's.`,
    `ca_file: ${quoted(roots)}`,
  ]
}
