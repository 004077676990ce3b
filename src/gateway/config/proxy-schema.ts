import { z } from 'zod'
import { declarations } from './declarations.ts'
import { httpOrigin, urlPath } from './values.ts'

/** `[[proxy]]` */
export const proxy = z
  .strictObject({
    path: urlPath().register(declarations, {
      expected: 'a path that begins with /',
      doc: 'The path, and everything below it.',
      example: '"/xmpp-websocket"',
    }),
    to: httpOrigin().register(declarations, {
      expected: 'http://ADDRESS:PORT',
      doc: 'Where requests for it go, with their path unchanged: an IP address or localhost.',
      example: '"http://127.0.0.1:5280"',
    }),
    link: z.enum(['websocket', 'bosh']).optional().register(declarations, {
      expected: '"websocket" or "bosh"',
      doc: "What users' programs find there. It is published in the host-meta of every domain with a url.",
      example: '"websocket"',
      rare: true,
    }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'What a server offers over HTTP, through our port: WebSocket and BOSH for its users, uploads. Repeat for more.',
    rare: true,
  })
