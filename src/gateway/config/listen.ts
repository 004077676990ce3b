import { unixPath } from './address.ts'
import type { ListenConfig } from './config.ts'
import type { ConfigFiles } from './files.ts'
import type { ConfigFile } from './schema.ts'

type ListenTable = ConfigFile['listen'][number]

/** A listener, and what keys of it do not go together. */
export function listenOf(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): ListenConfig {
  misplaced(table, path, files)
  const { address, tls, proxy_ca } = table
  const relative = unixPath(address)
  const ca = tls && proxy_ca !== undefined ? files.certificates(proxy_ca, [...path, 'proxy_ca']) : null
  const proxy = {
    tls,
    trusted: table.trusted_proxies ?? [],
    ca,
    forwarded: table.forwarded ?? 'x-forwarded',
    hops: table.forwarded_hops ?? 1,
    certificate: table.forwarded_certificate ?? null,
    secret: table.proxy_secret ?? null,
  }
  return {
    address: relative === null ? address : `unix:${files.socket(relative, [...path, 'address'])}`,
    clientCertificates: table.client_certificates ?? 'request',
    proxy: isBehindProxy(table) ? proxy : null,
  }
}

function isBehindProxy({ tls, trusted_proxies }: ListenTable): boolean {
  return !tls || trusted_proxies !== undefined
}

/** Keys that say nothing where there is no proxy, or where there is one. */
function misplaced(table: ListenTable, path: readonly PropertyKey[], files: ConfigFiles): void {
  const { address, tls, client_certificates, proxy_ca } = table
  const refuse = (key: string, expected: string, got: string, hint: string) =>
    files.error([...path, key], expected, got, hint)
  if (tls && unixPath(address) !== null) {
    const hint = 'a unix socket is for a proxy on this machine that ends TLS'
    refuse('address', 'tls = false beside a unix socket', 'tls = true', hint)
  }
  if (!isBehindProxy(table)) {
    const { forwarded, forwarded_hops, forwarded_certificate, proxy_secret } = table
    const others = { proxy_ca, forwarded, forwarded_hops, forwarded_certificate, proxy_secret }
    for (const [key, value] of Object.entries(others)) {
      if (value === undefined) continue
      const hint = 'else whoever connects comes for himself, and nobody says who the client is'
      refuse(key, 'trusted_proxies beside it', 'none', hint)
    }
    return
  }
  if (!tls && proxy_ca !== undefined) {
    const hint = 'the proxy shows a certificate where it comes by TLS; else proxy_secret is its proof'
    refuse('proxy_ca', 'tls = true beside it', 'tls = false', hint)
  }
  if (client_certificates !== undefined) {
    const hint =
      'the proxy is who asks clients: forwarded_certificate says how it hands their certificates on'
    refuse('client_certificates', 'no proxy in front', tls ? 'trusted_proxies' : 'tls = false', hint)
  }
}
