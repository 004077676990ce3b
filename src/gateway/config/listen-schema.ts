import { z } from 'zod'
import { parseAddress, parseCidr, unixPath } from './address.ts'
import { declarations } from './declarations.ts'
import { checked, count, filePath, flag } from './values.ts'

/** `[[listen]]` */
export const listen = z
  .strictObject({
    address: checked(
      raw => parseAddress(raw) !== null || unixPath(raw) !== null,
      'for all interfaces "[::]:443"; an IPv6 address stands in brackets',
    ).register(declarations, {
      expected: 'ADDRESS:PORT, or "unix:PATH"',
      doc: `Where to listen: an IP address and a port. Port 0 takes a free one. A platform that chooses the port says so in the environment: \`"0.0.0.0:\${PORT}"\`. Behind a proxy on the same machine "unix:" and the path of a socket too.`,
      example: '"[::]:443"',
    }),
    client_certificates: z.enum(['request', 'off']).optional().register(declarations, {
      expected: '"request" or "off"',
      doc: 'Whether TLS asks peers for their certificate, which is the shorter way to prove themselves to us; it is never required. `"off"` is for a port shared with browsers, which would ask their users: peers then prove themselves by dialback.',
      fallback: '"request"',
    }),
    tls: flag().default(true).register(declarations, {
      expected: 'true or false',
      doc: 'Whether TLS ends here. `false`: a proxy in front ends it and passes plain HTTP on to us. Only that proxy is answered, and only where it says that the client came by https.',
      fallback: 'true',
    }),
    trusted_proxies: z
      .array(
        checked(raw => parseCidr(raw), 'an address, a slash and the length of the prefix').register(
          declarations,
          { expected: 'a CIDR block such as "10.0.0.0/8"', doc: '' },
        ),
      )
      .optional()
      .register(declarations, {
        expected: 'a list of CIDR blocks',
        doc: 'The addresses of a proxy in front. Only it is answered, and the keys below are for such listeners. With `tls = true` it comes by TLS once more, which everything between it and us that is not private needs. A unix socket needs none: its mode says who may connect.',
        fallback: '[]',
        example: '["10.0.0.0/8"]',
        rare: true,
      }),
    proxy_ca: filePath().optional().register(declarations, {
      expected: 'a file',
      doc: 'Behind a proxy that comes by TLS: PEM file of the authority of a certificate that it shows. The authority must have certified nothing but your proxies: one that a provider has for all its customers proves no more than an address.',
      example: '"proxy-ca.pem"',
      rare: true,
    }),
    forwarded: z.enum(['x-forwarded', 'forwarded']).optional().register(declarations, {
      expected: '"x-forwarded" or "forwarded"',
      doc: 'Behind a proxy: where it says for whom it comes, and by which scheme: in `X-Forwarded-For` and `X-Forwarded-Proto`, or in `Forwarded` (RFC 7239). The other is not looked at, as a client may have written it.',
      fallback: '"x-forwarded"',
      rare: true,
    }),
    forwarded_hops: count(1).optional().register(declarations, {
      expected: 'a number',
      doc: 'Behind a proxy: how many proxies of yours there are, each of which appends whom it has seen. What stands before that was written by the client.',
      fallback: '1',
      rare: true,
    }),
    forwarded_certificate: z.enum(['rfc9440', 'xfcc', 'nginx', 'alb']).optional().register(declarations, {
      expected: '"rfc9440", "xfcc", "nginx" or "alb"',
      doc: 'Behind a proxy: how it hands on the certificate of a client, with which the peer then proves itself. `"rfc9440"`: in `Client-Cert` and `Client-Cert-Chain`; `"xfcc"`: in `X-Forwarded-Client-Cert`, as Envoy does with its options `cert` or `chain`; `"nginx"`: in `X-SSL-Client-Cert`, being `$ssl_client_escaped_cert`, without its chain; `"alb"`: in `X-Amzn-Mtls-Clientcert`. The proxy must overwrite the field whatever the client has sent, and prove itself by `proxy_secret`, `proxy_ca` or a unix socket: certificates are public. Without this key no certificate is believed, and peers prove themselves by dialback.',
      example: '"rfc9440"',
      rare: true,
    }),
    proxy_secret: checked(
      raw => /^[!-~](?:[ -~]*[!-~])?$/.test(raw),
      'ASCII without control characters, and no space around it: it is the value of a header field',
    )
      .optional()
      .register(declarations, {
        expected: 'a secret',
        doc: 'Behind a proxy: what it shows in `X-Isthmus-Proxy-Secret` with every request, or it is refused. `openssl rand -hex 24` makes a good one.',
        example: '"at least 16 characters"',
        rare: true,
        secret: true,
      }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'A listener: the s2s endpoint, host-meta, `/healthz` and proxied paths. Repeat for more.',
  })
