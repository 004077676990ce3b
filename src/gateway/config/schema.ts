import { z } from 'zod'
import { parseAddress, parseCidr, parseHostPort } from './address.ts'
import { declarations } from './declarations.ts'
import { domain } from './domain-schema.ts'
import { limitsShape } from './limit-keys.ts'
import { listen } from './listen-schema.ts'
import { proxy } from './proxy-schema.ts'
import { steering } from './steering-schema.ts'
import { checked, federableDomain, filePath, flag, wssUrl } from './values.ts'

const trust = z
  .strictObject({
    ca: z
      .array(filePath().register(declarations, { expected: 'a file', doc: '' }))
      .default([])
      .register(declarations, {
        expected: 'a list of files',
        doc: "PEM files of certificate authorities that are trusted beside Node's bundled roots.",
        fallback: '[]',
        example: '["ca.pem"]',
        rare: true,
      }),
    intermediates: z
      .array(filePath().register(declarations, { expected: 'a file', doc: '' }))
      .default([])
      .register(declarations, {
        expected: 'a list of files',
        doc: 'PEM files of intermediate certificates that complete chains of peers and proxies that leave them out. They are not trusted by themselves.',
        fallback: '[]',
        rare: true,
      }),
  })
  .register(declarations, { expected: 'a table', doc: 'Whose certificates are believed.' })

const network = z
  .strictObject({
    allow_private: z
      .array(
        checked(raw => parseCidr(raw), 'an address, a slash and the length of the prefix').register(
          declarations,
          {
            expected: 'a CIDR block such as "10.0.0.0/8"',
            doc: '',
          },
        ),
      )
      .default([])
      .register(declarations, {
        expected: 'a list of CIDR blocks',
        doc: 'Addresses that may be dialled although they are not of the public internet.',
        fallback: '[]',
        example: '["10.0.0.0/8"]',
        rare: true,
      }),
    connect: z
      .record(
        checked(raw => parseHostPort(raw) !== null, 'as it stands in the URL, the port always written'),
        checked(raw => parseAddress(raw) !== null, 'an IP address and a port').register(declarations, {
          expected: 'ADDRESS:PORT',
          doc: '',
        }),
      )
      .default({})
      .register(declarations, {
        expected: 'a table of "HOST:PORT" = "ADDRESS:PORT"',
        doc: 'Where the socket goes instead; names, TLS and HTTP stay those of the host. Neither DNS nor `allow_private` is asked. Names are otherwise looked up in DNS only: /etc/hosts is not read.',
        fallback: '{}',
        example: '{ "montague.example:443" = "127.0.0.1:9443" }',
        rare: true,
      }),
  })
  .register(declarations, { expected: 'a table', doc: 'Who may be dialled, and where.' })

const endpoint = z
  .strictObject({
    domain: federableDomain().register(declarations, {
      expected: 'a domain',
      doc: 'The remote domain.',
      example: '"montague.example"',
    }),
    url: wssUrl().register(declarations, {
      expected: 'a wss URL',
      doc: 'Where it is. Its certificate must still prove the domain, or the host of this url.',
      example: '"wss://montague.example:9443/s2s"',
    }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'A known address of a remote domain, tried ahead of discovery. Repeat for more.',
    rare: true,
  })

const log = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
      .default('info')
      .register(declarations, {
        expected: '"trace", "debug", "info", "warn", "error" or "silent"',
        doc: 'The least important lines to write.',
        fallback: '"info"',
      }),
    format: z.enum(['json', 'text']).default('json').register(declarations, {
      expected: '"json" or "text"',
      doc: 'One JSON object a line, or text for a person.',
      fallback: '"json"',
    }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'The log, on standard output. Stanzas are never written to it.',
  })

const admin = z
  .strictObject({
    socket: filePath().optional().register(declarations, {
      expected: 'a file, or "off"',
      doc: 'The unix socket through which `isthmus check` asks a running gateway. By default its name is derived from the path of this file, in the first of these that can be had: `$RUNTIME_DIRECTORY/admin`, `/run/isthmus/admin`, `$XDG_RUNTIME_DIR/isthmus`, `$XDG_STATE_HOME/isthmus` (`~/.local/state/isthmus`). Its directory must be closed to others (0700).',
      rare: true,
      example: '"off"',
    }),
  })
  .register(declarations, { expected: 'a table', doc: 'How the command reaches a running gateway.' })

const limits = z
  .strictObject(limitsShape())
  .register(declarations, { expected: 'a table', doc: 'Every limit and timer.' })

const dialback = z.enum(['verified-tls', 'off']).default('verified-tls').register(declarations, {
  expected: '"verified-tls" or "off"',
  doc: 'What proves peers that show no certificate, and us to peers that see none: server dialback, where the certificate of the server that is asked about a key must prove the domain; or nothing. Where certificates are seen they go first.',
  fallback: '"verified-tls"',
})

const dialbackSecret = checked(raw => raw !== '', 'keys are made of it')
  .optional()
  .register(declarations, {
    expected: 'a secret',
    doc: 'What dialback keys are made of. Gateways of the same domain share one, and so do deploys that overlap: else a key that one has shown is asked about at the other, which does not know it. Without it the secret is random, for as long as this process runs. `openssl rand -hex 24` makes a good one.',
    example: '"at least 16 characters"',
    rare: true,
    secret: true,
  })

const bidi = flag().optional().register(declarations, {
  expected: 'true or false',
  doc: 'Whether we ask for stanzas both ways on the streams that we open (XEP-0288). Without this key only for domains that peers cannot dial.',
  example: 'true',
  rare: true,
})

const streamManagement = flag().default(true).register(declarations, {
  expected: 'true or false',
  doc: 'Whether streams to and from other domains are managed (XEP-0198): offered, asked for and resumed where the peer has it, too. Without it a stanza that was written to a stream which is then lost is in doubt.',
  example: 'true',
  rare: true,
})

/** The whole file: every key is declared here, once. */
export const fileSchema = z
  .strictObject({
    dialback,
    dialback_secret: dialbackSecret,
    bidi,
    stream_management: streamManagement,
    listen: z.array(listen).default([]).register(declarations, { expected: 'a list of tables', doc: '' }),
    trust: trust.prefault({}),
    network: network.prefault({}),
    domain: z.array(domain).default([]).register(declarations, { expected: 'a list of tables', doc: '' }),
    steering: steering.optional(),
    proxy: z.array(proxy).default([]).register(declarations, { expected: 'a list of tables', doc: '' }),
    endpoint: z.array(endpoint).default([]).register(declarations, { expected: 'a list of tables', doc: '' }),
    log: log.prefault({}),
    admin: admin.prefault({}),
    limits: limits.prefault({}),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'How servers prove themselves to each other, and which ways streams go. These keys stand before the first section.',
  })

export type ConfigFile = z.output<typeof fileSchema>
