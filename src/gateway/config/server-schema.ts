import { z } from 'zod'
import { parseAddress, parseCidr } from './address.ts'
import { declarations } from './declarations.ts'
import { checked, filePath, fingerprint } from './values.ts'

/** Where a server brings its outgoing streams: both families, as SRV targets are names (localhost). */
export const SERVER_LISTEN: readonly string[] = ['127.0.0.1:15269', '[::1]:15269']
const SERVER_ALLOW: readonly string[] = ['127.0.0.0/8', '::1/128']
export const AUTHORITY_DIRECTORY = 'isthmus-authority'
/** In that directory: what the server has to trust. */
export const AUTHORITY_CERTIFICATE = 'ca.pem'

const address = () =>
  checked(
    raw => parseAddress(raw) !== null,
    'an IP address and a port, e.g. "127.0.0.1:5269"; an IPv6 address stands in brackets',
  )

const tomlList = (values: readonly string[]) => `[${values.map(value => JSON.stringify(value)).join(', ')}]`

/** `[domain.server]` */
export const server = z
  .strictObject({
    address: address().register(declarations, {
      expected: 'ADDRESS:PORT',
      doc: 'Where the server takes streams of other servers.',
      example: '"127.0.0.1:5269"',
    }),
    listen: z
      .array(address().register(declarations, { expected: 'ADDRESS:PORT', doc: '' }))
      .min(1)
      .default([...SERVER_LISTEN])
      .register(declarations, {
        expected: 'a list of ADDRESS:PORT',
        doc: 'Where the server brings its outgoing streams, whatever domain they are for. Domains of one server share it: they repeat its `[domain.server]` word for word.',
        fallback: tomlList(SERVER_LISTEN),
      }),
    allow: z
      .array(
        checked(raw => parseCidr(raw), 'an address, a slash and the length of the prefix').register(
          declarations,
          { expected: 'a CIDR block such as "127.0.0.0/8"', doc: '' },
        ),
      )
      .min(1)
      .default([...SERVER_ALLOW])
      .register(declarations, {
        expected: 'a list of CIDR blocks',
        doc: 'Who may connect there.',
        fallback: tomlList(SERVER_ALLOW),
      }),
    security: z.enum(['plaintext', 'tls']).default('plaintext').register(declarations, {
      expected: '"plaintext" or "tls"',
      doc: 'How we and the server talk. `"plaintext"` is for a server on the same machine that does so with us, and proves itself by dialback. With `"tls"` it can stay strict: we prove each remote domain to it with a certificate of an authority of our own, which it has to trust, and it proves itself with its certificate.',
      fallback: '"plaintext"',
    }),
    ca: filePath().optional().register(declarations, {
      expected: 'a file',
      doc: 'With `security = "tls"`: PEM file of the authorities, or of the self-signed certificate itself, that the server\'s certificate is checked against.',
      example: '"server.pem"',
      rare: true,
    }),
    pin: fingerprint()
      .optional()
      .register(declarations, {
        expected: 'a SHA-256 fingerprint',
        doc: 'With `security = "tls"`, instead of `ca`: the SHA-256 fingerprint of the server\'s certificate, as `openssl x509 -noout -fingerprint -sha256` prints it.',
        example: `"${'00'.repeat(32)}"`,
        rare: true,
      }),
    authority: filePath()
      .optional()
      .register(declarations, {
        expected: 'a directory',
        doc: 'With `security = "tls"`: where our authority is kept. It is made once, and only its owner can read it.',
        fallback: JSON.stringify(AUTHORITY_DIRECTORY),
        rare: true,
      }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'With `host = "server"`: the XMPP server beside the gateway. `isthmus init` writes this, and the lines that the server needs.',
    rare: true,
  })
