import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  fragmentOf,
  ownFolder,
  type Ports,
  passwordOf,
  type Server,
  type ServerOptions,
  serverPorts,
  startServer,
} from './server.ts'

/** Debian's, without what needs more configuration. */
const STOCK_MODULES = [
  'disco roster saslauth tls blocklist bookmarks carbons dialback limits pep private smacks vcard4 vcard_legacy',
  'csi_simple ping register time uptime version admin_adhoc admin_shell posix',
].flatMap(line => line.split(' '))

export interface ProsodyOptions extends ServerOptions {
  /** beside those that Debian enables */
  readonly modules?: readonly string[]
  /** the program; default: Debian's */
  readonly program?: string
  /** lines for the end of the file: further hosts and components */
  readonly hosts?: string
}

/** Prosody 13 as `npm run setup:servers` unpacks it. */
export const PROSODY_13 = fileURLToPath(
  new URL('../../../.servers/prosody-13/usr/bin/prosody', import.meta.url),
)

/** Prosody with a domain and its rooms. Its s2s is as Prosody's defaults have it; the fragment says what differs. */
export async function startProsody(options: ProsodyOptions): Promise<Server> {
  const { folder, domain, users = [], certificate, program = 'prosody' } = options
  const ports = options.ports ?? (await serverPorts())
  const write = ownFolder(folder)
  for (const user of users) {
    const account = `data/${encoded(domain)}/accounts/${encoded(user)}.dat`
    write(account, `return { ["password"] = ${JSON.stringify(passwordOf(user))} }\n`)
  }
  if (certificate !== undefined) {
    write(`certificates/${domain}.crt`, certificate.certificatePem)
    write(`certificates/${domain}.key`, certificate.keyPem)
  }
  const fragment = fragmentOf(options, ports)
  // As Debian's own configuration includes what an operator adds.
  write('conf.d/fragment.cfg.lua', fragment)
  const file = write('prosody.cfg.lua', configuration(options, ports, fragment))
  return startServer('prosody', options, ports, {
    program,
    args: ['--config', file, '-F'],
    log: join(folder, 'prosody.log'),
  })
}

function configuration(options: ProsodyOptions, ports: Ports, fragment: string): string {
  const { folder, domain, users = [], modules = [], hosts = '', debug = false } = options
  const here = (name: string) => JSON.stringify(join(folder, name))
  const enabled = [...STOCK_MODULES, ...modules].map(name => JSON.stringify(name)).join('; ')
  // Else each client is held to 10 kB/s. What servers may send is the fragment's affair.
  const unlimited = users.map(user => JSON.stringify(`${user}@${domain}`)).join('; ')
  return `
run_as_root = ${process.getuid?.() === 0}
pidfile = ${here('prosody.pid')}
data_path = ${here('data')}
admin_socket = ${here('prosody.sock')}
certificates = ${here('certificates')}
log = { ${debug ? 'debug' : 'info'} = ${here('prosody.log')} }
interfaces = { "127.0.0.1" }
c2s_ports = { ${ports.c2s} }
${fragment.includes('s2s_ports') ? '' : `s2s_ports = { ${ports.s2s} }`}
http_ports = { ${ports.http} }
https_ports = { }
c2s_direct_tls_ports = { }
s2s_direct_tls_ports = { }
component_ports = { ${ports.component} }
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
unlimited_jids = { ${unlimited} }
modules_enabled = { ${enabled} }

VirtualHost "${domain}"
Component "rooms.${domain}" "muc"
${hosts}
Include "conf.d/*.cfg.lua"
`
}

/** as Prosody names its files */
function encoded(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]/g, char => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
