import { AUTHORITY_CERTIFICATE, AUTHORITY_DIRECTORY } from '../config/server-schema.ts'
import { type InitPlan, SYSTEM_ROOTS } from './answers.ts'
import { address, quoted, type ServerPart } from './part.ts'

/** What ejabberd needs: its resolver, and four places of its configuration. */
export function ejabberdParts(plan: InitPlan): ServerPart[] {
  const strict = plan.security === 'tls'
  const part = (place: string, note: string, ...lines: string[]): ServerPart => ({
    file: '/etc/ejabberd/ejabberd.yml',
    place,
    text: lines.map(line => `${line}\n`).join(''),
    note,
  })
  const { host, port } = address(plan.serverAddress)
  return [
    resolver(plan),
    part(
      'at the top level',
      strict
        ? `Start the gateway once, then: cat ${SYSTEM_ROOTS} ${AUTHORITY_DIRECTORY}/${AUTHORITY_CERTIFICATE} > ${plan.roots}`
        : 'It replaces the line s2s_use_starttls that is there.',
      ...(strict ? strictLines(plan) : PLAINTEXT),
      '# One failure would otherwise be answered from memory for up to five minutes.',
      's2s_max_retry_delay: 1',
    ),
    part(
      'in listen',
      `It replaces the entry for ejabberd_s2s_in on port ${port}.`,
      '  -',
      `    port: ${port}`,
      `    ip: ${quoted(strict ? '::' : host)}`,
      '    module: ejabberd_s2s_in',
      '    max_stanza_size: 524288',
    ),
    ...(strict ? [] : [part('in modules', 'The stock file has it already.', '  mod_s2s_dialback: {}')]),
  ]
}

// Without the empty resolv_conf the nameserver would silently be the one of /etc/resolv.conf.
function resolver({ dnsListen }: InitPlan): ServerPart {
  const { host, port } = address(dnsListen)
  return {
    file: '/etc/ejabberd/inetrc',
    place: 'the whole file',
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
    's2s_use_starttls: required',
    `# This replaces the roots that ejabberd has by itself: the file holds those of the system and the gateway's.`,
    `ca_file: ${quoted(roots)}`,
  ]
}
