import { z } from 'zod'
import { parseAddress } from './address.ts'
import { declarations } from './declarations.ts'
import { checked } from './values.ts'

export const STEERING_LISTEN = '127.0.0.1:15353'

const address = () =>
  checked(
    raw => parseAddress(raw) !== null,
    'an IP address and a port, e.g. "192.0.2.53:53"; an IPv6 address stands in brackets',
  )

/** `[steering]` */
export const steering = z
  .strictObject({
    listen: address()
      .default(STEERING_LISTEN)
      .register(declarations, {
        expected: 'ADDRESS:PORT',
        doc: 'Where the responder answers, over UDP and TCP: a loopback address.',
        fallback: JSON.stringify(STEERING_LISTEN),
      }),
    upstream: z
      .array(address().register(declarations, { expected: 'ADDRESS:PORT', doc: '' }))
      .min(1)
      .register(declarations, {
        expected: 'a list of ADDRESS:PORT, at least one',
        doc: 'The resolvers that everything else is passed to, unchanged, in the order in which they are tried.',
        example: '["192.0.2.53:53"]',
      }),
    steer: z.enum(['websocket-only', 'all']).default('websocket-only').register(declarations, {
      expected: '"websocket-only" or "all"',
      doc: 'Which domains are brought to us: those that we find on WebSocket, so that the server still reaches the others by itself; or all, for machines that cannot connect to others over TCP.',
      fallback: '"websocket-only"',
    }),
  })
  .register(declarations, {
    expected: 'a table',
    doc: 'A DNS responder for the server beside the gateway, which brings its outgoing streams to us. There is none without this section.',
    rare: true,
  })
