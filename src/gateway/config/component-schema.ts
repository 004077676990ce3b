import { z } from 'zod'
import { parseAddress, unixPath } from './address.ts'
import { declarations } from './declarations.ts'
import { formatDuration, parseDuration } from './quantity.ts'
import { checked, quantity } from './values.ts'

/** The port that components expect (XEP-0114). */
export const COMPONENT_LISTEN = '127.0.0.1:5347'

/** Below it a secret can be tried out, by whoever reaches a listener or has seen what is made of it. */
export const SECRET_CHARACTERS = 16

/** `[domain.component]` */
export const component = z
  .strictObject({
    listen: checked(
      raw => unixPath(raw) !== null || parseAddress(raw) !== null,
      'an IP address and a port, or "unix:" and the path of a socket',
    )
      .default(COMPONENT_LISTEN)
      .register(declarations, {
        expected: 'ADDRESS:PORT, or "unix:PATH"',
        doc: 'Where the component connects. A unix socket is open to the user of the gateway only (0600). Domains may share it, if they repeat their `[domain.component]` word for word: the component says which one it is.',
        fallback: JSON.stringify(COMPONENT_LISTEN),
      }),
    secret: checked(raw => raw !== '', 'a component proves itself with it').register(declarations, {
      expected: 'a secret',
      doc: 'The secret that the component shares with us. `openssl rand -hex 24` makes a good one.',
      example: '"at least 16 characters"',
      secret: true,
    }),
    second: z.enum(['refuse', 'replace']).default('refuse').register(declarations, {
      expected: '"refuse" or "replace"',
      doc: 'What becomes of a second connection for the domain: it is refused, or takes the place of the first.',
      fallback: '"refuse"',
    }),
    hold: quantity(parseDuration, 0, 'ms, s, m, h, d', formatDuration(0)).default(0).register(declarations, {
      expected: 'a duration',
      doc: 'How long stanzas wait for the component while it is away. With `"0s"` they are bounced at once.',
      fallback: '"0s"',
    }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'With `host = "component"`: a program that connects as a component (XEP-0114), with no server.',
    rare: true,
  })
