import { createHash, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../src/base/system.ts'
import { dialbackKey, dialbackSecret } from '../../src/stream/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import { DIALBACK, DIALBACK_FAILURES, type Said, VERIFY_ONLY } from '../kit/examples.ts'
import {
  CAPULET,
  DIALBACK_OFFERED,
  db,
  domain,
  establishedInitiating,
  establishedReceiving,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  ID_1,
  ID_2,
  initiating,
  inTheClear,
  keyOf,
  MONTAGUE,
  proven,
  type Receiving,
  receiving,
  SECRETS,
  shownInitiating,
  shownReceiving,
  TO_CAPULET,
  TO_MONTAGUE,
  verifying,
  WEBSOCKET,
  WIRES,
} from '../kit/streams.ts'
import { type Tree, treeOf } from '../kit/xml-tree.ts'

// Keys and elements (PROTOCOL E.1, E.2), and the exchanges of the digest, byte by byte. What streams do with them:
// dialback-streams.

const texts = (exchange: readonly Said[], by: Said['by'], socket: number) =>
  exchange.filter(said => said.by === by && said.socket === socket).map(({ text }) => text)
const isDialback = (text: string) => text.startsWith('<db:')
const trees = (sent: readonly string[]) => sent.filter(isDialback).map(treeOf)

/** An answer, by what decides. */
const answers = (side: { readonly sent: readonly string[] }) =>
  trees(side.sent).map(({ name, attributes, children }) => [
    name.slice(name.indexOf('}') + 1),
    attributes.type,
    conditionOf(children),
  ])

const conditionOf = (children: Tree['children']): string | undefined => {
  const [error] = children
  const [condition] = typeof error === 'object' ? error.children : []
  return typeof condition === 'object' ? condition.name : undefined
}

describe('keys', () => {
  it.each([
    [
      'TV-01',
      's3cr3tf0rd14lb4ck',
      'xmpp.example.com',
      'example.org',
      'D60000229F',
      '37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643',
    ],
    [
      'TV-02',
      's3cr3tf0rd14lb4ck',
      'montague.example',
      'capulet.example',
      'D60000229F',
      'b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3',
    ],
    [
      'TV-03',
      'd14lb4ck43v3r',
      'capulet.example',
      'montague.example',
      '417GAF25',
      '225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d',
    ],
    [
      'TV-07',
      's3cr3tf0rd14lb4ck',
      'montague.example',
      'capulet.example',
      ID_1,
      'c1fe4242a76d1ee462c833f10b2a54bb9794f9e97493bccfe02962805eb411d4',
    ],
    [
      'TV-08',
      'd14lb4ck43v3r',
      'capulet.example',
      'montague.example',
      ID_2,
      'a036e4ca11321b837b29abd0b7a4366cc332e88b9c99c58669142ca0aa092b3c',
    ],
    [
      'TV-09',
      's3cr3tf0rd14lb4ck',
      'montague.example',
      'rooms.capulet.example',
      ID_1,
      '16382cb94ab828dd6a206551f4839d8f71e607e5f91d714b7d09710ec64c8f5b',
    ],
  ])('[DB-01] the published key %s', (_, secret, receives, originates, id, key) => {
    expect(dialbackKey(dialbackSecret(secret), { receiving: receives, originating: originates, id })).toBe(
      key,
    )
  })

  it('[DB-01] it is not made with the raw hash of the secret (TV-03n), which is not taken either', () => {
    const raw = createHmac('sha256', createHash('sha256').update('s3cr3tf0rd14lb4ck').digest())
      .update('montague.example capulet.example D60000229F')
      .digest('hex')
    expect(raw).toBe('aab5380e8ad0cc667bd99a6c991b557871897829214c537e217b61936bbf4381')
    const side = receivingCapulet().say(db('verify', { ...TO_CAPULET, id: 'D60000229F' }, raw))
    expect(answers(side)).toEqual([['verify', 'invalid', undefined]])
  })

  it('[DB-02] two nodes with one secret know each other’s keys; a secret of random bytes needs nobody', () => {
    const shared = dialbackSecret(systemRandom.bytes(32))
    const key = dialbackKey(shared, { receiving: MONTAGUE, originating: CAPULET, id: ID_1 })
    const ask = db('verify', { ...TO_CAPULET, id: ID_1 }, key)
    const other = dialbackSecret(systemRandom.bytes(32))
    expect(answers(receivingCapulet(shared).say(ask))).toEqual([['verify', 'valid', undefined]])
    expect(answers(receivingCapulet(other).say(ask))).toEqual([['verify', 'invalid', undefined]])
  })

  it('[DB-01] domains and id that run into the same letters make different keys (DB-2 of the attack catalogue)', () => {
    const keys = [
      ['a.example', 'b.example', 'c'],
      ['a.exampleb.example', '', 'c'],
      ['a.example', 'b.examplec', ''],
      ['a.example b.example', 'c', ''],
      ['b.example', 'a.example', 'c'],
    ].map(([receives = '', originates = '', id = '']) => keyOf(originates, receives, id))
    expect(new Set(keys).size).toBe(keys.length)
  })

  it.each(['', 'a b', 'a\tb', ' a'])('[DB-01] no key is made for the stream id %j', id => {
    for (const wire of WIRES) {
      const side = initiating(wire, { dialback: SECRETS.capulet }).say(
        wire.open({ ...FROM_MONTAGUE, id }),
        DIALBACK_OFFERED,
      )
      expect(side.errors).toEqual(['bad-format'])
      expect(trees(side.sent)).toEqual([])
    }
  })

  it('[DB-03] a key counts in the letters in which it is asked about, and in ours', () => {
    for (const [from, to] of [
      ['Montague.Example', 'CAPULET.example'],
      ['montague.example.', 'capulet.example'],
    ] as const) {
      for (const key of [keyOf(to, from, ID_1), keyOf(CAPULET, MONTAGUE, ID_1)]) {
        const side = receivingCapulet().say(db('verify', { from, to, id: ID_1 }, key))
        expect(trees(side.sent)).toMatchObject([{ attributes: { from: to, to: from, type: 'valid' } }])
      }
    }
  })

  it('[DB-03] a key is asked about, and answered, in the letters in which it was shown', () => {
    for (const wire of WIRES) {
      const side = receivingMontague(wire).say(
        db('result', { from: 'XN--BCHER-KVA.example', to: 'Montague.example' }, 'a key'),
      )
      expect(side.asked).toMatchObject([
        { pair: { local: MONTAGUE, remote: 'bücher.example' }, from: 'XN--BCHER-KVA.example' },
      ])
      const { pair, from, to, id, key } = side.asked[0] ?? {}
      if (pair === undefined || from === undefined || to === undefined) throw new Error('nothing was asked')
      const asking = verifying(wire, { pair, from, to, id: id ?? '', key: key ?? '' })
      asking.say(wire.open(FROM_CAPULET), features(''))
      expect(trees(asking.sent)).toMatchObject([
        {
          attributes: { from: 'Montague.example', to: 'XN--BCHER-KVA.example', id: ID_1 },
          children: ['a key'],
        },
      ])
      side.answer('valid')
      expect(trees(side.sent)).toMatchObject([
        { attributes: { from: 'Montague.example', to: 'XN--BCHER-KVA.example', type: 'valid' } },
      ])
    }
  })

  it('[DB-04] a key on a line of its own is the key; anything more, less or else is not', () => {
    const key = keyOf(CAPULET, MONTAGUE, ID_1)
    const verdict = (shown: string) => {
      const side = receivingCapulet().say(db('verify', { ...TO_CAPULET, id: ID_1 }, shown))
      return trees(side.sent)[0]?.attributes.type
    }
    expect(['', key, `\n    ${key}\n  `, `\t${key}`].map(verdict)).toEqual([
      'invalid',
      'valid',
      'valid',
      'valid',
    ])
    const wrong = [
      key.toUpperCase(),
      key.slice(1),
      `${key}0`,
      `${key.slice(0, -1)}g`,
      `${key} ${key}`,
      'ключ',
    ]
    for (const shown of wrong) expect(verdict(shown)).toBe('invalid')
  })

  it('[DB-06] a right key for a stream id that was never ours is still ours: the id is in it', () => {
    const ask = (id: string, key: string) => receivingCapulet().say(db('verify', { ...TO_CAPULET, id }, key))
    expect(answers(ask(ID_1, keyOf(CAPULET, MONTAGUE, ID_2)))).toEqual([['verify', 'invalid', undefined]])
    expect(answers(ask(ID_2, keyOf(CAPULET, MONTAGUE, ID_2)))).toEqual([['verify', 'valid', undefined]])
  })
})

describe('elements', () => {
  it.each(WIRES)(
    '[DB-10 DB-11 DB-12 DB-13] each is read alone, in its namespaces, with the prefix db: over $name',
    wire => {
      const said = [
        ...shownReceiving(wire).answer('error').sent,
        ...shownInitiating(wire).sent,
        ...verifying(wire).say(wire.open(FROM_CAPULET), features('')).sent,
        ...receivingMontague(wire).say(db('verify', { from: 'a.example', to: 'b.example', id: 'x' }, 'key'))
          .sent,
      ].filter(isDialback)
      expect(said).toHaveLength(4)
      for (const text of said) {
        expect(text).toMatch(
          /^<db:(result|verify) xmlns:db='jabber:server:dialback' xmlns='jabber:server' from=/,
        )
        expect(treeOf(text).name).toMatch(/^\{jabber:server:dialback\}/)
      }
      const [failed, shown, asked] = said.map(treeOf)
      expect(failed?.children).toMatchObject([
        {
          name: '{jabber:server}error',
          attributes: { type: 'wait' },
          children: [{ name: `{${NS.stanzaErrors}}remote-server-timeout` }],
        },
      ])
      expect(shown).toEqual({
        name: `{${NS.dialback}}result`,
        attributes: TO_MONTAGUE,
        children: [keyOf(CAPULET, MONTAGUE, ID_1)],
      })
      expect(asked).toMatchObject({ attributes: { ...TO_CAPULET, id: ID_1 } })
    },
  )

  it('[DB-11] a key is asked about with the id of our header on the stream where it was shown', () => {
    for (const wire of WIRES) expect(shownReceiving(wire).asked).toMatchObject([{ id: ID_1 }])
  })

  it('[DB-14] over WebSocket the prefix may be undeclared or mangled, or another one that is declared', () => {
    const mangled = `${NS.framing}:dialback`
    const key = keyOf(CAPULET, MONTAGUE, ID_1)
    const attributes = `from='capulet.example' to='montague.example'`
    for (const text of [
      `<db:result ${attributes} xmlns='jabber:server'>${key}</db:result>`,
      `<db:result ${attributes} xmlns:db='${mangled}'>${key}</db:result>`,
      `<back:result ${attributes} xmlns:back='${NS.dialback}'>${key}</back:result>`,
      `<result ${attributes} xmlns='${NS.dialback}'>${key}</result>`,
    ])
      expect(receivingMontague(WEBSOCKET).say(text).asked).toMatchObject([{ key }])
  })

  it.each(WIRES)(
    '[DB-15] errors are advertised; a peer that only declares the prefix is shown a key: over $name',
    wire => {
      const listed = treeOf(receivingMontague(wire).sent.at(-1) ?? '')
      expect(listed.children).toContainEqual({
        name: `{${NS.dialbackFeature}}dialback`,
        attributes: {},
        children: [{ name: `{${NS.dialbackFeature}}errors`, attributes: {}, children: [] }],
      })
      const old = initiating(wire, {
        ...inTheClear(wire),
        dialback: SECRETS.capulet,
        peer: proven(MONTAGUE),
      }).say(wire.open({ ...FROM_MONTAGUE, 'xmlns:db': NS.dialback }), features(''))
      expect(trees(old.sent)).toMatchObject([{ name: `{${NS.dialback}}result` }])
    },
  )

  it.each(WIRES)(
    '[WS-35 DB-15] every header of ours declares the prefix where we do dialback, after a restart too: over $name',
    wire => {
      const declares = (side: { readonly sent: readonly string[] }) =>
        side.sent
          .filter(text => /<(open|stream:stream) /.test(text))
          .map(text => text.includes(` xmlns:db='${NS.dialback}'`))
      const taken = (dialback?: typeof SECRETS.montague) =>
        establishedReceiving(wire, dialback === undefined ? {} : { dialback })
      const dialled = (dialback?: typeof SECRETS.capulet) =>
        establishedInitiating(wire, dialback === undefined ? {} : { dialback })
      expect([declares(taken(SECRETS.montague)), declares(dialled(SECRETS.capulet))]).toEqual([
        [true, true],
        [true, true],
      ])
      expect([declares(taken()), declares(dialled())]).toEqual([
        [false, false],
        [false, false],
      ])
      expect(declares(verifying(wire))).toEqual([true])
      const refused = receiving(wire, { dialback: SECRETS.montague }).say(wire.open({ to: 'nosuch.example' }))
      expect(declares(refused)).toEqual([true])
    },
  )

  it.each(WIRES)(
    '[DB-16] without an address, or a verify without its id, the stream ends: over $name',
    wire => {
      for (const text of [
        db('result', { from: 'capulet.example' }, 'key'),
        db('result', { to: 'montague.example' }, 'key'),
        db('verify', { from: 'capulet.example', to: 'montague.example' }, 'key'),
        db('verify', { id: 'x', to: 'montague.example' }, 'key'),
      ]) {
        const side = receivingMontague(wire).say(text)
        expect(side.errors).toEqual(['improper-addressing'])
        expect(side.asked).toEqual([])
      }
      const foreign = `<db:route xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example'/>`
      expect(receivingMontague(wire).say(foreign).errors).toEqual(['unsupported-stanza-type'])
    },
  )
})

describe('the exchanges of the digest', () => {
  const wire = WEBSOCKET

  it('[DB-10 DB-47] EX-20, socket 1, as capulet.example', () => {
    const side = initiating(wire, { dialback: SECRETS.capulet })
    for (const text of texts(DIALBACK, 'S', 1).slice(0, 3)) side.say(text)
    expect(side.isEstablished).toBe(true)
    expect(side.sent).toEqual(texts(DIALBACK, 'C', 1).slice(0, 2))
  })

  it('[DB-10 DB-11 DB-20 SM-04] EX-20, socket 1, as montague.example, which is shown keys of two domains', () => {
    const offered = { bidi: true, sm: { id: ID_2, maxSeconds: 300 }, limits: { stanzaBytes: 262_144 } }
    const side = receiving(wire, { ...inTheClear(wire), dialback: SECRETS.montague, ...offered })
    const [open = '', key = '', stanza = '', verify = '', second = ''] = texts(DIALBACK, 'C', 1)
    side.say(open, key).answer('valid').say(stanza, verify, second).answer('valid')
    expect(side.stanzas.map(({ id }) => id)).toEqual(['m1'])
    expect(side.sent).toEqual(texts(DIALBACK, 'S', 1))
  })

  it('[DB-18] EX-20, socket 2, as capulet.example, which is asked about its keys', () => {
    const side = receivingCapulet()
    const isVerify = (text: string) => text.startsWith('<db:verify')
    side.say(...texts(DIALBACK, 'S', 2).filter(isVerify))
    expect(side.sent.filter(isDialback)).toEqual(texts(DIALBACK, 'C', 2).filter(isVerify))
  })

  it('[DB-11] EX-21, as who asks', () => {
    const side = verifying(wire)
    for (const text of texts(VERIFY_ONLY, 'C', 3)) side.say(text)
    expect(side.sent).toEqual(texts(VERIFY_ONLY, 'S', 3))
    expect(side.verified).toMatchObject({ type: 'valid' })
    expect([side.closeCode, side.ended]).toEqual([1000, null])
  })

  it('[DB-18] EX-21, as who is asked, with no certificate and no proof', () => {
    const side = receivingCapulet()
    const [, ...said] = texts(VERIFY_ONLY, 'S', 3)
    for (const text of said) side.say(text)
    side.give({ type: 'transport-closed', failure: null })
    const [, , ...answered] = texts(VERIFY_ONLY, 'C', 3)
    expect(side.sent.slice(2)).toEqual(answered)
    expect(side.ended).toBeNull()
  })

  it('[DB-26 DB-27 DB-28] EX-22, each answer of montague.example', () => {
    const [foreign = '', ...ours] = texts(DIALBACK_FAILURES, 'S', 1)
    const [toVerona = ''] = texts(DIALBACK_FAILURES, 'C', 1)
    expect(receivingMontague(wire).say(toVerona).sent.at(-1)).toBe(foreign)
    const answered = [
      shownReceiving(wire).answer({ type: 'error', condition: 'remote-server-not-found' }),
      shownReceiving(wire).answer({ type: 'error', condition: 'remote-server-timeout' }),
      shownReceiving(wire).answer('invalid'),
    ].flatMap(side => side.sent.slice(2))
    const second = shownReceiving(wire)
      .answer('valid')
      .say(db('result', { ...TO_MONTAGUE, from: 'rooms.capulet.example' }, 'key'))
      .answer('invalid')
    expect([...answered, second.sent.at(-1)]).toEqual(ours)
  })

  it('[DB-25] EX-22, as capulet.example, which is asked about a domain that it does not host', () => {
    const asked = texts(DIALBACK_FAILURES, 'S', 2)
    const [answer = ''] = texts(DIALBACK_FAILURES, 'C', 2)
    const side = receivingCapulet().say(...asked)
    expect(side.sent.at(-1)).toBe(answer)
    expect(side.ended).toBeUndefined()
  })
})

/** A stream that has come so far that elements may be said; ours is montague.example. */
function receivingMontague(wire = WEBSOCKET): Receiving {
  return receiving(wire, { ...inTheClear(wire), dialback: SECRETS.montague }).say(wire.open(FROM_CAPULET))
}

/** The same; ours is capulet.example, whose secret is published. */
function receivingCapulet(dialback = SECRETS.capulet): Receiving {
  const rooms = domain('rooms.capulet.example')
  return receiving(WEBSOCKET, {
    ...inTheClear(WEBSOCKET),
    dialback,
    isLocal: name => name === CAPULET || name === rooms,
  }).say(WEBSOCKET.open({ ...TO_CAPULET, version: '1.0' }))
}
