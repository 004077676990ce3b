import { unixPath } from './address.ts'
import type { ListenConfig } from './config.ts'
import type { ConfigFiles } from './files.ts'
import type { ConfigFile } from './schema.ts'

type ListenTable = ConfigFile['listen'][number]

/** A listener, and what keys of it do not go together. */
export function listenOf(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): ListenConfig {
  misplaced(table, path, files)
  const relative = unixPath(table.address)
  return {
    address: relative === null ? table.address : `unix:${files.socket(relative, [...path, 'address'])}`,
    clientCertificates: table.client_certificates ?? 'request',
    proxy: table.tls
      ? null
      : {
          trusted: table.trusted_proxies ?? [],
          forwarded: table.forwarded ?? 'x-forwarded',
          hops: table.forwarded_hops ?? 1,
          certificate: table.forwarded_certificate ?? null,
          secret: table.proxy_secret ?? null,
        },
  }
}

/** Keys that say nothing where TLS ends here, or where it does not. */
function misplaced(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): void {
  if (!table.tls) {
    if (table.client_certificates === undefined) return
    const hint = 'the proxy is who asks for certificates: forwarded_certificate says how it hands them on'
    files.error([...path, 'client_certificates'], 'tls = true beside it', 'tls = false', hint)
    return
  }
  const { trusted_proxies, forwarded, forwarded_hops, forwarded_certificate, proxy_secret } = table
  const others = { trusted_proxies, forwarded, forwarded_hops, forwarded_certificate, proxy_secret }
  for (const [key, value] of Object.entries(others)) {
    if (value === undefined) continue
    const hint = 'where TLS ends here nobody else says who the client is'
    files.error([...path, key], 'tls = false beside it', 'tls = true', hint)
  }
  if (unixPath(table.address) !== null) {
    const hint = 'a unix socket is for a proxy on this machine that ends TLS'
    files.error([...path, 'address'], 'tls = false beside a unix socket', 'tls = true', hint)
  }
}
