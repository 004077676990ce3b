import { createHash } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { defaultLimits } from '../../../src/base/index.ts'
import { componentCodec } from '../../../src/framing/index.ts'
import { xmlLimits } from '../../../src/xml/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { startNames, unboundForward } from '../../kit/servers/names.ts'
import { accepts } from '../../kit/servers/process.ts'
import { startProsody } from '../../kit/servers/prosody.ts'
import type { Server } from '../../kit/servers/server.ts'
import { Countdown } from '../countdown.ts'
import { temporaryFolder } from './folder.ts'
import { canonical, FAR, NEAR, OUT } from './pieces.ts'
import { Source } from './source.ts'
import { Talk } from './talk.ts'

// Prosody to Prosody over TCP and TLS, as two servers federate that nobody has touched: a component of one sends the corpus to a
// component of the other.

export interface Prosodies {
  readonly pids: readonly [sending: number, receiving: number]
  /** The corpus so many times, from component to component; resolves when the last stanza has arrived. */
  carry(times: number): Promise<void>
  end(): Promise<void>
}

export function isProsodyInstalled(): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some(folder => {
    try {
      accessSync(join(folder, 'prosody'), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

export async function startProsodies(): Promise<Prosodies> {
  const folder = temporaryFolder()
  const names = await startNames()
  const start = async (component: string) => {
    const server = await startServer(join(folder, component), component, unboundForward(names))
    names.at[component] = server.ports.s2s
    return server
  }
  const servers = await Promise.all([start(NEAR), start(FAR)])
  const [sending, receiving] = servers
  const [from, into] = await Promise.all([attach(sending, NEAR), attach(receiving, FAR)])
  const arrived = new Countdown()
  let tail = ''
  into.on('data', (chunk: Buffer) => {
    const text = tail + chunk.toString('latin1')
    for (let at = text.indexOf(LAST); at >= 0; at = text.indexOf(LAST, at + 1)) arrived.one()
    tail = text.slice(1 - LAST.length)
  })
  from.resume()
  const source = new Source(from, [Buffer.concat([...forComponents(), Buffer.from(LAST_STANZA)])])
  return {
    pids: [sending.pid, receiving.pid],
    async carry(times) {
      await Promise.all([arrived.wait(times), source.send(times)])
    },
    async end() {
      for (const socket of [from, into]) socket.destroy()
      await Promise.all(servers.map(server => server.stop()))
      await names.close()
    },
  }
}

/** Where a certificate is offered TLS is used; who is who, dialback says. */
function startServer(folder: string, component: string, names: string): Promise<Server> {
  const domain = `server.${component}`
  const file = (kind: string) => JSON.stringify(join(folder, 'certificates', `${domain}.${kind}`))
  return startProsody({
    folder,
    domain,
    certificate: testAuthority().issue({ dns: [domain, component] }),
    fragment: [
      's2s_secure_auth = false',
      'limits = { s2sin = { rate = "1000mb/s" } }',
      `ssl = { certificate = ${file('crt')}; key = ${file('key')} }`,
      names,
    ].join('\n'),
    hosts: `Component "${component}"\ncomponent_secret = "${SECRET}"`,
  })
}

/** XEP-0114 */
async function attach({ ports }: Server, component: string) {
  // It listens for components a moment after it has listened for the others.
  while (!(await accepts(ports.component))) await sleep(POLL_MS)
  const talk = new Talk(connect(ports.component, '127.0.0.1'))
  talk.say(
    `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='${component}'>`,
  )
  const [, id = ''] = await talk.hears(/<stream:stream [^>]*\bid='([^']*)'[^>]*>/)
  const handshake = createHash('sha1').update(`${id}${SECRET}`).digest('hex')
  talk.say(`<handshake>${handshake}</handshake>`)
  await talk.hears(/<handshake[^>]*>/)
  return talk.leave()
}

function forComponents(): Buffer[] {
  const codec = componentCodec(xmlLimits(defaultLimits, 'authenticated'))
  return canonical(OUT).map(bytes => Buffer.from(codec.encode({ type: 'stanza', bytes })))
}

const SECRET = 'bench'
const POLL_MS = 20
/** behind each corpus: servers write stanzas in their own way, but an id is an id */
const LAST = 'end-of-the-corpus'
const LAST_STANZA = `<message from='${NEAR}' to='${FAR}' id='${LAST}'/>`
