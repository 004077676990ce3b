import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { NS, STANZA_CONDITIONS, type StanzaCondition, toStanzaError } from '../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  DIALBACK_OFFERED,
  db,
  EXTERNAL_OFFERED,
  error,
  establishedInitiating,
  establishedReceiving,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  firstChild,
  GOOD_MESSAGE,
  ID_1,
  ID_2,
  type Initiating,
  initiating,
  inTheClear,
  keyOf,
  Line,
  MONTAGUE,
  message,
  proven,
  type Receiving,
  receiving,
  SECRETS,
  SUCCESS,
  sasl,
  shownInitiating,
  shownReceiving,
  TO_CAPULET,
  TO_MONTAGUE,
  unproven,
  type Verifying,
  verifying,
  WIRES,
  type Wire,
} from '../kit/streams.ts'

// What streams do about dialback (PROTOCOL E.3 to E.5). That no stanza passes before its domain is proven is checked by
// the kit at every output, too.

const KEY = keyOf(CAPULET, MONTAGUE, ID_1)
const shows = (from: string, key = 'a key') => db('result', { from, to: 'montague.example' }, key)
const from = (domain: string) => message(`from='nurse@${domain}' to='romeo@montague.example'`)

const refuses = (condition: string) =>
  db(
    'result',
    { ...TO_CAPULET, type: 'error' },
    `<error type='wait'><${condition} xmlns='${NS.stanzaErrors}'/></error>`,
  )

/** type and condition of the dialback answers written */
function answers(side: { readonly elements: Receiving['elements'] }): string[] {
  return side.elements
    .filter(({ name, attributes }) => name === 'result' && attributes.some(({ name }) => name === 'type'))
    .map(element => {
      const type = element.attributes.find(({ name }) => name === 'type')?.value ?? ''
      const said = firstChild(element)
      return said === undefined ? type : `${type} ${firstChild(said)?.name}`
    })
}

describe.each(WIRES)('who is shown a key, over $name', wire => {
  it('[DB-05 DB-10 DB-47] takes stanzas from the answer on, and writes neither header nor features again', () => {
    const side = shownReceiving(wire)
    expect(side.isEstablished).toBe(false)
    side.answer('valid').say(GOOD_MESSAGE)
    expect(side.established).toMatchObject({
      pair: { local: MONTAGUE, remote: CAPULET },
      proof: { domain: CAPULET, method: 'dialback', evidence: 'its own server' },
    })
    expect(side.stanzas).toHaveLength(1)
    expect(side.transcript).toEqual(['open', 'features', 'result'])
    expect([...side.timers]).toEqual([])
  })

  it('[DB-30 ST-17] a stanza before that ends the stream and is not taken, nor is the late answer', () => {
    const side = shownReceiving(wire).say(GOOD_MESSAGE)
    expect(side.errors).toEqual(['not-authorized'])
    side.answer('valid').say(GOOD_MESSAGE)
    expect(side.stanzas).toEqual([])
    expect(side.established).toBeNull()
  })

  it.each(['while it is asked about', 'after it was refused', 'never shown'])(
    '[DB-30] on a stream of another pair, a stanza of a domain %s ends the stream and is not taken',
    when => {
      const side = shownReceiving(wire).answer('valid')
      if (when !== 'never shown') side.say(shows('verona.example'))
      if (when === 'after it was refused') side.answer('invalid')
      side.say(GOOD_MESSAGE, from('verona.example'))
      expect(side.errors).toEqual(['invalid-from'])
      expect(side.stanzas).toHaveLength(1)
    },
  )

  it('[DB-20 DB-19 DB-22] further domains prove themselves one by one, and nobody waits for another', () => {
    for (const side of [
      shownReceiving(wire).answer('valid'),
      establishedReceiving(wire, { dialback: SECRETS.montague }),
    ]) {
      side.say(shows('verona.example'), shows('rooms.capulet.example'), GOOD_MESSAGE)
      expect(side.stanzas).toHaveLength(1)
      side.answer('valid').say(from('rooms.capulet.example'), GOOD_MESSAGE)
      expect(side.stanzas).toHaveLength(3)
      expect(side.authorised).toEqual([CAPULET, 'rooms.capulet.example'])
      side.answer('error', -2).say(GOOD_MESSAGE)
      expect(side.ended).toBeUndefined()
      expect(side.stanzas).toHaveLength(4)
    }
  })

  it('[DB-19] while a key is asked about, others are, and questions about ours are answered', () => {
    const side = shownReceiving(wire).say(
      shows('verona.example'),
      db('verify', { from: 'verona.example', to: 'montague.example', id: 'x' }, 'key'),
    )
    expect(side.transcript).toEqual(['open', 'features', 'verify'])
    expect(side.asked).toHaveLength(2)
    side.answer('valid', 1).answer('valid', 0).say(GOOD_MESSAGE, from('verona.example'))
    expect(side.established?.pair.remote).toBe('verona.example')
    expect(side.stanzas).toHaveLength(2)
  })

  it('[DB-20] a pair is both domains: one of ours does not open the other', () => {
    const side = shownReceiving(wire).answer('valid')
    side.say(message(`from='juliet@capulet.example' to='hall@rooms.montague.example'`))
    expect(side.errors).toEqual(['host-unknown'])
    expect(side.stanzas).toEqual([])
    const both = shownReceiving(wire).answer('valid')
    both.say(db('result', { ...TO_MONTAGUE, to: 'rooms.montague.example' }, 'key')).answer('valid')
    both.say(message(`from='juliet@capulet.example' to='hall@rooms.montague.example'`))
    expect(both.stanzas).toHaveLength(1)
  })

  it('[DB-19 DB-23] the same key again, or another of that pair, is not asked about twice; a proven pair is valid again', () => {
    const side = shownReceiving(wire).say(shows('capulet.example', KEY), shows('capulet.example', 'other'))
    expect(side.asked).toHaveLength(1)
    side.answer('valid')
    expect(answers(side)).toEqual(['valid'])
    side.say(shows('capulet.example', KEY))
    expect(side.asked).toHaveLength(1)
    expect(answers(side)).toEqual(['valid', 'valid'])
  })

  it('[DB-23] the seventeenth key at once, and the fifty-first pair, are refused and not asked about', () => {
    const { dialbackPending, dialbackPairs } = defaultLimits
    const domains = (count: number) => Array.from({ length: count }, (_, index) => `d${index}.example`)
    const pending = receivingMontague(wire).say(...domains(dialbackPending).map(name => shows(name)))
    expect(pending.asked).toHaveLength(16)
    pending.say(shows('one-more.example'))
    expect(pending.asked).toHaveLength(16)
    expect(answers(pending)).toEqual(['error resource-constraint'])
    // DB-25: it stays, and has room again once one has been answered.
    pending.answer('error').say(shows('one-more.example'))
    expect(pending.asked).toHaveLength(17)
    expect(pending.ended).toBeUndefined()

    const full = receivingMontague(wire)
    for (const name of domains(dialbackPairs - 1)) full.say(shows(name)).answer('valid')
    full.say(shows('last.example'), shows('one-more.example')).answer('valid').say(shows('one-more.example'))
    expect(full.authorised).toHaveLength(50)
    expect(answers(full).slice(-3)).toEqual([
      'error resource-constraint',
      'valid',
      'error resource-constraint',
    ])
    // A pair that is proven needs no room.
    expect(answers(full.say(shows('d0.example'))).at(-1)).toBe('valid')
  })

  it.each([
    ['wrong', 'invalid', 'error forbidden'],
    ['not known to be right', 'error', 'error remote-server-timeout'],
  ] as const)(
    '[DB-23 DB-26] keys that are %s keep their place: nobody has others called without end',
    (_, outcome, answer) => {
      const { dialbackPairs } = defaultLimits
      const side = shownReceiving(wire).answer('valid')
      for (let count = 1; count < dialbackPairs; count++) side.say(shows('d.example')).answer(outcome)
      expect(answers(side).slice(1)).toEqual(Array(dialbackPairs - 1).fill(answer))
      side.say(shows('d.example'))
      expect(side.asked).toHaveLength(dialbackPairs)
      expect(answers(side).at(-1)).toBe('error resource-constraint')
      expect(side.ended).toBeUndefined()
    },
  )

  it('[DB-23] a key that nobody could have made is not kept', () => {
    const { dialbackKeyBytes } = defaultLimits
    const longest = receivingMontague(wire).say(shows('capulet.example', 'k'.repeat(dialbackKeyBytes)))
    expect(longest.asked).toHaveLength(1)
    const longer = receivingMontague(wire).say(shows('capulet.example', 'k'.repeat(dialbackKeyBytes + 1)))
    expect(longer.asked).toEqual([])
    expect(answers(longer)).toEqual(['error not-acceptable'])
  })

  it.each([
    ['of a domain that is not ours', 'capulet.example', 'verona.example', 'item-not-found'],
    ['from a domain of ours', 'rooms.montague.example', 'montague.example', 'not-acceptable'],
    ['from a domain that is not on the network', 'localhost', 'montague.example', 'not-acceptable'],
    ['from no domain', 'cap ulet', 'montague.example', 'jid-malformed'],
    ['from an address', 'juliet@capulet.example', 'montague.example', 'jid-malformed'],
    ['to an address', 'capulet.example', 'montague.example/x', 'jid-malformed'],
  ])(
    '[DB-25 DB-28] %s: an error with the same addresses, and the stream goes on',
    (_, sender, target, condition) => {
      const side = receivingMontague(wire).say(db('result', { from: sender, to: target }, 'key'))
      expect(side.asked).toEqual([])
      expect(answers(side)).toEqual([`error ${condition}`])
      const said = side.elements.at(-1)?.attributes.map(({ name, value }) => [name, value])
      expect(Object.fromEntries(said ?? [])).toEqual({ from: target, to: sender, type: 'error' })
      side.say(shows('capulet.example')).answer('valid').say(GOOD_MESSAGE)
      expect(side.stanzas).toHaveLength(1)
    },
  )

  it('[DB-28] a peer that is not admitted is told so; where dialback is off, that a certificate is wanted', () => {
    const { policy } = inTheClear(wire)
    const strict = receiving(wire, {
      policy,
      peerCertificate: false,
      dialback: SECRETS.montague,
      admits: name => name === CAPULET,
    }).say(wire.open(FROM_CAPULET), shows('verona.example'))
    expect(answers(strict)).toEqual(['error not-acceptable'])
    const off = receiving(wire).say(wire.open(FROM_CAPULET), shows('capulet.example'))
    expect(answers(off)).toEqual(['error not-authorized'])
    expect(off.asked).toEqual([])
  })

  it('[DB-26] a wrong key: invalid and the end where it is the only one, forbidden where others are right', () => {
    const only = shownReceiving(wire).answer('invalid')
    expect(only.transcript).toEqual(['open', 'features', 'result', 'close'])
    expect(answers(only)).toEqual(['invalid'])
    expect(only.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
    expect(only.stanzas).toEqual([])
    const other = shownReceiving(wire).answer('valid').say(shows('verona.example')).answer('invalid')
    expect(answers(other)).toEqual(['valid', 'error forbidden'])
    other.say(GOOD_MESSAGE)
    expect(other.stanzas).toHaveLength(1)
    const waiting = receivingMontague(wire).say(shows('verona.example'), shows('capulet.example'))
    waiting.answer('invalid', 0).answer('valid', 1).say(GOOD_MESSAGE)
    expect(answers(waiting)).toEqual(['error forbidden', 'valid'])
    expect(waiting.stanzas).toHaveLength(1)
  })

  it('[DB-25 DB-27] that the question could not be answered is told, ends nothing, and the key may be shown again', () => {
    const conditions = ['remote-server-not-found', 'remote-server-timeout', 'internal-server-error'] as const
    for (const condition of conditions) {
      const side = shownReceiving(wire).answer({ type: 'error', condition })
      expect(answers(side)).toEqual([`error ${condition}`])
      expect(firstChild(side.elements.at(-1) ?? fail())?.attributes).toMatchObject([
        { value: STANZA_CONDITIONS[condition] },
      ])
      side.say(shows('capulet.example', KEY)).answer('valid').say(GOOD_MESSAGE)
      expect(side.stanzas).toHaveLength(1)
    }
  })

  it('[DB-23 WS-56] the peer has a minute from its first key on, however many more it shows', () => {
    const side = receivingMontague(wire)
    expect([...side.timers]).toEqual([['negotiation', defaultLimits.negotiationMs]])
    side.say(shows('capulet.example'))
    expect([...side.timers]).toEqual([['negotiation', 60_000]])
    const armed = () => side.outputs.filter(({ type }) => type === 'timer').length
    const before = armed()
    side.say(shows('verona.example')).answer('error', 0).answer('error', 1)
    side.say(shows('capulet.example'), shows('verona.example'))
    expect(side.asked).toHaveLength(4)
    expect(armed()).toBe(before)
    side.give({ type: 'timeout', timer: 'negotiation' })
    expect(side.errors).toEqual(['connection-timeout'])
    expect(side.answer('valid').established).toBeNull()
  })

  it('[DB-45] its proof is of the peer’s direction only: keys of ours on that stream are not asked for, nor stanzas sent', () => {
    const side = shownReceiving(wire).answer('valid')
    expect(side.established?.bidi).toBe(false)
    side.say(db('result', { ...TO_CAPULET, type: 'valid' }))
    side.say(message(`from='romeo@montague.example' to='juliet@capulet.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it('[DB-18] it answers about its own keys before and after, and to anybody', () => {
    const key = db('verify', { from: 'verona.example', to: 'montague.example', id: 'x' }, 'no key')
    for (const side of [
      receivingMontague(wire),
      shownReceiving(wire),
      shownReceiving(wire).answer('valid'),
    ]) {
      expect(side.say(key, key).transcript.slice(-2)).toEqual(['verify', 'verify'])
      expect(side.ended).toBeUndefined()
    }
    const served = receivingMontague(wire).say(key, wire.close)
    expect(served.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
  })
})

describe.each(WIRES)('who shows its key, over $name', wire => {
  it('[DB-05 DB-17 DB-47] stands once the answer has come, whether anybody has asked it or not', () => {
    const side = shownInitiating(wire)
    expect(side.transcript).toEqual(['open', 'result'])
    expect(side.isEstablished).toBe(false)
    side.say(db('result', { ...TO_CAPULET, type: 'valid' }))
    expect(side.established).toMatchObject({
      pair: { local: CAPULET, remote: MONTAGUE },
      proof: { domain: MONTAGUE, method: 'dialback' },
      bidi: false,
    })
    expect([...side.timers]).toEqual([])
    expect(side.transcript).toEqual(['open', 'result'])
  })

  it('[DB-15 SA-16] shows none where the peer does no dialback, or where we do not', () => {
    const nothing = initiating(wire, { ...clear(wire), dialback: SECRETS.capulet })
    nothing.say(wire.open(FROM_MONTAGUE), features(''))
    expect(nothing.ended).toMatchObject({ kind: 'unauthenticated' })
    const off = initiating(wire, clear(wire)).say(wire.open(FROM_MONTAGUE), DIALBACK_OFFERED)
    expect(off.ended).toMatchObject({ kind: 'unauthenticated' })
    for (const side of [nothing, off]) expect(side.established).toBeNull()
  })

  it('[DB-17] a stanza from the other side before that, as after, ends a stream that goes one way', () => {
    const stanza = message(`from='romeo@montague.example' to='juliet@capulet.example'`)
    for (const side of [
      shownInitiating(wire),
      shownInitiating(wire).say(db('result', { ...TO_CAPULET, type: 'valid' })),
    ]) {
      expect(side.say(stanza).errors).toEqual(['not-authorized'])
      expect(side.stanzas).toEqual([])
    }
  })

  it.each(Object.keys(STANZA_CONDITIONS) as StanzaCondition[])(
    '[DB-28] an error answer with %s says why there is no stream',
    condition => {
      const answer = `<error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
      const side = shownInitiating(wire).say(db('result', { ...TO_CAPULET, type: 'error' }, answer))
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
      expect(JSON.stringify(side.ended)).toContain(condition)
      expect(side.established).toBeNull()
    },
  )

  it('[DB-28] one new stream may do where the peer had no room for a key; no other error says so', () => {
    const hopeful = (Object.keys(STANZA_CONDITIONS) as StanzaCondition[]).filter(condition => {
      const { ended } = shownInitiating(wire).say(refuses(condition))
      return ended?.kind === 'unauthenticated' && ended.retryWith === 'dialback'
    })
    expect(hopeful).toEqual(['resource-constraint'])
  })

  it('[SZ-21] a key that is wrong is our fault, and senders hear so; whatever else happens to a key is not', () => {
    const conditionOf = ({ ended }: Initiating) => (ended ? toStanzaError(ended).condition : null)
    const shown = () => shownInitiating(wire)
    expect(conditionOf(shown().say(db('result', { ...TO_CAPULET, type: 'invalid' })))).toBe(
      'internal-server-error',
    )
    for (const other of [
      shown().say(refuses('remote-server-not-found')),
      shown().say(refuses('internal-server-error')),
      shown().say(wire.close).give({ type: 'transport-closed', failure: null }),
      shown().give({ type: 'transport-closed', failure: null }),
      shown().give({ type: 'timeout', timer: 'negotiation' }),
    ])
      expect(conditionOf(other)).toBe('remote-server-timeout')
  })

  it('[DB-21] it is for its own pair and no other, whatever the peer offers, and there is no second', () => {
    const offers = features(
      `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback><bidi xmlns='${NS.bidiFeature}'/>`,
    )
    const side = initiating(wire, { ...clear(wire), dialback: SECRETS.capulet, bidi: true })
    side.say(wire.open(FROM_MONTAGUE), offers, db('result', { ...TO_CAPULET, type: 'valid' }))
    side.say(offers, wire.close)
    const keys = side.elements.filter(({ name }) => name === 'result')
    expect(keys.map(({ attributes }) => attributes.map(({ value }) => value))).toEqual([
      ['capulet.example', 'montague.example'],
    ])
  })

  it.each([
    ['invalid', db('result', { ...TO_CAPULET, type: 'invalid' })],
    ['a type that is none', db('result', { ...TO_CAPULET, type: 'yes' })],
    ['an empty type', db('result', { ...TO_CAPULET, type: '' })],
    ['Valid', db('result', { ...TO_CAPULET, type: 'Valid' })],
    ['no error in the error', db('result', { ...TO_CAPULET, type: 'error' })],
    [
      'an error nobody knows',
      db('result', { ...TO_CAPULET, type: 'error' }, '<error><remote-connection-failed/></error>'),
    ],
  ])('[DB-26 DB-27] %s is no valid', (_, answer) => {
    const side = shownInitiating(wire).say(answer)
    expect(side.established).toBeNull()
    expect(side.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
  })

  it('[DB-17] it waits a minute for the answer', () => {
    const side = shownInitiating(wire)
    expect([...side.timers]).toEqual([['negotiation', 60_000]])
    side.give({ type: 'timeout', timer: 'negotiation' })
    expect(side.errors).toEqual(['connection-timeout'])
    expect(side.ended).toMatchObject({ by: 'network', kind: 'timeout' })
  })

  it('[SA-13 DB-44] where SASL fails, the key is of the same stream; where SASL succeeds, none is shown', () => {
    const both = EXTERNAL_OFFERED.replace('</stream:features>', `${offer}</stream:features>`)
    const side = initiating(wire, { dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), both)
    expect(side.transcript).toEqual(['open', 'auth'])
    side.say(sasl('failure', '<not-authorized/>'))
    expect(side.transcript).toEqual(['open', 'auth', 'result'])
    expect(side.elements.at(-1)?.children).toEqual([KEY])
    side.say(db('result', { ...TO_CAPULET, type: 'valid' }))
    expect(side.established?.proof).toMatchObject({ method: 'dialback', evidence: 'dns-id montague.example' })
    const sure = initiating(wire, { dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), both, SUCCESS)
    sure.say(wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(offer))
    expect(sure.established?.proof.method).toBe('sasl-external')
    expect(sure.transcript).toEqual(['open', 'auth', 'open'])
  })

  it('[DB-18 DB-45] it answers about its own keys, and is shown none', () => {
    const side = shownInitiating(wire).say(
      db('verify', { ...TO_CAPULET, id: ID_1 }, KEY),
      db('verify', { ...TO_CAPULET, id: ID_2 }, KEY),
      db('verify', { ...TO_CAPULET, to: 'verona.example', id: ID_1 }, KEY),
      db('result', TO_CAPULET, 'key'),
    )
    const types = side.elements
      .slice(1)
      .map(({ attributes }) => attributes.find(({ name }) => name === 'type')?.value)
    expect(types).toEqual(['valid', 'invalid', 'error', 'error'])
    side.say(db('result', { ...TO_CAPULET, type: 'valid' }))
    expect(side.isEstablished).toBe(true)
  })
})

describe('two sides', () => {
  it.each(WIRES)(
    '[DB-10 DB-11 DB-45] prove themselves to each other, each on a stream of its own: over $name',
    wire => {
      const one = initiating(wire, { ...clear(wire), dialback: SECRETS.capulet })
      const other = receiving(wire, { ...inTheClear(wire), dialback: SECRETS.montague })
      const line = new Line(one, other)
      line.run()
      expect(other.asked).toEqual([
        { pair: { local: MONTAGUE, remote: CAPULET }, ...TO_MONTAGUE, id: ID_1, key: KEY },
      ])
      // The question, on a stream to capulet's own server.
      const asking = verifying(wire, other.asked[0])
      const asked = receiving(wire, {
        ...inTheClear(wire),
        dialback: SECRETS.capulet,
        isLocal: name => name === CAPULET,
      })
      new Line(asking, asked).run()
      expect(asking.verified).toEqual({ type: 'valid', evidence: 'its own server' })
      expect([asking.ended, asked.ended]).toEqual([null, null])
      other.answer(asking.verified ?? fail())
      line.run()
      expect(one.isEstablished && other.isEstablished).toBe(true)
      expect(other.asked).toHaveLength(1)
    },
  )
})

describe.each(WIRES)(
  '[DB-40] answers that nobody asked for, over $name (DB-1 of the attack catalogue)',
  wire => {
    const types = ['valid', 'invalid', 'error', ''] as const
    const names = ['result', 'verify'] as const
    const addresses = {
      'the pair': TO_MONTAGUE,
      'the pair, turned': TO_CAPULET,
      'another sender': { ...TO_MONTAGUE, from: 'verona.example' },
      'another sender, turned': { ...TO_CAPULET, from: 'verona.example' },
      'another target': { ...TO_CAPULET, to: 'verona.example' },
      'no addresses': {},
    } as const
    const ids = [undefined, ID_1, ID_2, 'x'] as const

    function* all() {
      for (const name of names)
        for (const type of types)
          for (const [who, pair] of Object.entries(addresses))
            for (const id of ids)
              yield {
                who: `${name} ${type} ${who} ${id}`,
                text: db(name, { ...pair, ...(id === undefined ? {} : { id }), type }),
                isAnswer: name === 'result' && type === 'valid' && who === 'the pair, turned',
              }
    }

    it('[DB-40] none of them proves anybody on a stream that the peer has opened, in any state', () => {
      const states: Record<string, () => Receiving> = {
        negotiating: () => receivingMontague(wire),
        'a key is asked about': () => shownReceiving(wire),
        'a key was refused': () => shownReceiving(wire).answer('error'),
      }
      for (const begin of Object.values(states)) {
        for (const { who, text } of all()) {
          const side = begin().say(text, GOOD_MESSAGE)
          expect([who, side.established, side.stanzas]).toEqual([who, null, []])
        }
      }
      for (const { text } of all()) {
        const side = shownReceiving(wire).answer('valid').say(shows('verona.example'), text)
        side.say(from('verona.example'))
        expect(side.stanzas).toEqual([])
      }
    })

    it('[DB-40] on a stream that we have opened, exactly one does, and only once our key is shown', () => {
      const states: Record<string, () => Initiating> = {
        'no header': () => initiating(wire, { ...clear(wire), dialback: SECRETS.capulet }),
        'no features': () =>
          initiating(wire, { ...clear(wire), dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE)),
        'in SASL': () =>
          initiating(wire, { dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), EXTERNAL_OFFERED),
        'restarted by SASL': () =>
          initiating(wire, { dialback: SECRETS.capulet }).say(
            wire.open(FROM_MONTAGUE),
            EXTERNAL_OFFERED,
            SUCCESS,
          ),
      }
      for (const begin of Object.values(states))
        for (const { who, text } of all()) expect([who, begin().say(text).established]).toEqual([who, null])
      const proving = [...all()].filter(({ text }) => shownInitiating(wire).say(text).established !== null)
      // An id says nothing on a result, which has none.
      expect(proving.map(({ who }) => who)).toEqual(ids.map(id => `result valid the pair, turned ${id}`))
      expect([...all()].filter(({ isAnswer }) => isAnswer)).toEqual(proving)
    })

    it('[DB-40] on a stream that asks, only the answer to that very question counts, and only once it was asked', () => {
      const asked = () => verifying(wire).say(wire.open(FROM_CAPULET), features(''))
      const early = () => verifying(wire).say(wire.open(FROM_CAPULET))
      for (const { who, text } of all()) expect([who, early().say(text).verified]).toEqual([who, null])
      const counted = [...all()].filter(({ text }) => asked().say(text).verified?.type === 'valid')
      expect(counted.map(({ who }) => who)).toEqual([`verify valid the pair ${ID_1}`])
      const verdict = (text: string): Verifying['verified'] => asked().say(text).verified
      expect(verdict(db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'invalid' }))).toEqual({
        type: 'invalid',
      })
      const failed = { type: 'error', condition: 'remote-server-not-found' }
      expect(verdict(db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'error' }))).toEqual(failed)
      expect(verdict(db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'yes' }))).toEqual(failed)
    })

    it('[DB-40] they are dropped; the third ends the stream', () => {
      const text = db('result', { ...TO_CAPULET, from: 'verona.example', type: 'valid' })
      for (const side of [
        receivingMontague(wire),
        shownReceiving(wire).answer('valid'),
        shownInitiating(wire),
        establishedInitiating(wire),
        verifying(wire).say(wire.open(FROM_CAPULET), features('')),
      ]) {
        const written = side.sent.length
        side.say(text, text)
        expect([side.sent.length, side.ended]).toEqual([written, undefined])
        side.say(text)
        expect(side.errors).toEqual(['policy-violation'])
        expect(side.ended).toMatchObject({ rule: 'DB-40' })
      }
    })

    it('[DB-40] a second answer to our key changes nothing', () => {
      const valid = db('result', { ...TO_CAPULET, type: 'valid' })
      const side = shownInitiating(wire).say(valid, valid, db('result', { ...TO_CAPULET, type: 'invalid' }))
      expect(side.isEstablished).toBe(true)
    })
  },
)

describe.each(WIRES)('[DB-44] what was asked before a restart, over $name', wire => {
  const provenCapulet = (): Receiving => {
    const side = receiving(wire, { dialback: SECRETS.montague })
    return side.say(wire.open(FROM_CAPULET), shows('verona.example'))
  }

  it('[DB-44 WS-41] is void: its answer proves nobody on the stream after SASL', () => {
    const side = provenCapulet().say(auth('='))
    side.answer('valid')
    side.say(wire.open(FROM_CAPULET)).answer('valid')
    expect(side.authorised).toEqual([CAPULET])
    expect(answers(side)).toEqual([])
    side.say(from('verona.example'))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it('[DB-44] a key shown after it is asked about with the new id, and the old answer is not its own', () => {
    const side = provenCapulet().say(auth('='), wire.open(FROM_CAPULET), shows('verona.example'))
    expect(side.asked.map(({ id }) => id)).toEqual([ID_1, ID_2])
    side.answer('valid', 0)
    expect(side.authorised).toEqual([CAPULET])
    side.answer('valid', 1).say(from('verona.example'))
    expect(side.stanzas).toHaveLength(1)
  })

  it('[DB-44] nor does the answer to a key that was shown before count for another key of the same pair', () => {
    const side = shownReceiving(wire).answer('error', 0).say(shows('capulet.example', 'another'))
    side.answer('valid', 0)
    expect(side.established).toBeNull()
    side.answer('valid', 1)
    expect(side.isEstablished).toBe(true)
  })
})

describe('a certificate that does not prove the peer', () => {
  it.each(WIRES)('[SA-01 SA-13 DB-28] leaves dialback, and nothing else: over $name', wire => {
    const side = receiving(wire, { dialback: SECRETS.montague })
    side.verdict = unproven
    side.say(wire.open(FROM_CAPULET))
    expect(side.sent.at(-1)).not.toContain('EXTERNAL')
    expect(side.sent.at(-1)).toContain('dialback')
    // SASL-2 of the attack catalogue: what was not offered is not taken.
    side.say(auth('='), auth('='))
    expect(side.elements.slice(-2).map(answer => firstChild(answer)?.name)).toEqual([
      'invalid-mechanism',
      'invalid-mechanism',
    ])
    expect(side.established).toBeNull()
    side.say(shows('capulet.example')).answer('valid').say(GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    expect(side.established?.proof.method).toBe('dialback')
  })

  it.each(WIRES)('[SA-13] and too many attempts end the stream: over $name', wire => {
    const side = receiving(wire, { dialback: SECRETS.montague })
    side.verdict = unproven
    side.say(wire.open(FROM_CAPULET), auth('='), auth('='), auth('='), auth('='))
    expect(side.errors).toEqual(['policy-violation'])
  })
})

describe('a stream that asks about a key', () => {
  it.each(WIRES)(
    '[DB-27 DB-11] asks behind the features, and ends with the answer or in time: over $name',
    wire => {
      const side = verifying(wire)
      expect(side.transcript).toEqual(['open'])
      expect(side.say(wire.open(FROM_CAPULET)).transcript).toEqual(['open'])
      expect(side.say(EXTERNAL_OFFERED).transcript).toEqual(['open', 'verify'])
      side.say(db('verify', { ...TO_MONTAGUE, id: ID_1, type: 'valid' }))
      expect(side.transcript).toEqual(['open', 'verify', 'close'])
      expect(side.say(wire.close).ended).toBeNull()

      for (const timer of ['open', 'negotiation'] as const) {
        const silent = verifying(wire)
        if (timer === 'negotiation') silent.say(wire.open(FROM_CAPULET))
        expect([...silent.timers.keys()]).toEqual([timer])
        silent.give({ type: 'timeout', timer })
        expect([silent.verified, [...silent.timers]]).toEqual([null, []])
        expect(silent.ended).toMatchObject({ by: 'network', kind: 'timeout' })
      }
    },
  )

  it.each(WIRES)('[DB-27] whatever else it is told, it has found out nothing: over $name', wire => {
    const asked = () => verifying(wire).say(wire.open(FROM_CAPULET), features(''))
    for (const text of [
      wire.close,
      error('host-unknown'),
      GOOD_MESSAGE,
      wire.open(FROM_CAPULET),
      '<a',
      db('verify', { from: 'capulet.example' }),
    ]) {
      const side = asked().say(text).give({ type: 'transport-closed', failure: null })
      expect(side.verified).toBeNull()
      expect(side.ended).not.toBeNull()
    }
    const unmoved = asked().say(
      SUCCESS,
      `<x xmlns='urn:x'/>`,
      db('verify', { ...TO_CAPULET, id: 'y' }, 'key'),
    )
    expect([unmoved.ended, unmoved.transcript.length]).toEqual([undefined, 2])
  })
})

function fail(): never {
  throw new Error('there is none')
}

function clear(wire: Wire) {
  const { policy } = inTheClear(wire)
  return { policy, peer: wire.name === 'tcp' ? ('configured-address' as const) : proven(MONTAGUE) }
}

function receivingMontague(wire: Wire): Receiving {
  return receiving(wire, { ...inTheClear(wire), dialback: SECRETS.montague }).say(wire.open(FROM_CAPULET))
}

const offer = `<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>`
