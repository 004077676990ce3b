import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import { createTrustStore, type IdentityVerdict, judgePeer } from '../../../src/identity/index.ts'
import {
  type InitiatingSessionOptions,
  type ReceivingSessionOptions,
  startInitiating,
  startReceiving,
} from '../../../src/session/index.ts'
import { dialbackSecret } from '../../../src/stream/index.ts'
import {
  acceptTcp,
  createTlsContext,
  dialTcp,
  type TlsFacts,
  type Transport,
} from '../../../src/transport/index.ts'
import { type Domain, NS } from '../../../src/xmpp/index.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'
import { MONTAGUE, numbered, PAIR, RecordingHandler, range, TCP_CLOSE, TCP_OPEN } from '../../kit/sessions.ts'

// STARTTLS between two sessions, and against peers by hand, over sockets of this machine.

const limits = { ...defaultLimits, tlsHandshakeMs: 1_000, closeMs: 500 }
const authority = testAuthority()
const trust = createTrustStore({ roots: [authority.caPem] })
const capulet = authority.issue({ dns: ['capulet.example'] })
const montague = authority.issue({ dns: ['montague.example'] })
const verona = authority.issue({ dns: ['verona.example'] })
const stranger = testAuthority().issue({ dns: ['montague.example'] })

const contextOf = (identity: TestCertificate | null): SecureContext =>
  createTlsContext({
    identity: identity === null ? null : { certificate: identity.certificatePem, key: identity.keyPem },
    ca: [authority.caPem],
  })

const judge =
  (role: 'initiating' | 'receiving') =>
  ({ chain, nodeVerdict }: TlsFacts, claimed: Domain): IdentityVerdict =>
    judgePeer({
      chain,
      nodeVerdict,
      names: { domain: claimed, hosts: [], pins: [] },
      trust,
      limits,
      nowMs: Date.now(),
      role,
    })

class WaitingHandler extends RecordingHandler {
  async until(ready: () => boolean): Promise<void> {
    while (!ready()) await new Promise(resolve => setTimeout(resolve, 1))
  }
}

const listener = createServer()
await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
afterAll(() => void listener.close())
const { port } = listener.address() as AddressInfo

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

const accepted = (): Promise<Socket> =>
  new Promise(resolve => {
    listener.once('connection', socket => {
      open.push(() => socket.destroy())
      resolve(socket)
    })
  })

async function dialled(): Promise<Transport> {
  const { signal } = new AbortController()
  const result = await dialTcp({ address: '127.0.0.1', port, tls: null, limits, clock: systemClock, signal })
  if (!result.ok) throw new Error(JSON.stringify(result.failure))
  open.push(() => result.transport.abort())
  return result.transport
}

const common = { observer: new Observer(), clock: systemClock, random: systemRandom, limits }

const secret = dialbackSecret('s3cr3tf0rd14lb4ck')

function receive(socket: Socket, more: Partial<ReceivingSessionOptions> = {}) {
  const handler = new WaitingHandler()
  const session = startReceiving({
    ...common,
    transport: acceptTcp(socket, limits, systemClock),
    handler,
    isLocal: name => name === MONTAGUE,
    trust,
    starttls: { required: true, contextFor: () => contextOf(montague) },
    ...more,
  })
  return { session, handler }
}

function initiate(
  transport: Transport,
  identity: TestCertificate | null,
  more: Partial<InitiatingSessionOptions> = {},
) {
  const handler = new WaitingHandler()
  const session = startInitiating({
    ...common,
    transport,
    handler,
    pair: PAIR,
    verdict: 'by-starttls',
    starttls: {
      required: true,
      servername: 'montague.example',
      secureContext: contextOf(identity),
      judge: judge('initiating'),
    },
    ...more,
  })
  return { session, handler }
}

/** Both sides, from the first byte on. */
async function both(
  identity: TestCertificate | null,
  more: { initiating?: Partial<InitiatingSessionOptions>; receiving?: Partial<ReceivingSessionOptions> } = {},
) {
  const [socket, transport] = await Promise.all([accepted(), dialled()])
  return {
    receiving: receive(socket, more.receiving),
    initiating: initiate(transport, identity, more.initiating),
  }
}

/** A peer by hand, on a plain socket: what it says, and what it hears until the end. */
function raw(socket: Socket) {
  const chunks: Buffer[] = []
  let ended = false
  socket.on('data', chunk => chunks.push(chunk))
  socket.on('error', () => {})
  socket.on('close', () => {
    ended = true
  })
  const heard = () => Buffer.concat(chunks).toString('latin1')
  const until = async (ready: () => boolean) => {
    while (!ready()) await new Promise(resolve => setTimeout(resolve, 1))
  }
  return { say: (text: string) => socket.write(text), heard, until, isEnded: () => ended }
}

async function rawClient() {
  const [socket, client] = await Promise.all([
    accepted(),
    new Promise<Socket>(resolve => {
      const socket: Socket = connect(port, '127.0.0.1', () => resolve(socket))
      open.push(() => socket.destroy())
    }),
  ])
  return { socket, client: raw(client) }
}

const STARTTLS = `<starttls xmlns='${NS.tls}'/>`
const PROCEED = `<proceed xmlns='${NS.tls}'/>`
const AUTH = `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`
const SHOWN = `<db:result xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example'>key</db:result>`

describe('two sessions', () => {
  it('agree on TLS, prove themselves by their certificates, and pass stanzas', async () => {
    const { initiating, receiving } = await both(capulet)
    await initiating.handler.until(() => initiating.handler.session !== null)
    const { standing } = initiating.handler
    expect(standing.proof).toMatchObject({ method: 'sasl-external', evidence: 'dns-id montague.example' })
    expect(standing.transport.tls).toMatchObject({ protocol: 'TLSv1.3', servername: 'montague.example' })
    for (const number of range(1, 200)) standing.send(numbered(number, 2_000))
    await receiving.handler.until(() => receiving.handler.stanzas.length === 200)
    expect(receiving.handler.numbers).toEqual(range(1, 200))
    expect(receiving.handler.standing.proof).toMatchObject({ evidence: 'dns-id capulet.example' })
    initiating.session.end(null)
    for (const { handler } of [initiating, receiving]) await handler.until(() => handler.ends.length > 0)
    expect([initiating, receiving].map(({ handler }) => handler.ends[0]?.failure)).toEqual([null, null])
  })

  it('go on by dialback behind TLS, with the certificate as proof of who is called', async () => {
    const { initiating, receiving } = await both(null, {
      initiating: { dialback: secret },
      receiving: { dialback: { secret, verify: async () => ({ type: 'valid', evidence: 'its server' }) } },
    })
    await receiving.handler.until(
      () => receiving.handler.session !== null && initiating.handler.session !== null,
    )
    expect(initiating.handler.standing.proof).toMatchObject({
      method: 'dialback',
      evidence: 'dns-id montague.example',
    })
    expect(receiving.handler.standing.proof).toMatchObject({ method: 'dialback', evidence: 'its server' })
    expect(receiving.handler.standing.transport.tls).not.toBeNull()
  })

  it.each([
    ['a certificate for another domain', verona],
    ['a certificate of a stranger', stranger],
  ])('have no stream where the called side shows %s, and nothing is said to it', async (_, shown) => {
    const { initiating, receiving } = await both(capulet, {
      initiating: { dialback: secret },
      receiving: { starttls: { required: true, contextFor: () => contextOf(shown) } },
    })
    await initiating.handler.until(() => initiating.handler.ends.length > 0)
    expect(initiating.handler.ends).toMatchObject([{ failure: { by: 'peer', kind: 'identity' } }])
    await receiving.handler.until(() => receiving.handler.ends.length > 0)
    expect(receiving.handler.session).toBeNull()
    expect(initiating.handler.session).toBeNull()
  })

  it.each([
    ['none', null, 'no-certificate'],
    ['one for another domain', verona, 'name-mismatch'],
  ])('have no stream where the calling side shows %s', async (_, shown, reason) => {
    const { initiating, receiving } = await both(shown)
    for (const { handler } of [initiating, receiving]) await handler.until(() => handler.ends.length > 0)
    expect(receiving.handler.ends).toMatchObject([{ failure: { by: 'peer', kind: 'identity', reason } }])
    expect([initiating.handler.session, receiving.handler.session]).toEqual([null, null])
  })

  it('end both where there is no context for the pair', async () => {
    const { initiating, receiving } = await both(capulet, {
      receiving: {
        starttls: {
          required: true,
          contextFor: () => {
            throw new Error('a defect')
          },
        },
      },
    })
    for (const { handler } of [initiating, receiving]) await handler.until(() => handler.ends.length > 0)
    expect(receiving.handler.ends).toMatchObject([{ failure: { by: 'us', kind: 'internal' } }])
  })
})

describe('TLS that is required', () => {
  it('is not done without by the calling side, whatever else is offered', async () => {
    const [socket, transport] = await Promise.all([accepted(), dialled()])
    const server = raw(socket)
    const { handler } = initiate(transport, capulet, { dialback: secret })
    await server.until(() => server.heard().includes('<stream:stream'))
    server.say(
      `${TCP_OPEN.montague}<stream:features><dialback xmlns='${NS.dialbackFeature}'/></stream:features>`,
    )
    await handler.until(() => handler.ends.length > 0)
    expect(handler.ends).toMatchObject([{ failure: { by: 'peer', kind: 'unauthenticated' } }])
    expect(server.heard()).not.toContain('db:result')
  })

  it('is said to be so by the called side, which takes no key before it', async () => {
    const { socket, client } = await rawClient()
    const { handler } = receive(socket, {
      dialback: { secret, verify: async () => ({ type: 'valid', evidence: 'nobody' }) },
    })
    client.say(TCP_OPEN.capulet + SHOWN)
    await client.until(() => client.heard().includes('policy-violation'))
    expect(client.heard()).toContain(`<starttls xmlns='${NS.tls}'><required/></starttls>`)
    expect(handler.session).toBeNull()
  })
})

describe('a peer that says more in the clear than it may', () => {
  it.each([
    ['SASL behind <starttls/>', STARTTLS + AUTH],
    ['a key', STARTTLS + SHOWN],
    ['the end of the stream', STARTTLS + TCP_CLOSE],
    ['half an element', `${STARTTLS}<auth xmlns='`],
    ['a whole new stream', STARTTLS + TCP_OPEN.capulet],
    ['bytes that are neither', `${STARTTLS}\u0000\u0001`],
  ])('has no stream: %s, in one segment', async (_, said) => {
    const { socket, client } = await rawClient()
    const { handler } = receive(socket, {
      dialback: { secret, verify: async () => ({ type: 'valid', evidence: 'nobody' }) },
    })
    client.say(TCP_OPEN.capulet)
    await client.until(() => client.heard().includes('</stream:features>'))
    client.say(said)
    // Half a word waits for TLS, which does not come.
    await handler.until(() => handler.ends.length > 0)
    await client.until(client.isEnded)
    expect(handler.session).toBeNull()
    const [, behind = ''] = client.heard().split('<proceed')
    expect(behind).not.toContain('<stream:stream')
    expect(behind).not.toMatch(/success|result/)
  })

  it('has no stream either where it says so behind <proceed/>', async () => {
    for (const said of [
      `<success xmlns='${NS.sasl}'/>`,
      '<stream:features/>',
      TCP_CLOSE,
      '<x',
      TCP_OPEN.montague,
    ]) {
      const [socket, transport] = await Promise.all([accepted(), dialled()])
      const server = raw(socket)
      const { handler } = initiate(transport, capulet, { dialback: secret })
      await server.until(() => server.heard().includes('<stream:stream'))
      server.say(`${TCP_OPEN.montague}<stream:features><starttls xmlns='${NS.tls}'/></stream:features>`)
      await server.until(() => server.heard().includes('<starttls'))
      server.say(PROCEED + said)
      await handler.until(() => handler.ends.length > 0)
      expect(handler.session).toBeNull()
      // Behind the word for TLS we say nothing in the clear.
      const [, behind = ''] = server.heard().split('<starttls')
      expect(behind).not.toMatch(/<(stream|auth|db:)|<\/stream/)
    }
  })

  it('has a second for its part of TLS', async () => {
    const { socket, client } = await rawClient()
    const { handler } = receive(socket)
    client.say(TCP_OPEN.capulet + STARTTLS)
    await handler.until(() => handler.ends.length > 0)
    expect(handler.ends).toMatchObject([{ failure: { by: 'network' } }])
    await client.until(client.isEnded)
    expect(client.heard()).toContain('<proceed')
  })
})
