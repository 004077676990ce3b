import { z } from 'zod'
import { parseIp } from './address.ts'
import { component } from './component-schema.ts'
import { declarations } from './declarations.ts'
import { server } from './server-schema.ts'
import { checked, federableDomain, filePath, flag, wssUrl } from './values.ts'

/** `[[domain]]` */
export const domain = z
  .strictObject({
    name: federableDomain().register(declarations, {
      expected: 'a domain',
      doc: 'The XMPP domain that is served.',
      example: '"capulet.example"',
    }),
    also: z
      .array(federableDomain().register(declarations, { expected: 'a domain', doc: '' }))
      .default([])
      .register(declarations, {
        expected: 'a list of domains',
        doc: 'Further domains with the same host, certificate and url.',
        fallback: '[]',
        example: '["rooms.capulet.example"]',
        rare: true,
      }),
    url: wssUrl().optional().register(declarations, {
      expected: 'a wss URL',
      doc: 'Where peers reach the domain; published in host-meta, and its path is served by every listener. Without it the domain only dials out.',
      example: '"wss://capulet.example/s2s"',
    }),
    ips: z
      .array(
        checked(raw => parseIp(raw), 'IPv4 or IPv6, without brackets').register(declarations, {
          expected: 'an IP address',
          doc: '',
        }),
      )
      .default([])
      .register(declarations, {
        expected: 'a list of IP addresses',
        doc: "Addresses published in host-meta.json. Without them those of the url's host are looked up and refreshed.",
        fallback: '[]',
        example: '["192.0.2.1", "2001:db8::1"]',
        rare: true,
      }),
    certificate: filePath().optional().register(declarations, {
      expected: 'a file',
      doc: 'PEM chain, leaf first: for TLS of our listeners, and shown to peers that we dial. Reloaded when the file changes; streams stay. It and `key` can be left out where no listener ends TLS: the domain then proves itself by dialback.',
      example: '"capulet.pem"',
    }),
    key: filePath().optional().register(declarations, {
      expected: 'a file',
      doc: 'PEM private key of the certificate, without a passphrase. Nobody else should be able to read it.',
      example: '"capulet.key"',
    }),
    reachable: flag().optional().register(declarations, {
      expected: 'true or false',
      doc: 'Whether peers can dial the domain, which is whether it has a url. Where they cannot, our certificate is our only proof, and stanzas come back on the streams that we open: peers must offer bidi (XEP-0288), and the streams are kept up.',
      example: 'true',
      rare: true,
    }),
    host: z.enum(['embedded', 'server', 'component']).register(declarations, {
      expected: '"embedded", "server" or "component"',
      doc: 'Who answers for the domain. `"embedded"` is built in: it answers pings, disco and version, and echoes messages sent to `echo@` the domain. `"server"` is an XMPP server beside the gateway, see `[domain.server]`; `"component"` is a program that connects as a component, see `[domain.component]`.',
      example: '"embedded"',
    }),
    server: server.optional(),
    component: component.optional(),
  })
  .register(declarations, { expected: 'a table', doc: 'A domain that is served here. Repeat for more.' })
