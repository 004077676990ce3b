import { expect, it } from 'vitest'
import { buildHouse, type HouseOptions, publicPorts } from '../../kit/servers/house.ts'
import { stages } from '../../kit/servers/stage.ts'
import { chat, NUMBERED, number, ping } from './conversation.ts'

// Scenario 8: the gateway's port is the only public one. A client in a browser (strophe.js) comes in there.

const newStage = stages()

const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

/** As it is by default: users need TLS, which is the gateway's. */
const PROSODY = {
  server: 'prosody',
  modules: ['websocket', 'bosh'],
  lines: 'c2s_require_encryption = true',
} as const

it.each<[string, Pick<HouseOptions, 'server' | 'modules' | 'lines'>, websocket: string, bosh: string]>([
  ['Prosody', PROSODY, '/xmpp-websocket', '/http-bind'],
  ['ejabberd', { server: 'ejabberd' }, '/ws', '/bosh'],
])('8. one public port: %s', { timeout: 120_000 }, async (name, server, websocket, bosh) => {
  const stage = newStage()
  const ports = await publicPorts('capulet', 'montague')
  const users = ['juliet']
  const capulet = await buildHouse(
    stage,
    { name: 'capulet', users, ...server, web: true, init: ['--tcp-egress', 'no'] },
    ports,
  )
  const montague = await buildHouse(stage, MONTAGUE, ports)

  const juliet = await stage.browse(capulet.domain, 'juliet', capulet.port)
  const at = `${capulet.domain}:${capulet.port}`
  const links = await juliet.links(`https://${at}`)
  expect(links).toEqual({
    'urn:xmpp:alt-connections:websocket': `wss://${at}${websocket}`,
    'urn:xmpp:alt-connections:xbosh': `https://${at}${bosh}`,
    'urn:xmpp:alt-connections:s2s-websocket': `wss://${at}/s2s`,
  })
  const session = await juliet.bosh(`https://${at}${bosh}`, sessionRequest(capulet.domain))
  expect(session.status).toBe(200)
  expect(session.text).toMatch(/<body [^>]*\bsid=/)
  expect(session.text).toMatch(/<mechanism>SCRAM-SHA-1<\/mechanism>/)

  const a = { client: juliet, ...capulet }
  const b = { client: await stage.login(montague.server, 'romeo'), ...montague }
  const done = {
    links: Object.keys(links).length,
    boshSessions: 1,
    messages: (await chat(a, b)) + (await chat(b, a)),
    pings: await ping(a, b),
    numbered: await number(a, b),
  }
  expect(done).toEqual({ links: 3, boshSessions: 1, messages: 6, pings: 2, numbered: 2 * NUMBERED })
  process.stdout.write(`8. one public port, ${name}: ${JSON.stringify(done)}\n`)
})

/** The first request of BOSH (XEP-0124 §7.1, XEP-0206 §4). */
function sessionRequest(domain: string): string {
  return [
    `<body xmlns="http://jabber.org/protocol/httpbind" xmlns:xmpp="urn:xmpp:xbosh" to="${domain}" rid="1573741820"`,
    ' ver="1.6" wait="10" hold="1" content="text/xml; charset=utf-8" xml:lang="en" xmpp:version="1.0"/>',
  ].join('')
}
