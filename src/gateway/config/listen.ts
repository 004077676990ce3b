import { unixPath } from './address.ts'
import type { ListenConfig } from './config.ts'
import type { ConfigFiles } from './files.ts'
import type { ConfigFile } from './schema.ts'

type ListenTable = ConfigFile['listen'][number]

/** A listener, and what keys of it do not go together. */
export function listenOf(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): ListenConfig {
  misplaced(table, path, files)
  const relative = unixPath(table.address)
  const { tls, proxy_ca } = table
  const ca = tls && proxy_ca !== undefined ? files.certificates(proxy_ca, [...path, 'proxy_ca']) : null
  return {
    address: relative === null ? table.address : `unix:${files.socket(relative, [...path, 'address'])}`,
    clientCertificates: table.client_certificates ?? 'request',
    proxy:
      tls && ca === null
        ? null
        : {
            trusted: table.trusted_proxies ?? [],
            ca,
            forwarded: table.forwarded ?? 'x-forwarded',
            hops: table.forwarded_hops ?? 1,
            certificate: table.forwarded_certificate ?? null,
            secret: table.proxy_secret ?? null,
          },
  }
}

/** Keys that say nothing where TLS ends here, or where it does not. */
function misplaced(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): void {
  const { tls, client_certificates, proxy_ca } = table
  const refuse = (key: string, expected: string, got: string, hint: string) =>
    files.error([...path, key], expected, got, hint)
  if (!tls) {
    if (client_certificates !== undefined) {
      const hint = 'the proxy is who asks for certificates: forwarded_certificate says how it hands them on'
      refuse('client_certificates', 'tls = true beside it', 'tls = false', hint)
    }
    if (proxy_ca !== undefined) {
      const hint = 'the proxy shows a certificate where it comes by TLS; else proxy_secret is its proof'
      refuse('proxy_ca', 'tls = true beside it', 'tls = false', hint)
    }
    return
  }
  if (unixPath(table.address) !== null) {
    const hint = 'a unix socket is for a proxy on this machine that ends TLS'
    refuse('address', 'tls = false beside a unix socket', 'tls = true', hint)
  }
  if (proxy_ca !== undefined) {
    if (client_certificates === undefined) return
    const hint = 'the proxy is who is asked for one, and always'
    refuse('client_certificates', 'no proxy_ca beside it', 'proxy_ca', hint)
    return
  }
  const { trusted_proxies, forwarded, forwarded_hops, forwarded_certificate, proxy_secret } = table
  const others = { trusted_proxies, forwarded, forwarded_hops, forwarded_certificate, proxy_secret }
  for (const [key, value] of Object.entries(others)) {
    if (value === undefined) continue
    const hint = 'else whoever connects comes for himself, and nobody says who the client is'
    refuse(key, 'tls = false or proxy_ca beside it', 'tls = true', hint)
  }
}
