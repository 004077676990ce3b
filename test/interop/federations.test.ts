import { afterEach, expect, it } from 'vitest'
import { defaultLimits, Observer } from '../../src/base/index.ts'
import { systemClock, systemRandom } from '../../src/base/system.ts'
import { bounce, element, type Failure, iq, message, NS, parseDomain, type Stanza } from '../../src/index.ts'
import { type EstablishedSession, startInitiating } from '../../src/session/index.ts'
import { createTlsContext, dialWebSocket } from '../../src/transport/index.ts'
import type { TestAuthority, TestCertificate } from '../kit/authority.ts'
import {
  type Country,
  federations,
  type Town,
  type TownOptions,
  twoFederations,
  type Verona,
} from '../kit/federations.ts'
import { frontDomain, testFront } from '../kit/fronts.ts'
import { createRelay, type Relay } from '../kit/relay.ts'
import { Recorder } from '../kit/transport-compliance.ts'

// Whole federations on loopback: real host-meta over HTTPS, real TLS, real wss, one process.

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function verona(...options: Parameters<typeof twoFederations>): Promise<Verona> {
  const running = await twoFederations(...options)
  closing.push(() => running.close())
  return running
}

async function country(...options: Parameters<typeof federations>): Promise<Country> {
  const running = await federations(...options)
  closing.push(() => running.close())
  return running
}

async function relay(): Promise<Relay> {
  const made = await createRelay()
  closing.push(() => made.close())
  return made
}

const JULIET = 'juliet@capulet.example/balcony'
const ROMEO = 'romeo@montague.example/orchard'

const say = (from: string, to: string, id: string, body = 'x') =>
  message({ from, to, id, type: 'chat', body })
const xml = (of: Stanza) => new TextDecoder().decode(of.bytes)
const isError = ({ type }: Stanza) => type === 'error'
const numbers = (of: readonly Stanza[]) => of.map(({ id }) => Number(id))
const isIncreasing = (list: readonly number[]) =>
  list.every((number, index) => index === 0 || number > (list[index - 1] ?? -1))

/** Waits until the account has nothing under way, and checks that it closes. */
async function settled({ federation }: Town) {
  for (;;) {
    const account = federation.account()
    const { accepted, delivered, bounced, dropped, inDoubt, ambiguous, held } = account
    expect(delivered + bounced + dropped + inDoubt + ambiguous + held).toBe(accepted)
    if (held === 0) return account
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

it('two domains talk both ways, each on its own stream, proven by its certificate', async () => {
  const { capulet, montague } = await verona()
  await capulet.federation.send(say(JULIET, ROMEO, '1', 'wherefore?'))
  await montague.federation.send(say(ROMEO, JULIET, '2', 'hark!'))
  expect(xml(await montague.host.receives(({ id }) => id === '1'))).toContain('<body>wherefore?</body>')
  expect(xml(await capulet.host.receives(({ id }) => id === '2'))).toContain('<body>hark!</body>')
  for (const [town, remote] of [
    [capulet, 'montague.example'],
    [montague, 'capulet.example'],
  ] as const) {
    const streams = town.events.flatMap(event => (event.type === 'stream:established' ? [event] : []))
    expect(streams.map(({ role }) => role).sort()).toEqual(['initiating', 'receiving'])
    for (const stream of streams) {
      expect(stream).toMatchObject({
        remote,
        authentication: 'sasl-external',
        transport: 'websocket',
        tls: 'TLSv1.3',
        proof: `dns-id ${remote}`,
      })
    }
  }
  expect(await settled(capulet)).toMatchObject({ accepted: 2, delivered: 2 })
  expect(await settled(montague)).toMatchObject({ accepted: 2, delivered: 2 })
})

it('questions are answered on the asker’s side of the pair, errors too', async () => {
  const { capulet } = await verona()
  const { federation, host } = capulet
  const ping = (to: string, id: string) =>
    iq({ from: JULIET, to, type: 'get', id, payload: element('ping', NS.ping) })
  await federation.send(ping('montague.example', 'p1'))
  await federation.send(ping('echo@montague.example', 'p2'))
  await federation.send(say(JULIET, 'echo@montague.example', 'm1', 'O Romeo'))
  expect(await host.receives(({ id }) => id === 'p1')).toMatchObject({ kind: 'iq', type: 'result' })
  expect((await host.receives(({ id }) => id === 'p2')).type).toBe('result')
  expect(xml(await host.receives(({ id }) => id === 'm1'))).toContain('O Romeo')
  expect(await settled(capulet)).toMatchObject({ accepted: 6, delivered: 6 })
})

/** Many stanzas, with a cut now and then. */
async function cutAgainAndAgain(streamManagement: boolean) {
  // Everything that is in doubt is remembered, however fast this machine is.
  const limits = { retryMinMs: 20, retryMaxMs: 50, unconfirmedStanzas: 3_000 }
  const { capulet, montague } = await verona({ limits, capulet: { more: { streamManagement } } })
  const count = 3_000
  const been = (type: 'stream:established' | 'stream:ended') =>
    capulet.events.filter(event => event.type === type).length
  for (let number = 0; number < count; number++) {
    await capulet.federation.send(say(JULIET, ROMEO, String(number), 'x'.repeat(300)))
    if (number % 500 === 250) {
      await montague.host.receivesCount(1 + montague.host.received.length)
      await capulet.sees(() => been('stream:established') > been('stream:ended'))
      const before = been('stream:ended')
      montague.relay.cut()
      // Else all is written to a stream of which nobody has heard yet that it is dead.
      await capulet.sees(() => been('stream:ended') > before)
    }
  }
  const account = await settled(capulet)
  expect(account).toMatchObject({ accepted: count, ambiguous: 0 })
  expect(montague.relay.count).toBeGreaterThan(4)
  const arrived = numbers(montague.host.received)
  expect(isIncreasing(arrived)).toBe(true)
  return { capulet, arrived, account, count }
}

it('across cuts everything arrives, once and in order, as streams are resumed', async () => {
  const { capulet, arrived, account, count } = await cutAgainAndAgain(true)
  expect(arrived).toHaveLength(count)
  expect(account).toMatchObject({ delivered: count, resent: 0 })
  expect(capulet.host.received).toEqual([])
  expect(capulet.events.filter(({ type }) => type === 'stream:resumed').length).toBeGreaterThan(4)
})

it('without stream management order holds across cuts: nothing twice, and whoever did not arrive, its sender knows', async () => {
  const { capulet, arrived, account, count } = await cutAgainAndAgain(false)
  await capulet.host.receivesCount(count - account.delivered)
  const told = new Set(numbers(capulet.host.received.filter(isError)))
  const has = new Set(arrived)
  for (let number = 0; number < count; number++) expect(has.has(number) || told.has(number)).toBe(true)
  expect(has.size).toBeGreaterThanOrEqual(account.delivered)
})

it('a peer that restarts is found again, without anybody’s help', async () => {
  const { capulet, montague } = await verona({ limits: { retryMinMs: 20, retryMaxMs: 100 } })
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  await montague.host.receives(({ id }) => id === '1')
  await settled(capulet)
  await montague.restart()
  await capulet.federation.send(say(JULIET, ROMEO, '2'))
  await montague.host.receives(({ id }) => id === '2')
  expect(await settled(capulet)).toMatchObject({ accepted: 2, delivered: 2 })
})

it('a stanza sent while the peer is away waits for it', async () => {
  const { capulet, montague } = await verona({ limits: { retryMinMs: 20, retryMaxMs: 100 } })
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  await montague.host.receives(({ id }) => id === '1')
  montague.relay.cut()
  await capulet.sees(({ type }) => type === 'stream:ended')
  await capulet.federation.send(say(JULIET, ROMEO, '2'))
  await capulet.federation.send(say(JULIET, ROMEO, '3'))
  await montague.host.receives(({ id }) => id === '3')
  expect(numbers(montague.host.received)).toEqual([1, 2, 3])
})

it('candidates are tried in their order until one leads to the domain', async () => {
  const [dead, wrong] = [await relay(), await relay()]
  const { towns } = await country(
    [
      {
        name: 'capulet.example',
        more: {
          endpoints: ['dead', 'wrong', 'montague'].map(host => ({
            domain: 'montague.example',
            url: `wss://${host}.example/s2s`,
          })),
        },
      },
      { name: 'montague.example' },
      { name: 'verona.example' },
    ],
    { connect: { 'dead.example:443': dead.address, 'wrong.example:443': wrong.address } },
  )
  const [capulet, montague, other] = towns
  if (capulet === undefined || montague === undefined || other === undefined) throw new Error('three towns')
  wrong.target = other.relay.target
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  await montague.host.receives(({ id }) => id === '1')
  const failed = capulet.events.flatMap(event => (event.type === 'candidate:failed' ? [event.reason] : []))
  expect(failed).toEqual([expect.stringMatching(/^network\./), 'peer.identity'])
})

it('a certificate for another name bounces, and the text names the names', async () => {
  const { capulet } = await verona({
    montague: { certificateNames: ['verona.example'] },
    capulet: { more: { endpoints: [{ domain: 'montague.example', url: 'wss://montague.example/s2s' }] } },
  })
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  const error = xml(await capulet.host.receives(isError))
  expect(error).toContain('<remote-server-timeout')
  expect(error).toContain("type='wait'")
  expect(error).toContain('it is for verona.example, not montague.example')
  expect(await settled(capulet)).toMatchObject({ accepted: 1, bounced: 1 })
})

it('with a certificate for another name nobody is let in either: the stream is refused and the sender told', async () => {
  const { capulet, montague } = await verona({ capulet: { certificateNames: ['verona.example'] } })
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  const error = xml(await capulet.host.receives(isError))
  expect(error).toContain('<remote-server-timeout')
  expect(montague.host.received).toEqual([])
  expect(await montague.sees(({ type }) => type === 'identity')).toMatchObject({
    role: 'receiving',
    ok: false,
    reason: 'name-mismatch',
  })
})

it('nobody listens: bounced within the limits, as not found where nothing was found, else as timeout', async () => {
  const silent = await relay()
  const { capulet } = await verona({
    capulet: {
      more: { endpoints: [{ domain: 'static.example', url: 'wss://static.example/s2s' }] },
    },
    connect: { 'static.example:443': silent.address, 'empty.example:443': silent.address },
  })
  await capulet.federation.send(say(JULIET, 'romeo@static.example', '1'))
  expect(xml(await capulet.host.receives(({ id }) => id === '1'))).toContain('<remote-server-timeout')
  await capulet.federation.send(say(JULIET, 'romeo@empty.example', '2'))
  expect(xml(await capulet.host.receives(({ id }) => id === '2'))).toMatch(
    /<remote-server-(timeout|not-found)/,
  )
  await capulet.federation.send(say(JULIET, 'romeo@localhost', '3'))
  expect(xml(await capulet.host.receives(({ id }) => id === '3'))).toContain('<remote-server-not-found')
  expect(await settled(capulet)).toMatchObject({ accepted: 3, bounced: 3 })
})

it('a peer that accepts and says nothing costs a stanza no more than its time', async () => {
  const silent = await relay()
  const { capulet, montague } = await verona({
    capulet: {
      limits: { connectMs: 200, attemptMs: 400, hostMetaMs: 200, queueAgeMs: 600 },
      more: { endpoints: [{ domain: 'silent.example', url: 'wss://silent.example/s2s' }] },
    },
    connect: { 'silent.example:443': silent.address },
  })
  silent.target = montague.relay.target
  silent.stall()
  await capulet.federation.send(say(JULIET, 'romeo@silent.example', '1'))
  const error = xml(await capulet.host.receives(isError))
  expect(error).toContain('<remote-server-timeout')
})

it('a slow reader slows its own source and costs a bounded queue; all others go on', async () => {
  const { towns } = await country([
    { name: 'capulet.example', also: ['rooms.capulet.example'] },
    { name: 'montague.example' },
    { name: 'verona.example' },
  ])
  const [capulet, montague, other] = towns
  if (capulet === undefined || montague === undefined || other === undefined) throw new Error('three towns')
  await capulet.federation.send(say(JULIET, ROMEO, '0'))
  await montague.host.receives(({ id }) => id === '0')
  montague.relay.stall()

  // A source that waits is stopped; how much it has written by then is the business of two kernels and 1 MiB.
  const body = 'x'.repeat(20_000)
  let sent = 0
  const isStopped = async () => {
    const waiting = capulet.federation.send(say(JULIET, ROMEO, String(++sent), body))
    const soon = new Promise<'late'>(resolve => setTimeout(resolve, 500, 'late'))
    return (await Promise.race([waiting.then(() => 'sent' as const), soon])) === 'late'
  }
  while (!(await isStopped())) expect(sent * 20_000).toBeLessThan(32 * 1024 * 1024)

  // One that does not wait has room for the rest of the queue, less than 1 MiB, and is told so from then on.
  let beyond = 0
  while (!capulet.host.received.some(isError)) {
    void capulet.federation.send(say(JULIET, ROMEO, String(++sent), body))
    beyond += 1
    await new Promise(resolve => setImmediate(resolve))
  }
  expect(beyond * 20_000).toBeLessThan(1024 * 1024)
  expect(xml(await capulet.host.receives(isError))).toContain('<resource-constraint')

  // Meanwhile: another domain, the other direction, and within the house.
  for (let number = 1; number <= 300; number++) {
    await capulet.federation.send(say(JULIET, 'friar@verona.example', String(number)))
    await montague.federation.send(say(ROMEO, 'nurse@capulet.example', `${number}`))
    await capulet.federation.send(say(JULIET, 'guest@rooms.capulet.example', `${number}`))
  }
  await other.host.receivesCount(300)
  await capulet.host.receives(
    () => capulet.host.received.filter(({ type }) => type !== 'error').length >= 600,
  )

  montague.relay.flow()
  await settled(capulet)
  const arrived = numbers(montague.host.received)
  expect(isIncreasing(arrived)).toBe(true)
  const refused = numbers(capulet.host.received.filter(isError))
  expect(arrived.length + refused.length).toBe(1 + sent)
})

it('a slow host slows the peer’s stream and nobody else', async () => {
  const { capulet, montague } = await verona({ montague: { also: ['rooms.montague.example'] } })
  const finish: (() => void)[] = []
  montague.host.answer = ({ to }) =>
    to.domain === 'rooms.montague.example'
      ? { taken: true }
      : new Promise(resolve => finish.push(() => resolve({ taken: true })))
  for (const id of ['1', '2', '3']) await capulet.federation.send(say(JULIET, ROMEO, id))
  await montague.host.receives(({ id }) => id === '1')
  await capulet.federation.send(say(JULIET, 'ball@rooms.montague.example', '4'))
  await montague.host.receives(({ id }) => id === '4')
  expect(numbers(montague.host.received)).toEqual([1, 4])
  finish[0]?.()
  await montague.host.receives(({ id }) => id === '2')
  montague.host.answer = () => ({ taken: true })
  finish[1]?.()
  await montague.host.receives(({ id }) => id === '3')
  await settled(capulet)
})

it('two busy echoes do not wait for each other', async () => {
  const { capulet, montague } = await verona({ limits: { inboundBytesPerSecond: 1e9 } })
  const answer = (town: Town) => (stanza: Stanza) => {
    if (stanza.type === 'error' || stanza.id.startsWith('re')) return { taken: true } as const
    const room = town.host.send(
      message({ from: stanza.to, to: stanza.from, id: `re${stanza.id}`, body: 'x'.repeat(5_000) }),
    )
    return room === undefined ? ({ taken: true } as const) : room.then(() => ({ taken: true }) as const)
  }
  capulet.host.answer = answer(capulet)
  montague.host.answer = answer(montague)
  const count = 400
  const flood = async (town: Town, from: string, to: string) => {
    for (let number = 0; number < count; number++) {
      await town.federation.send(say(from, to, String(number), 'x'.repeat(5_000)))
    }
  }
  await Promise.all([flood(capulet, JULIET, ROMEO), flood(montague, ROMEO, JULIET)])
  for (const town of [capulet, montague]) {
    await town.host.receives(
      () => town.host.received.filter(({ id }) => id.startsWith('re')).length === count,
    )
    expect((await settled(town)).bounced).toBe(0)
  }
}, 60_000)

it('close drains: what was accepted is delivered or told of, and everything ends within the budget', async () => {
  const { capulet, montague } = await verona()
  await capulet.federation.send(say(JULIET, ROMEO, '0'))
  await montague.host.receives(({ id }) => id === '0')
  for (let number = 1; number <= 500; number++)
    void capulet.federation.send(say(JULIET, ROMEO, String(number)))
  await capulet.federation.close({ deadlineMs: 5_000 })
  const account = capulet.federation.account()
  expect(account).toMatchObject({ accepted: 501, held: 0, inDoubt: 0 })
  expect(account.delivered).toBe(501)
  expect(montague.host.received).toHaveLength(501)
  await montague.sees(event => event.type === 'stream:ended' && event.role === 'receiving')
})

it('close does not wait longer for a peer that does not answer', async () => {
  const { capulet, montague } = await verona()
  await capulet.federation.send(say(JULIET, ROMEO, '0'))
  await montague.host.receives(({ id }) => id === '0')
  await settled(capulet)
  montague.relay.stall()
  capulet.relay.stall()
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  await capulet.federation.close({ deadlineMs: 500 })
  expect(capulet.federation.account()).toMatchObject({ accepted: 2, delivered: 1, inDoubt: 1, held: 0 })
  montague.relay.flow()
  capulet.relay.flow()
})

it('several federations live in one process and share nothing', async () => {
  const [here, there] = [await verona(), await verona()]
  await here.capulet.federation.send(say(JULIET, ROMEO, 'here'))
  await there.capulet.federation.send(say(JULIET, ROMEO, 'there'))
  await here.montague.host.receives(({ id }) => id === 'here')
  await there.montague.host.receives(({ id }) => id === 'there')
  expect(here.montague.host.received).toHaveLength(1)
  expect(there.montague.host.received).toHaveLength(1)
  await here.close()
  await there.capulet.federation.send(say(JULIET, ROMEO, 'still there'))
  await there.montague.host.receives(({ id }) => id === 'still there')
})

/** Streams that montague.example opens to a town beside those of its own federation, as its other gateways would. */
async function extraStreams(to: Town, authority: TestAuthority, count: number) {
  const { certificatePem, keyPem } = authority.issue({ dns: ['montague.example'] })
  const secureContext = createTlsContext({
    identity: { certificate: certificatePem, key: keyPem },
    ca: [authority.caPem],
  })
  const pair = { local: parseDomain('montague.example'), remote: parseDomain('capulet.example') }
  const { local, remote } = pair
  if (local === null || remote === null) throw new Error('two domains')
  const ends: (Failure | null)[] = []
  const sessions: EstablishedSession[] = []
  for (let number = 0; number < count; number++) {
    const dialled = await dialWebSocket<never>({
      url: 'wss://capulet.example/s2s',
      address: '127.0.0.1',
      port: to.relay.target ?? 0,
      servername: 'capulet.example',
      secureContext,
      vet: () => null,
      limits: defaultLimits,
      clock: systemClock,
      signal: new AbortController().signal,
    })
    if (!dialled.ok) throw new Error(JSON.stringify(dialled.failure))
    await new Promise<void>(resolve => {
      const session = startInitiating({
        transport: dialled.transport,
        pair: { local, remote },
        verdict: {
          ok: true,
          domain: remote,
          via: 'dns-id',
          name: remote,
          notAfterMs: Number.POSITIVE_INFINITY,
        },
        handler: {
          onEstablished(established) {
            sessions.push(established)
            resolve()
            return null
          },
          onStanza() {},
          onDrain() {},
          onEnded(failure) {
            ends.push(failure)
            resolve()
          },
        },
        observer: new Observer(),
        clock: systemClock,
        random: systemRandom,
        limits: defaultLimits,
      })
      closing.push(async () => session.abort({ by: 'us', kind: 'aborted', detail: 'the test is over' }))
    })
  }
  return { sessions, ends }
}

it('eight inbound streams of a pair coexist and all deliver; the ninth is refused, none of the others', async () => {
  const { towns, authority } = await country([{ name: 'capulet.example' }])
  const [capulet] = towns
  if (capulet === undefined) throw new Error('one town')
  const { sessions, ends } = await extraStreams(capulet, authority, 8)
  expect(sessions).toHaveLength(8)
  for (const [number, session] of sessions.entries()) session.send(say(ROMEO, JULIET, String(number)))
  await capulet.host.receivesCount(8)
  const late = await extraStreams(capulet, authority, 1)
  // Whether it hears of its end before or after it thinks that it stands: the peer's word is what counts.
  while (late.ends.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  expect(late.ends).toMatchObject([{ by: 'peer', kind: 'reported', condition: 'conflict' }])
  expect(ends).toEqual([])
  for (const [number, session] of sessions.entries()) session.send(say(ROMEO, JULIET, `again ${number}`))
  await capulet.host.receivesCount(16)
})

/** A place that sends every stream elsewhere. */
async function redirecting(
  domain: string,
  old: Relay,
  certificate: TestCertificate,
  target: string,
): Promise<void> {
  const front = await testFront({
    domains: [frontDomain(domain, { from: certificate, url: 'wss://old.example/s2s' })],
    onTransport: ({ transport }) => {
      const recorder = new Recorder()
      recorder.react = () => {
        transport.send(
          `<close xmlns='urn:ietf:params:xml:ns:xmpp-framing-server' see-other-uri='${target}'/>`,
        )
        recorder.react = () => transport.close(1000)
      }
      transport.attach(recorder)
    },
  })
  closing.push(() => front.front.close())
  old.target = front.port
}

it.each([
  ['wss', 'wss://montague.example/s2s', true],
  ['http', 'http://montague.example/s2s', false],
])('a peer that redirects (see-other-uri) to %s', async (_, target, isFollowed) => {
  const old = await relay()
  const { capulet, montague, authority } = await verona({
    capulet: { more: { endpoints: [{ domain: 'montague.example', url: 'wss://old.example/s2s' }] } },
    connect: { 'old.example:443': old.address },
  })
  const certificate = authority.issue({ dns: ['montague.example', 'old.example'] })
  await redirecting('montague.example', old, certificate, target)
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  if (isFollowed) {
    await montague.host.receives(({ id }) => id === '1')
    const tried = capulet.events.flatMap(event => (event.type === 'candidate:trying' ? [event] : []))
    expect(tried.map(({ source }) => source)).toEqual(['static', 'redirect'])
  } else {
    expect(xml(await capulet.host.receives(isError))).toContain(
      'the peer redirected us: to something that is no wss URL',
    )
    expect(montague.host.received).toEqual([])
  }
})

it('the question about a key follows a redirect, too', async () => {
  const old = await relay()
  const { capulet, montague, authority } = await verona({
    montague: {
      more: {
        listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }],
        endpoints: [{ domain: 'capulet.example', url: 'wss://old.example/s2s' }],
      },
    },
    connect: { 'old.example:443': old.address },
  })
  const certificate = authority.issue({ dns: ['capulet.example', 'old.example'] })
  await redirecting('capulet.example', old, certificate, 'wss://capulet.example/s2s')
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  await montague.host.receives(({ id }) => id === '1')
  const stands = await montague.sees(({ type }) => type === 'stream:established')
  expect(stands).toMatchObject({ role: 'receiving', authentication: 'dialback' })
  expect(old.count).toBe(1)
})

it('errors of a host reach the sender, whichever domain it is', async () => {
  const { capulet, montague } = await verona()
  montague.host.answer = () => ({ taken: false, condition: 'recipient-unavailable', text: 'in Mantua' })
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  const expected = bounce(say(JULIET, ROMEO, '1'), { condition: 'recipient-unavailable', text: 'in Mantua' })
  expect(expected).not.toBeNull()
  if (expected !== null) expect(xml(await capulet.host.receives(isError))).toBe(xml(expected))
  expect(await settled(montague)).toMatchObject({ accepted: 2, bounced: 1, delivered: 1 })
  expect(await settled(capulet)).toMatchObject({ accepted: 2, delivered: 2 })
})

const walk = async (from: Town, options: { signal?: AbortSignal } = {}) => {
  const { signal = new AbortController().signal } = options
  const report = await from.federation.check('montague.example', { local: 'capulet.example', signal })
  return { ...report, names: report.stages.map(({ name, ok }) => `${name} ${ok ? 'ok' : 'failed'}`) }
}
const UP_TO = (stage: string) => {
  const all = [
    'discovery',
    'connect',
    'tls',
    'identity',
    'upgrade',
    'open',
    'features',
    'authentication',
    'ping',
    'reverse',
  ]
  const at = all.indexOf(stage)
  return [...all.slice(0, at).map(name => `${name} ok`), `${stage} failed`]
}

it('check walks to a domain and back', async () => {
  const { capulet } = await verona()
  const report = await walk(capulet)
  expect(report).toMatchObject({ ok: true, outcome: 'ok' })
  expect(report.names).toHaveLength(10)
  // Afresh each time, and beside a stream that stands.
  await capulet.federation.send(say(JULIET, ROMEO, '1'))
  expect((await walk(capulet)).ok).toBe(true)
  expect(capulet.host.received.filter(({ kind }) => kind === 'iq')).toEqual([])
})

it.each<[string, Partial<TownOptions>, Partial<TownOptions>, string, string]>([
  [
    'a certificate for another name',
    { more: { endpoints: [{ domain: 'montague.example', url: 'wss://montague.example/s2s' }] } },
    { certificateNames: ['verona.example'] },
    'identity',
    'identity',
  ],
  [
    'a path that is not there',
    { more: { endpoints: [{ domain: 'montague.example', url: 'wss://montague.example/elsewhere' }] } },
    {},
    'upgrade',
    'failed',
  ],
  [
    'nobody at the endpoint',
    { more: { endpoints: [{ domain: 'montague.example', url: 'wss://127.0.0.1:9/s2s' }] } },
    {},
    'connect',
    'unreachable',
  ],
  [
    'a peer that does not accept our certificate',
    { certificateNames: ['verona.example'] },
    {},
    'authentication',
    'failed',
  ],
])('check stops where it fails: %s', async (_, capuletIs, montagueIs, stage, outcome) => {
  const { capulet } = await verona({ capulet: capuletIs, montague: montagueIs })
  const report = await walk(capulet)
  expect(report.names).toEqual(UP_TO(stage))
  expect(report).toMatchObject({ ok: false, outcome })
})

it('check tells that the peer cannot reach us', async () => {
  const { capulet } = await verona({ capulet: { limits: { pingAnswerMs: 1_000 } } })
  capulet.relay.target = null
  const report = await walk(capulet)
  expect(report.names.slice(-2)).toEqual(['ping ok', 'reverse failed'])
  expect(report.stages.at(-1)?.detail).toContain('wss://capulet.example/s2s')
  expect(report.outcome).toBe('failed')
})
