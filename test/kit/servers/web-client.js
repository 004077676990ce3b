// A real XMPP client over WebSocket (strophe.js), on a string like client.py: commands come as JSON lines on standard
// input, answers and what the network says go as JSON lines to standard output. It ends when its standard input does.

import dns from 'node:dns'
import { createInterface } from 'node:readline'
import { $iq, $msg, $pres, Strophe } from 'strophe.js'

// Every host is on this machine; its TLS and HTTP are its own.
dns.lookup = (_host, options, callback) => {
  const address = { address: '127.0.0.1', family: 4 }
  if (options.all) callback(null, [address])
  else callback(null, address.address, address.family)
}

const WEBSOCKET = 'urn:xmpp:alt-connections:websocket'
const { Status } = Strophe
const FAILED = new Set([Status.AUTHFAIL, Status.CONNFAIL, Status.ERROR, Status.CONNTIMEOUT])

Strophe.setLogLevel(Strophe.LogLevel.ERROR)

let connection
let ended = () => {}

const say = what => process.stdout.write(`${JSON.stringify(what)}\n`)
const textOf = (stanza, name) =>
  [...stanza.childNodes].find(child => child.nodeName === name)?.textContent ?? ''

/** What a domain says of itself (XEP-0156): relation to address. */
async function links({ origin }) {
  const response = await fetch(`${origin}/.well-known/host-meta.json`)
  if (!response.ok) throw new Error(`host-meta: ${response.status}`)
  const { links } = await response.json()
  return Object.fromEntries(links.map(({ rel, href }) => [rel, href]))
}

async function login({ jid, password, origin }) {
  const service = (await links({ origin }))[WEBSOCKET]
  if (service === undefined) throw new Error(`host-meta has no ${WEBSOCKET}`)
  connection = new Strophe.Connection(service)
  await new Promise((resolve, reject) => {
    connection.connect(jid, password, (status, condition) => {
      if (status === Status.CONNECTED) resolve()
      if (FAILED.has(status)) reject(new Error(`not connected: status ${status} ${condition}`))
      if (status === Status.DISCONNECTED) {
        reject(new Error(`disconnected: ${condition}`))
        ended()
        say({ event: 'disconnected' })
      }
    })
  })
  connection.addHandler(hearMessage, null, 'message')
  connection.addHandler(hearPresence, null, 'presence')
  connection.send($pres())
  return connection.jid
}

async function logout() {
  if (connection === undefined || !connection.connected) return
  const disconnected = new Promise(resolve => {
    ended = resolve
  })
  connection.disconnect()
  await disconnected
}

/** What every stanza has. */
function attributes(stanza) {
  const said = Object.fromEntries(
    ['from', 'to', 'id', 'type'].map(name => [name, stanza.getAttribute(name) ?? '']),
  )
  return said.type === 'error' ? { ...said, error: errorOf(stanza) } : said
}

function errorOf(stanza) {
  const [error] = stanza.getElementsByTagName('error')
  const conditions = [...(error?.childNodes ?? [])].map(child => child.nodeName)
  return {
    type: error?.getAttribute('type') ?? '',
    condition: conditions.find(name => name !== 'text') ?? '',
    text: error === undefined ? '' : textOf(error, 'text'),
    from: stanza.getAttribute('from') ?? '',
  }
}

// A handler that returns true stays.
function hearMessage(stanza) {
  const delayed = stanza.getElementsByTagName('delay').length > 0
  say({ event: 'message', ...attributes(stanza), body: textOf(stanza, 'body'), delayed })
  return true
}

function hearPresence(stanza) {
  const [show, status] = ['show', 'status'].map(name => textOf(stanza, name))
  const codes = [...stanza.getElementsByTagName('status')].map(child => Number(child.getAttribute('code')))
  say({ event: 'presence', ...attributes(stanza), show, status, codes: codes.filter(code => code > 0) })
  return true
}

async function message({ to, body, type = 'chat', id = connection.getUniqueId() }) {
  connection.send($msg({ to, type, id }).c('body').t(body))
  return id
}

async function burst({ to, count, label, first = 1 }) {
  for (let number = first; number < first + count; number++)
    await message({ to, body: `${label} ${number}`, id: `${label}-${number}` })
}

/** Bidden or answered with an error, which is no failure of ours. */
class Refusal extends Error {
  constructor(shown) {
    super('refused')
    this.shown = shown
  }
}

async function ping({ jid }) {
  const begin = performance.now()
  const iq = $iq({ to: jid, type: 'get', id: connection.getUniqueId() }).c('ping', { xmlns: 'urn:xmpp:ping' })
  await new Promise((resolve, reject) => {
    connection.sendIQ(
      iq,
      resolve,
      stanza => reject(stanza === null ? new Error('no answer in time') : new Refusal(errorOf(stanza))),
      10_000,
    )
  })
  return performance.now() - begin
}

/** One request of BOSH (XEP-0124): the status and the text of its response. */
async function bosh({ url, body }) {
  const headers = { 'content-type': 'text/xml; charset=utf-8' }
  const response = await fetch(url, { method: 'POST', headers, body })
  return { status: response.status, text: await response.text() }
}

const COMMANDS = { links, login, logout, message, burst, ping, bosh }

async function answer({ number, command, values }) {
  try {
    if (!Object.hasOwn(COMMANDS, command)) throw new Error(`no command ${command}`)
    say({ answer: number, result: await COMMANDS[command](values) })
  } catch (error) {
    if (error instanceof Refusal) say({ answer: number, error: error.shown })
    else say({ answer: number, failed: `${command}: ${error.stack} ${error.cause ?? ''}` })
  }
}

const lines = createInterface({ input: process.stdin })
lines.on('line', line => void answer(JSON.parse(line)))
lines.on('close', () => process.exit(0))
