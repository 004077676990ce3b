import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import {
  BIDI,
  CLOSING,
  DIALBACK,
  EXTERNAL,
  EXTERNAL_CHALLENGED,
  EXTERNAL_REFUSED,
  PEERS,
  type Said,
  STREAM_ERRORS,
} from '../kit/examples.ts'
import {
  auth,
  CAPULET,
  establishedReceiving,
  FROM_CAPULET,
  GOOD_MESSAGE,
  ID_1,
  ID_2,
  ID_3,
  initiating,
  keyOf,
  MONTAGUE,
  receiving,
  SECRETS,
  SM_OFFERED,
  verifying,
  WEBSOCKET,
} from '../kit/streams.ts'
import { type Tree, treeOf, withoutText } from '../kit/xml-tree.ts'

// Compared byte by byte, but errors: our words for people are free.

const wire = WEBSOCKET
const limits = { stanzaBytes: 262_144 }

function meant(text: string): Tree {
  return withoutText(treeOf(text))
}

const texts = (exchange: readonly Said[], by: Said['by'], socket = 1) =>
  exchange.filter(said => said.by === by && said.socket === socket).map(({ text }) => text)

/** What both sides of these exchanges can do. */
const capulet = { limits, dialback: SECRETS.capulet } as const
const montague = {
  limits,
  dialback: SECRETS.montague,
  bidi: true,
  sm: { id: ID_3, maxSeconds: 300 },
} as const

/** DB-22, SM-04: where further pairs can prove themselves, or this one by a key, the features say what may be asked for. */
const early = (features = '') => features.replace('<limits', `${SM_OFFERED}<limits`)
const late = (features = '') =>
  features.replace('<sm', `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback><sm`)

const isStanza = (text: string) => /^<(message|presence|iq) /.test(text)

describe('the exchanges of the digest', () => {
  it('[WS-40 SA-02 SA-04 SA-10] EX-10, as capulet.example', () => {
    const side = initiating(wire, capulet)
    for (const text of texts(EXTERNAL, 'S').slice(0, -1)) side.say(text)
    expect(side.isEstablished).toBe(true)
    expect(side.established?.peerLimits).toEqual({ maxBytes: 262_144, idleSeconds: 900 })
    side.give({ type: 'end', failure: null })
    expect(side.sent).toEqual(texts(EXTERNAL, 'C').filter(text => !isStanza(text)))
    side.say(texts(EXTERNAL, 'S').at(-1) ?? '')
    expect([side.closeCode, side.ended]).toEqual([1000, null])
  })

  it('[WS-40 SA-02 SA-04 SA-10 DB-22] EX-10, as montague.example, but that further pairs can prove themselves', () => {
    const side = receiving(wire, montague)
    for (const text of texts(EXTERNAL, 'C')) side.say(text)
    const [open = '', features = '', success = '', again = '', last = '', close = ''] = texts(EXTERNAL, 'S')
    expect(side.sent).toEqual([open, early(features), success, again, late(last), close])
    expect(side.stanzas.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(
      texts(EXTERNAL, 'C').filter(isStanza),
    )
    expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
  })

  it('[SA-07] EX-11, as montague.example', () => {
    const side = receiving(wire).say(wire.open(FROM_CAPULET))
    for (const text of texts(EXTERNAL_CHALLENGED, 'C')) side.say(text)
    expect(side.sent.slice(2)).toEqual(texts(EXTERNAL_CHALLENGED, 'S'))
  })

  it('[SA-11 SA-13 DB-10] EX-12, as capulet.example', () => {
    const side = initiating(wire, capulet)
    for (const text of texts(EXTERNAL, 'S').slice(0, 2)) side.say(text)
    for (const text of texts(EXTERNAL_REFUSED, 'S')) side.say(text)
    expect(side.sent.slice(1)).toEqual(texts(EXTERNAL_REFUSED, 'C'))
    expect(side.established?.proof.method).toBe('dialback')
    expect(side.say(wire.close).ended).toBeUndefined()
    expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
  })

  it('[SA-11 SA-13 DB-10] EX-12, as montague.example, whose peer speaks for somebody else first', () => {
    const [authentication = '', key = ''] = texts(EXTERNAL_REFUSED, 'C')
    const side = receiving(wire, montague).say(wire.open(FROM_CAPULET))
    side.say(authentication.replace('Y2FwdWxldC5leGFtcGxl', 'cm9tZW8uZXhhbXBsZQ=='), key).answer('valid')
    const [failure = '', valid] = texts(EXTERNAL_REFUSED, 'S')
    expect(side.sent.slice(2)).toEqual([failure.replace('not-authorized', 'invalid-authzid'), valid])
    expect(side.established?.proof.method).toBe('dialback')
  })

  it('[BI-02 LI-02] EX-50, as capulet.example', () => {
    const side = initiating(wire, { ...capulet, bidi: true }).say(texts(EXTERNAL, 'S')[0] ?? '')
    for (const text of texts(BIDI, 'S')) side.say(text)
    expect(side.sent).toEqual([texts(EXTERNAL, 'C')[0], ...texts(BIDI, 'C').filter(text => !isStanza(text))])
    expect(side.established).toMatchObject({
      bidi: true,
      peerLimits: { maxBytes: 262_144, idleSeconds: 900 },
    })
    expect(side.stanzas.map(({ type, id }) => [type, id])).toEqual([['result', 'p9']])
  })

  it('[BI-01 BI-04 LI-02] EX-50, as montague.example', () => {
    const side = receiving(wire, montague).say(wire.open(FROM_CAPULET))
    for (const text of texts(BIDI, 'C')) side.say(text)
    const [features, success, open, last = ''] = texts(BIDI, 'S')
    expect(side.sent.slice(1)).toEqual([early(features), success, open, late(last)])
    expect(side.established).toMatchObject({
      bidi: true,
      peerLimits: { maxBytes: 262_144, idleSeconds: 900 },
    })
    expect(side.stanzas.map(({ type, id }) => [type, id])).toEqual([['get', 'p9']])
  })

  it('[SE-30 WS-43] EX-30: an unknown host, a wrong framing namespace', () => {
    const said = texts(STREAM_ERRORS, 'S')
    const [unknownHost = '', , wrongNamespace = ''] = texts(STREAM_ERRORS, 'C')
    const host = receiving(wire, { streamIds: ['c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5', ID_1, ID_2] }).say(
      unknownHost,
    )
    // The example's header is from another of its domains; ours is from nobody, which WS-44 allows as well.
    expect(host.sent.map(meant)).toEqual(
      said.slice(0, 3).map(text => meant(text.replace(`from='montague.example'`, `from=''`))),
    )
    const namespace = receiving(wire).say(wrongNamespace)
    expect(namespace.sent.slice(1).map(meant)).toEqual(said.slice(4, 6).map(meant))
    expect(namespace.transcript[0]).toBe('open')
  })

  it('[SE-30 ST-17 SZ-01 SZ-02] EX-30: too early, a foreign from, no to', () => {
    const said = texts(STREAM_ERRORS, 'S')
    const [early = '', foreign = '', nowhere = ''] = texts(STREAM_ERRORS, 'C').filter(isStanza)
    const cases = [
      [receiving(wire).say(wire.open(FROM_CAPULET), early), said.slice(6, 8)],
      [establishedReceiving(wire).say(foreign), said.slice(8, 10)],
      [establishedReceiving(wire).say(nowhere), said.slice(10, 12)],
    ] as const
    for (const [side, expected] of cases) expect(side.sent.slice(-2).map(meant)).toEqual(expected.map(meant))
  })

  it('[SE-30 WS-49] EX-30: a comment, too large, an unknown element before authentication', () => {
    const [comment = '', large = '', unknown = ''] = texts(STREAM_ERRORS, 'S').slice(12)
    const open = wire.open(FROM_CAPULET)
    const error = (side: ReturnType<typeof receiving>) => side.sent.at(-2) ?? ''
    expect(meant(error(receiving(wire).say(open, '<!-- x -->')))).toEqual(meant(comment))
    const tooLarge = receiving(wire).say(open, `<x>${'a'.repeat(10_000)}</x>`)
    expect(treeOf(error(tooLarge))).toEqual(treeOf(large))
    expect(meant(error(receiving(wire).say(open, `<foo xmlns='urn:x'/>`)))).toEqual(meant(unknown))
  })

  it('[WS-53 WS-52] EX-40: a redirect as answer, and a shutdown, as capulet.example', () => {
    const [redirect = '', shutdown = '', close = ''] = texts(CLOSING, 'S')
    const [answer = ''] = texts(CLOSING, 'C')
    const redirected = initiating(wire).say(redirect)
    expect(redirected.sent.at(-1)).toBe(answer)
    const shut = initiating(wire)
    for (const text of texts(EXTERNAL, 'S').slice(0, -1)) shut.say(text)
    shut.say(shutdown, close)
    expect(shut.sent.at(-1)).toBe(answer)
    expect(shut.ended).toMatchObject({ kind: 'reported', condition: 'system-shutdown' })
  })
})

describe('what known peers send (EX-23)', () => {
  const [
    xmppProxyOpen = '',
    xmppProxyResult = '',
    xmppProxyClose = '',
    livechatOpen = '',
    livechatVerify = '',
    livechatFeatures = '',
  ] = PEERS

  it('[QK-02] xmpp-proxy’s header, with its mangled dialback namespace, says that dialback is supported', () => {
    for (const open of [xmppProxyOpen, livechatOpen]) {
      const [decoded] = wire
        .codec(defaultLimits, 'before-authentication')
        .decode(new TextEncoder().encode(open))
      expect(decoded).toMatchObject({ type: 'open', header: { from: 'capulet.example', dialback: true } })
      const side = receiving(wire).say(open, auth('='), open, GOOD_MESSAGE)
      expect(side.stanzas).toHaveLength(1)
    }
  })

  it('[QK-01] xmpp-proxy’s close', () => {
    const side = establishedReceiving(wire).say(xmppProxyClose)
    expect(side.sent.at(-1)).toBe(wire.close)
    expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
  })

  it('[QK-03] dialback elements whose prefix is declared on the header, or is db, are read; no other undeclared prefix is', () => {
    const side = receiving(wire).say(xmppProxyOpen, xmppProxyResult)
    expect(treeOf(side.sent[2] ?? '').name).toBe(`{${NS.dialback}}result`)
    side.say(livechatVerify)
    expect(side.errors).toEqual([])
    expect(
      receiving(wire).say(
        livechatOpen.replace('xmlns:db', 'xmlns:d'),
        xmppProxyResult.replaceAll('db:', 'd:'),
      ).errors,
    ).toEqual([])
    for (const prefix of ['foo:', 'd:']) {
      const foreign = receiving(wire).say(xmppProxyOpen, xmppProxyResult.replaceAll('db:', prefix))
      expect(foreign.errors, prefix).toEqual(['not-well-formed'])
    }
    expect(
      receiving(wire).say(xmppProxyOpen, `<db:result xmlns='jabber:server'><db:x/><foo:y/></db:result>`)
        .errors,
    ).toEqual(['not-well-formed'])
  })

  it('[QK-15] livechat’s header with an empty id', () => {
    expect(receiving(wire).say(livechatOpen).transcript).toEqual(['open', 'features'])
  })

  it('[QK-09 SA-16] livechat’s features: dialback only, so a key is shown; where that is off we leave, and say why', () => {
    const [open = ''] = texts(EXTERNAL, 'S')
    const key = initiating(wire, capulet).say(open, livechatFeatures).sent.at(-1)
    expect(key).toBe(texts(DIALBACK, 'C')[1])
    const side = initiating(wire).say(open, livechatFeatures)
    expect(side.errors).toEqual(['policy-violation'])
    expect(side.ended).toMatchObject({ kind: 'unauthenticated', detail: expect.stringContaining('off here') })
  })

  it('[QK-02 QK-03 QK-09] xmpp-proxy’s key counts, whatever it declares: it is asked about, and its stream stands', () => {
    const side = receiving(wire, { ...montague, peerCertificate: false }).say(xmppProxyOpen, xmppProxyResult)
    expect(side.asked).toEqual([
      {
        pair: { local: 'montague.example', remote: 'capulet.example' },
        from: 'capulet.example',
        to: 'montague.example',
        id: ID_1,
        key: keyOf(CAPULET, MONTAGUE, ID_1),
      },
    ])
    expect(side.answer('valid').say(GOOD_MESSAGE).stanzas).toHaveLength(1)
  })

  it('[QK-03 DB-40] livechat’s answer, which declares no prefix, counts where it was asked for', () => {
    const side = verifying(wire).say(
      livechatOpen.replace(`id=''`, `id='x'`),
      livechatFeatures,
      livechatVerify,
    )
    expect(side.verified).toMatchObject({ type: 'valid' })
  })

  it('[QK-14] ejabberd’s empty list of mechanisms is none', () => {
    const [open = ''] = texts(EXTERNAL, 'S')
    const empty = `<stream:features xmlns:stream='${NS.stream}'><mechanisms xmlns='${NS.sasl}'/></stream:features>`
    expect(initiating(wire).say(open, empty).ended).toMatchObject({ kind: 'unauthenticated' })
  })
})
