import { join } from 'node:path'
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

export interface EjabberdOptions extends ServerOptions {
  /** Erlang's own resolver; default: no configuration, which is /etc/resolv.conf */
  readonly inetrc?: string
}

/**
 * ejabberd with a domain and its rooms. The fragment is a file that the configuration includes, so that its listeners
 * and modules come beside those here; where it brings a listener for s2s or HTTP, ours is left out.
 */
export async function startEjabberd(options: EjabberdOptions): Promise<Server> {
  const { folder, users = [], domain, certificate, inetrc } = options
  const ports = options.ports ?? (await serverPorts())
  const write = ownFolder(folder)
  const fragment = fragmentOf(options, ports)
  if (certificate !== undefined) {
    write('certificate.pem', `${certificate.certificatePem}${certificate.keyPem}`)
  }
  write('fragment.yml', fragment)
  const file = write('ejabberd.yml', configuration(options, ports, fragment))
  const log = join(folder, 'ejabberd.log')
  const ready = join(folder, 'ready')
  return startServer('ejabberd', options, ports, {
    program: 'erl',
    // Without a node name there is no distribution: no epmd that stays behind, no port and no cookie.
    args: [
      '-noinput',
      '-mnesia',
      'dir',
      `"${join(folder, 'spool')}"`,
      '-s',
      'ejabberd',
      '-eval',
      register(domain, users, ready),
    ],
    environment: {
      EJABBERD_CONFIG_PATH: file,
      EJABBERD_LOG_PATH: log,
      ERL_CRASH_DUMP: join(folder, 'erl_crash.dump'),
      ERL_LIBS: `/usr/lib/${MACHINE[process.arch] ?? process.arch}-linux-gnu`,
      ...(inetrc === undefined ? {} : { ERL_INETRC: write('inetrc', inetrc) }),
    },
    files: [ready],
    log,
  })
}

/** where Debian has Erlang libraries */
const MACHINE: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

/** Erlang that makes the accounts and then says, with a file, that it has. */
function register(domain: string, users: readonly string[], ready: string): string {
  const binary = (text: string) => `<<${JSON.stringify(text)}>>`
  const calls = users.map(
    user => `ejabberd_auth:try_register(${[user, domain, passwordOf(user)].map(binary).join(', ')})`,
  )
  return `${[...calls, `ok = file:write_file(${JSON.stringify(ready)}, "")`].join(', ')}.`
}

function configuration(options: EjabberdOptions, ports: Ports, fragment: string): string {
  const { domain, certificate, debug = false } = options
  const s2s = `
  - port: ${ports.s2s}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in`
  const http = `
  - port: ${ports.http}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /ws: ejabberd_http_ws
      /bosh: mod_bosh`
  return `
hosts:
  - ${domain}
loglevel: ${debug ? 'debug' : 'info'}
log_rotate_count: 0
${certificate === undefined ? '' : `certfiles:\n  - certificate.pem`}
listen:
  - port: ${ports.c2s}
    ip: "127.0.0.1"
    module: ejabberd_c2s${fragment.includes('ejabberd_s2s_in') ? '' : s2s}${fragment.includes('ejabberd_http') ? '' : http}
auth_method: internal
modules:
  mod_adhoc: {}
  mod_blocking: {}
  mod_bosh: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_disco: {}
  mod_last: {}
  mod_muc:
    host: rooms.@HOST@
  mod_offline: {}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub:
    plugins:
      - flat
      - pep
  mod_roster: {}
  mod_stream_mgmt: {}
  mod_vcard: {}
  mod_version: {}
include_config_file:
  - fragment.yml
`
}
