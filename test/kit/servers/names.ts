import { createSocket } from 'node:dgram'
import { decode, encode } from 'dns-packet'

/** A DNS server on loopback that says where domains take s2s over TCP, and that all else is not there. */
export interface Names {
  readonly port: number
  /** domain to the loopback port of its s2s; its subdomains are there too */
  readonly at: Record<string, number>
  close(): Promise<void>
}

export async function startNames(at: Record<string, number> = {}): Promise<Names> {
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    const asked = decode(message)
    const answers = (asked.questions ?? []).flatMap(({ name, type }) => {
      const port = type === 'SRV' ? portOf(name.toLowerCase(), at) : undefined
      // The target is resolved by the system, which knows this name everywhere.
      const data = { priority: 0, weight: 0, port: port ?? 0, target: 'localhost' }
      return port === undefined ? [] : [{ type: 'SRV' as const, name, ttl: 0, data }]
    })
    const flags = 0x0180 | (answers.length === 0 ? 3 : 0)
    const { id = 0, questions = [] } = asked
    socket.send(encode({ type: 'response', id, flags, questions, answers }), from.port, from.address)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return {
    port: socket.address().port,
    at,
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
}

function portOf(name: string, at: Readonly<Record<string, number>>): number | undefined {
  const service = '_xmpp-server._tcp.'
  if (!name.startsWith(service)) return undefined
  const domain = name.slice(service.length)
  const own = Object.keys(at).find(known => domain === known || domain.endsWith(`.${known}`))
  return own === undefined ? undefined : at[own]
}

/** Prosody's line for it. */
export function unboundForward({ port }: Pick<Names, 'port'>): string {
  return `unbound = { resolvconf = false; hoststxt = false; forward = { "127.0.0.1@${port}" } }`
}

/** ejabberd's inetrc for it. */
export function inetrc({ port }: Pick<Names, 'port'>): string {
  return [
    '{resolv_conf, ""}.',
    '{lookup, ["file", "dns"]}.',
    '{host, {127,0,0,1}, ["localhost"]}.',
    `{nameserver, {127,0,0,1}, ${port}}.`,
    '',
  ].join('\n')
}
