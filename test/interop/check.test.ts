import { afterEach, describe, expect, it } from 'vitest'
import type { ProofReport } from '../../src/index.ts'
import { message, NS } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { federations, type TownOptions, twoFederations } from '../kit/federations.ts'
import { CLOSE } from '../kit/mallory.ts'
import { ScriptedPeer } from '../kit/scripted-peer.ts'
import { dialback } from '../kit/scripted-stream.ts'

// What a walk says of the proofs, between whole federations: what is used in each direction, and why not the other.

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function verona(capulet: Partial<TownOptions>, montague: Partial<TownOptions>) {
  const towns = await twoFederations({ capulet, montague, limits: { pingAnswerMs: 1_000 } })
  closing.push(towns.close)
  return towns
}

type Walker = Awaited<ReturnType<typeof verona>>['capulet']

/** capulet.example walks. */
async function walk({ federation }: Walker, remote = 'montague.example') {
  const { signal } = new AbortController()
  const report = await federation.check(remote, { local: 'capulet.example', signal })
  for (const { ok, reason } of report.stages) {
    expect(reason).toEqual(ok ? undefined : expect.stringMatching(/^(?:peer|network|us)\.[a-z-]+$/))
  }
  const failed = report.stages.find(({ ok }) => !ok)
  return { ...report, failed: failed === undefined ? null : `${failed.name}: ${failed.reason}` }
}

const seen = (method: ProofReport['method'], detail: RegExp) => ({
  method,
  seen: true,
  detail: expect.stringMatching(detail),
})
const unseen = (method: ProofReport['method'], detail: RegExp) => ({ ...seen(method, detail), seen: false })

/** As behind a proxy that ends TLS. */
const BLIND: TownOptions['more'] = { listen: [{ address: '127.0.0.1:0', clientCertificates: 'off' }] }
const KEYLESS: TownOptions['more'] = { dialback: 'off' }

type Case = [
  string,
  Partial<TownOptions>,
  Partial<TownOptions>,
  { out: object; back: object; failed: string | null },
]

const cases: Case[] = [
  [
    'certificates, where both do both',
    {},
    {},
    {
      out: seen('sasl-external', /^it took our certificate; dialback, which it offers too, was not needed$/),
      back: seen('sasl-external', /^its certificate, dns-id montague\.example; dialback was not needed$/),
      failed: null,
    },
  ],
  [
    'a key of ours, where it sees no certificate',
    {},
    { more: BLIND },
    {
      out: seen('dialback', /^it offers no SASL EXTERNAL to us: no client certificate of ours reached it/),
      back: seen('sasl-external', /^its certificate, dns-id montague\.example/),
      failed: null,
    },
  ],
  [
    'a key of its own, where we see no certificate',
    { more: BLIND },
    {},
    {
      out: seen('sasl-external', /^it took our certificate/),
      back: seen(
        'dialback',
        /^its server, dns-id montague\.example, knew its key; not SASL EXTERNAL, as no listener of ours sees certificates$/,
      ),
      failed: null,
    },
  ],
  [
    'certificates, where we do no dialback',
    { more: KEYLESS },
    {},
    {
      out: seen('sasl-external', /^it took our certificate; dialback is off here$/),
      back: seen('sasl-external', /dialback is off here$/),
      failed: null,
    },
  ],
  [
    'certificates, where it does no dialback',
    {},
    { more: KEYLESS },
    {
      out: seen('sasl-external', /^it took our certificate; it offers no dialback$/),
      back: seen('sasl-external', /dialback was not needed$/),
      failed: null,
    },
  ],
  [
    'nothing, where it sees no certificate and we do no dialback',
    { more: KEYLESS },
    { more: BLIND },
    {
      out: unseen(null, /^it offers no SASL EXTERNAL to us: .*; dialback is off here$/),
      back: unseen(
        'sasl-external',
        /^it did not come; it could use SASL EXTERNAL with a certificate .*; not dialback, which is off here$/,
      ),
      failed: 'authentication: peer.unauthenticated',
    },
  ],
  [
    'nothing, where it sees no certificate and does no dialback',
    { more: BLIND },
    { more: { ...BLIND, ...KEYLESS } },
    {
      out: unseen(null, /^the walk ended before the peer said what it takes$/),
      back: unseen(
        'dialback',
        /^it did not come; it could use dialback, as its endpoint wss:\/\/montague\.example\/s2s proves it \(dns-id montague\.example\); not SASL EXTERNAL, as/,
      ),
      failed: 'features: peer.reported',
    },
  ],
  [
    'a stream of ours for both, where nobody can dial us',
    { unreachable: true },
    {},
    {
      out: seen('sasl-external', /; no dialback, as nobody could dial us to ask about a key$/),
      back: seen('bidi', /^its answer came on a stream of ours/),
      failed: null,
    },
  ],
  [
    'nothing, where nobody can dial us and it sees no certificate',
    { unreachable: true },
    { more: BLIND },
    {
      out: unseen(null, /^it offers no SASL EXTERNAL to us: .*; no dialback, as nobody could dial us/),
      back: unseen('bidi', /^nobody can dial us: .*, which it offers$/),
      failed: 'authentication: peer.unauthenticated',
    },
  ],
  [
    'what it is, where it came and was refused',
    { limits: { pairStreams: 0, pingAnswerMs: 1_000 } },
    {},
    {
      out: seen('sasl-external', /^it took our certificate/),
      back: unseen(
        'sasl-external',
        /^it came and was refused; it could use SASL EXTERNAL with .*, or dialback, as its/,
      ),
      failed: 'reverse: peer.violation',
    },
  ],
]

describe('a walk says what proves whom to whom', () => {
  it.each(cases)('%s', async (_, capuletIs, montagueIs, { out, back, failed }) => {
    const { capulet } = await verona(capuletIs, montagueIs)
    const report = await walk(capulet)
    expect(report.proof).toEqual({ out, back })
    expect(report).toMatchObject({ ok: failed === null, failed })
  })

  it('where it cannot reach us, what it could use if it did', async () => {
    const { capulet } = await verona({}, {})
    capulet.relay.target = null
    const { proof, failed } = await walk(capulet)
    expect(failed).toBe('reverse: network.timeout')
    expect(proof.back).toEqual(
      unseen(
        'sasl-external',
        /^it did not come; it could use SASL EXTERNAL .*, or dialback, as its endpoint wss:/,
      ),
    )
  })

  it.each([
    [
      'sees none',
      {},
      'dialback',
      /^it did not come; it could use dialback, .*; not SASL EXTERNAL, as no listener/,
    ],
    [
      'is shown them',
      { forwardedCertificate: 'rfc9440' },
      'sasl-external',
      /^it did not come; it could use SASL EXTERNAL .*, or dialback/,
    ],
  ] as const)('where TLS ends at a proxy, and a listener behind it %s', async (_, handed, method, detail) => {
    const behind = { tls: false, trustedProxies: ['127.0.0.0/8'], proxySecret: 'between us and the proxy' }
    const { capulet } = await verona(
      { more: { listen: [{ address: '127.0.0.1:0', ...behind, ...handed }] } },
      {},
    )
    // Nothing stands before it that would end TLS.
    const { proof } = await walk(capulet)
    expect(proof.back).toEqual(unseen(method, detail))
  })

  it('where it is nowhere', async () => {
    const { capulet, montague } = await verona({ more: BLIND }, {})
    montague.relay.target = null
    const { proof, failed, outcome } = await walk(capulet)
    expect({ failed, outcome }).toEqual({ failed: 'discovery: network.tls', outcome: 'unreachable' })
    expect(proof.out).toEqual(unseen(null, /^the walk ended before/))
    expect(proof.back).toEqual(
      unseen(
        null,
        /it could use nothing; not SASL EXTERNAL, as .*; not dialback, as no endpoint has proven to be its$/,
      ),
    )
  })

  it('on a stream that stood before', async () => {
    const { capulet, montague } = await verona({ more: BLIND }, {})
    await montague.host.send(
      message({ from: 'romeo@montague.example', to: 'juliet@capulet.example', body: 'I' }),
    )
    await capulet.host.receivesCount(1)
    const { proof, ok } = await walk(capulet)
    expect(ok).toBe(true)
    expect(proof.back).toEqual(
      seen('dialback', /^its server, dns-id montague\.example, knew its key; not SASL/),
    )
  })

  it('with nobody who can dial us: on the stream that is kept up, which the walk leaves alone', async () => {
    const { capulet, montague } = await verona({ unreachable: true }, {})
    const [JULIET, ROMEO] = ['juliet@capulet.example', 'romeo@montague.example']
    await capulet.host.send(message({ from: JULIET, to: ROMEO, body: 'wherefore' }))
    await montague.host.receivesCount(1)
    const report = await walk(capulet)
    expect(report).toMatchObject({ ok: true, proof: { back: { method: 'bidi', seen: true } } })
    await capulet.sees(({ type }) => type === 'stream:ended')
    await montague.host.send(message({ from: ROMEO, to: JULIET, body: 'call me but love' }))
    await capulet.host.receivesCount(1)
    const ended = capulet.events.filter(event => event.type === 'stream:ended')
    expect(ended).toHaveLength(1)
    expect(capulet.federation.account()).toMatchObject({ accepted: 2, bounced: 0, inDoubt: 0 })
  })
})

describe('a peer that refuses our certificate', () => {
  async function refused() {
    const authority = testAuthority()
    const certificate = authority.issue({ dns: ['paris.example'] })
    const peer = await ScriptedPeer.listen({ certificate, offersExternal: () => true })
    closing.push(() => peer.close())
    const endpoints = [{ domain: 'paris.example', url: 'wss://paris.example/s2s' }]
    const connect = { 'paris.example:443': `127.0.0.1:${peer.port}` }
    const { towns, close } = await federations([{ name: 'capulet.example', more: { endpoints } }], {
      authority,
      connect,
      limits: { pingAnswerMs: 200 },
    })
    closing.push(close)
    const [capulet] = towns
    if (capulet === undefined) throw new Error('a town was asked for')
    const walking = walk(capulet, 'paris.example')
    const { stream } = await peer.takes('authenticates')
    stream.say(`<failure xmlns='${NS.sasl}'><not-authorized/></failure>`)
    return { peer, stream, walking }
  }
  const VALID = dialback('result', { from: 'paris.example', to: 'capulet.example', type: 'valid' })

  it('is shown a key on the same stream (SA-13)', async () => {
    const { stream, walking } = await refused()
    await stream.said('<db:result')
    stream.say(VALID)
    const { proof, stages } = await walking
    expect(stages.find(({ name }) => name === 'authentication')).toMatchObject({ ok: true })
    expect(proof.out).toEqual(seen('dialback', /^it did not take our certificate$/))
  })

  it('is shown one on a second stream, where the first has ended (SA-14)', async () => {
    const { peer, stream, walking } = await refused()
    stream.say(CLOSE)
    const shown = await peer.takes('shows')
    shown.stream.say(VALID)
    const { proof, stages } = await walking
    expect(stages.find(({ name }) => name === 'authentication')).toMatchObject({ ok: true })
    expect(proof.out).toEqual(
      seen(
        'dialback',
        /^it refused our certificate and ended that stream \(authentication failed: .*not-authorized/,
      ),
    )
  })

  it('may refuse our key, too', async () => {
    const { stream, walking } = await refused()
    await stream.said('<db:result')
    stream.say(VALID.replace("'valid'", "'invalid'"))
    const { proof, failed } = await walking
    expect(failed).toBe('authentication: peer.unauthenticated')
    expect(proof.out).toEqual(unseen(null, /^it did not take our certificate; it did not take our key$/))
  })
})
