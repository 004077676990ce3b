import { createHash } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { xmppServer } from '../../../src/hosts/index.ts'
import { createTlsContext } from '../../../src/transport/index.ts'
import { NS } from '../../../src/xmpp/index.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'
import { type Beside, besideServer, incoming, outgoing, until, VERONA } from '../../kit/beside-server.ts'
import type { LocalServerOptions } from '../../kit/local-server-streams.ts'
import { streamHeader } from '../../kit/raw-stream.ts'

// The leg to a strict server: STARTTLS and SASL EXTERNAL both ways, and what is not accepted instead.

const FROM = 'capulet.example'
const TO = 'montague.example'
const DAY_MS = 86_400_000

/** whom the server trusts for the remote domains that the host speaks for */
const ours = testAuthority({ intermediate: false })
/** whom the host trusts for the server */
const theirs = testAuthority()
const stranger = testAuthority()
const good = theirs.issue({ dns: [FROM, 'hall.capulet.example'] })

let beside: Beside
afterEach(() => beside.stop())

const contextOf = (certificate: TestCertificate | null) =>
  createTlsContext({
    identity:
      certificate === null ? null : { certificate: certificate.certificatePem, key: certificate.keyPem },
    ca: [ours.caPem],
    roots: 'none',
  })

const pinOf = ({ chainDer: [leaf] }: TestCertificate) =>
  createHash('sha256')
    .update(leaf ?? new Uint8Array())
    .digest('hex')

async function start(
  options: {
    certificate?: TestCertificate | null
    server?: Partial<LocalServerOptions>
    ca?: readonly string[]
    pin?: string | null
  } = {},
): Promise<Beside> {
  const { certificate = good, ca = [theirs.caPem], pin = null } = options
  beside = await besideServer({
    host: { security: { kind: 'tls', authority: ours.root, ca, pin } },
    server: { tls: contextOf(certificate), ...options.server },
  })
  return beside
}

describe('a strict server', () => {
  it.each([false, true])('and the host prove themselves by certificates, both ways; bidi: %s', async bidi => {
    const { server, context, leg } = await start({ server: { bidi } })
    const session = await leg().stands()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    const [side] = server.legs()
    const shown = side?.socket instanceof TLSSocket ? side.socket.getPeerCertificate() : null
    expect(shown?.subjectaltname).toBe(`DNS:${TO}`)
    if (bidi) side?.send(outgoing(1))
    else (await server.outgoing(FROM, TO)).send(outgoing(1))
    await until(() => context.sent.length === 1)
    expect(context.eventsOf('stream:established')).toMatchObject(
      (bidi ? ['initiating'] : ['initiating', 'receiving']).map(role => ({
        role,
        tls: 'TLSv1.3',
        authentication: 'sasl-external',
        remote: FROM,
      })),
    )
  })

  it('says on one stream what is for others: a certificate is its own', async () => {
    const { server, context } = await start()
    const stream = await server.outgoing(FROM, TO)
    stream.send(outgoing(1), outgoing(2, `nurse@${VERONA}`))
    await until(() => context.sent.length === 2)
    stream.send(outgoing(3, `romeo@${TO}`, 'guard@hall.capulet.example'))
    await stream.rest()
    expect([stream.error, context.sent.length]).toEqual(['invalid-from', 2])
  })

  it('may be pinned, whatever its names and whoever has signed them', async () => {
    const own = stranger.issue({ dns: ['localhost'] })
    const { server, context, leg } = await start({
      certificate: own,
      ca: [],
      pin: pinOf(own).toUpperCase(),
    })
    const session = await leg().stands()
    session.send(incoming(1))
    await until(() => session.confirmedCount() === 1)
    ;(await server.outgoing(FROM, TO)).send(outgoing(1))
    await until(() => context.sent.length === 1)
  })
})

/** why the host does not believe the server */
const UNBELIEVED: readonly (readonly [string, string, Parameters<typeof start>[0]])[] = [
  ['of another authority', 'untrusted', { certificate: stranger.issue({ dns: [FROM] }) }],
  ['of our own authority', 'untrusted', { certificate: ours.issue({ dns: [FROM] }) }],
  ['for another name', 'name-mismatch', { certificate: theirs.issue({ dns: ['verona.example'] }) }],
  [
    'that has expired',
    'expired',
    {
      certificate: theirs.issue({
        dns: [FROM],
        notBeforeMs: Date.now() - 2 * DAY_MS,
        notAfterMs: Date.now() - DAY_MS,
      }),
    },
  ],
  ['that is not pinned, though its authority is trusted', 'untrusted', { pin: 'a'.repeat(64) }],
  ['that is not pinned, and nobody is trusted', 'untrusted', { ca: [], pin: 'a'.repeat(64) }],
  [
    'that is pinned and has expired',
    'expired',
    (() => {
      const old = theirs.issue({
        dns: [FROM],
        notBeforeMs: Date.now() - 2 * DAY_MS,
        notAfterMs: Date.now() - DAY_MS,
      })
      return { certificate: old, pin: pinOf(old) }
    })(),
  ],
]

describe.each(UNBELIEVED)('a certificate of the server %s', (_, reason, options) => {
  it('ends the leg, and nothing has been said', async () => {
    const { server, leg } = await start(options)
    expect(await leg().fails()).toMatchObject({ by: 'peer', kind: 'identity', reason })
    const side = await server.stream(0)
    await side.rest()
    // One header in the clear, and the wish for TLS; nothing behind it.
    expect([side.headers.length, side.elements.map(({ name }) => name)]).toEqual([1, ['starttls']])
    expect(side.text).not.toContain('montague.example/')
  })

  it('proves nothing on a stream of its own', async () => {
    const { server, context } = await start(options)
    await expect(server.outgoing(FROM, TO)).rejects.toThrow()
    expect(context.eventsOf('identity')).toMatchObject([{ role: 'receiving', ok: false, reason }])
    expect([context.sent, context.peersUp]).toEqual([[], []])
  })
})

describe('without TLS, or without a certificate', () => {
  it.each<readonly [string, string]>([
    ['has been taken out of its features', `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`],
    [
      'is not offered, but EXTERNAL is',
      `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`,
    ],
    ['is not offered at all', ''],
  ])('the leg fails where STARTTLS %s, and nothing has been said', async (_, features) => {
    const { server, leg } = await start({
      server: {
        onStream: stream => {
          stream.onEvent = ({ type }) => {
            if (type === 'header')
              stream.say(
                streamHeader({ from: FROM, to: TO, id: 'x' }),
                `<stream:features>${features}</stream:features>`,
              )
          }
        },
      },
    })
    expect(await leg().fails()).toMatchObject({
      by: 'peer',
      detail: expect.stringContaining('does not offer TLS'),
    })
    const side = await server.stream(0)
    await side.rest()
    expect(side.elements.filter(({ namespace }) => namespace !== NS.stream)).toEqual([])
  })

  it('the leg fails where the server refuses TLS after all, or speaks none, or slips something in before it', async () => {
    for (const answer of [
      `<failure xmlns='${NS.tls}'/></stream:stream>`,
      `<proceed xmlns='${NS.tls}'/>no TLS`,
      `<proceed xmlns='${NS.tls}'/><stream:features/>`,
    ]) {
      const { server, leg } = await start({
        server: {
          onStream: stream => {
            server.behave(stream)
            const behave = stream.onEvent
            stream.onEvent = event => {
              if (event.type === 'element' && event.element.name === 'starttls') stream.say(answer)
              else behave(event)
            }
          },
        },
      })
      const failure = await leg().fails()
      expect(['peer', 'network']).toContain(failure.by)
      await beside.stop()
    }
  })

  it('nothing that the server says in the clear counts: no key, no SASL, no stanza', async () => {
    const { server, context } = await start()
    const key = await server.begin(FROM, TO)
    server.showKey(key)
    expect((await key.element('result')).children).toMatchObject([{ children: [{ name: 'not-authorized' }] }])
    expect(server.streams).toEqual([])
    expect(key.text).toContain('<required/>')
    const sasl = await server.begin(FROM, TO)
    sasl.say(`<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`)
    expect((await sasl.element('failure')).children).toMatchObject([{ name: 'invalid-mechanism' }])
    for (const stream of [key, sasl, await server.begin(FROM, TO)]) {
      stream.send(outgoing(1))
      await stream.rest()
      expect(stream.error).toBe('not-authorized')
    }
    expect(context.sent).toEqual([])
  })

  it('a server that shows no certificate has not proven itself', async () => {
    const { server, context } = await start({ certificate: null })
    const stream = await server.begin(FROM, TO)
    stream.say(`<starttls xmlns='${NS.tls}'/>`)
    await stream.element('proceed')
    await stream.secure(contextOf(null), TO)
    stream.say(streamHeader({ from: FROM, to: TO }))
    await stream.rest()
    expect(stream.error).toBeDefined()
    expect(stream.text).not.toContain('EXTERNAL')
    expect([context.sent, context.peersUp]).toEqual([[], []])
  })

  const LONG = [63, 63, 63, 50].map(length => 'x'.repeat(length)).join('.')

  it.each(['localhost', '127.0.0.1', '[::1]', LONG])(
    'a stream to %s is no defect of ours, whatever a certificate may say',
    async to => {
      const { server, context } = await start()
      const stream = server.connect(FROM, to)
      stream.say(streamHeader({ from: FROM, to }), `<starttls xmlns='${NS.tls}'/>`)
      await stream.sees(({ elements, error }) =>
        error !== undefined || elements.some(({ name }) => name === 'proceed') ? true : undefined,
      )
      stream.leave()
      await until(() => context.eventsOf('stream:ended').length > 0)
      expect(context.eventsOf('stream:ended').filter(({ reason }) => reason === 'us.internal')).toEqual([])
    },
  )
})

describe('options', () => {
  it('by which nobody could be the server are refused', async () => {
    await start()
    const options = {
      address: { host: '127.0.0.1', port: 1 },
      listen: [{ address: '127.0.0.1', port: 0 }],
    } as const
    for (const pin of [null, '', 'aa:bb', 'g'.repeat(64), 'a'.repeat(63)])
      expect(() =>
        xmppServer({ ...options, security: { kind: 'tls', authority: ours.root, ca: [], pin } }),
      ).toThrow(TypeError)
  })
})
