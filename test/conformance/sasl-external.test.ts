import { describe, expect, it } from 'vitest'
import { type Element, serialize } from '../../src/xml/index.ts'
import { NS, SASL_CONDITIONS } from '../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  domain,
  EXTERNAL_OFFERED,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  firstChild,
  GOOD_MESSAGE,
  initiating,
  type Receiving,
  receiving,
  SUCCESS,
  sasl,
  unproven,
  WIRES,
} from '../kit/streams.ts'
import { treeOf } from '../kit/xml-tree.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** conditions of the SASL failures written */
const failures = (side: Receiving) =>
  side.elements.filter(({ name }) => name === 'failure').map(failure => firstChild(failure)?.name)

const mechanismsOf = (features: Element | undefined) =>
  features?.children.filter(child => typeof child !== 'string' && child.namespace === NS.sasl) ?? []

describe.each(WIRES)('SASL EXTERNAL over $name', wire => {
  const open = wire.open(FROM_CAPULET)
  const answer = wire.open(FROM_MONTAGUE)
  const begun = () => receiving(wire).say(open)

  it('[SA-01] EXTERNAL is offered only once the certificate has proven the from of this stream', () => {
    const side = receiving(wire)
    side.verdict = null
    side.say(open)
    expect(side.transcript).toEqual(['open'])
    expect(side.outputs).toContainEqual({ type: 'need-identity', claimed: CAPULET })
    const other = receiving(wire)
    other.verdict = unproven
    expect(other.say(open).sent.join('')).not.toContain('EXTERNAL')
    const plain = receiving(wire, { policy: { secure: false, name: wire.name } }).say(open)
    expect(plain.sent.join('')).not.toContain('EXTERNAL')
    expect(plain.errors).toEqual(['policy-violation'])
  })

  it('[SA-01 SA-09] a verdict about another domain proves nothing', () => {
    const side = receiving(wire)
    side.verdict = () => ({
      ok: true,
      domain: domain('verona.example'),
      via: 'dns-id',
      name: 'x',
      notAfterMs: 0,
    })
    side.say(open, auth('='), open)
    expect(side.established).toBeNull()
    expect(side.errors).toEqual(['internal-server-error'])
  })

  it('[SA-02 SA-03] the offer: one list with EXTERNAL, and no list after authentication', () => {
    const side = begun().say(auth('='), open)
    const [first, second] = side.elements.filter(({ name }) => name === 'features')
    const [mechanisms, ...more] = mechanismsOf(first)
    expect(more).toEqual([])
    if (mechanisms === undefined || typeof mechanisms === 'string') throw new Error('no mechanisms')
    expect(treeOf(new TextDecoder().decode(serialize(mechanisms)))).toEqual({
      name: `{${NS.sasl}}mechanisms`,
      attributes: {},
      children: [{ name: `{${NS.sasl}}mechanism`, attributes: {}, children: ['EXTERNAL'] }],
    })
    expect(mechanismsOf(second)).toEqual([])
  })

  it('[SA-03 SA-16] an empty list is no offer, nor are other mechanisms, nor nothing at all: never established by silence', () => {
    for (const content of [
      '',
      `<mechanisms xmlns='${NS.sasl}'/>`,
      `<mechanisms xmlns='${NS.sasl}'><mechanism>PLAIN</mechanism></mechanisms>`,
      `<mechanisms xmlns='urn:x'><mechanism>EXTERNAL</mechanism></mechanisms>`,
      `<mechanisms xmlns='${NS.sasl}'><mechanism xmlns='urn:x'>EXTERNAL</mechanism></mechanisms>`,
      `<limits xmlns='${NS.limits}'/>`,
    ]) {
      const side = initiating(wire).say(answer, features(content))
      expect(side.established).toBeNull()
      expect(side.errors).toEqual(['policy-violation'])
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'unauthenticated' })
    }
  })

  it('[SA-17] without TLS nothing is authenticated, and what fails goes on with nothing weaker', () => {
    const plain = initiating(wire, { policy: { secure: false, name: wire.name } }).say(
      answer,
      EXTERNAL_OFFERED,
    )
    expect(plain.transcript).toEqual(['open', 'error', 'close'])
    expect(plain.ended).toMatchObject({ kind: 'unauthenticated' })
    for (const condition of SASL_CONDITIONS) {
      const side = initiating(wire).say(answer, EXTERNAL_OFFERED, sasl('failure', `<${condition}/>`))
      expect(side.transcript).toEqual(['open', 'auth', 'error', 'close'])
    }
  })

  it('[SA-04 SA-05] we start with the authzid, in base64', () => {
    const side = initiating(wire).say(answer, EXTERNAL_OFFERED)
    expect(treeOf(side.sent[1] ?? '')).toEqual({
      name: `{${NS.sasl}}auth`,
      attributes: { mechanism: 'EXTERNAL' },
      children: ['Y2FwdWxldC5leGFtcGxl'],
    })
  })

  it('[SA-05] the from in base64, in any spelling, = and a challenge are accepted', () => {
    for (const data of [base64('capulet.example'), base64('CAPULET.example.'), '=']) {
      const side = begun().say(auth(data), open)
      expect(side.transcript, data).toEqual(['open', 'features', 'success', 'open', 'features'])
      expect(side.established?.proof.domain).toBe(CAPULET)
    }
  })

  it('[SA-07] no initial response is answered by an empty challenge; the response may be =, empty or the authzid', () => {
    const variants = [sasl('response', '='), sasl('response'), sasl('response', base64('capulet.example'))]
    for (const response of variants) {
      const side = begun().say(auth())
      expect(treeOf(side.sent[2] ?? '')).toEqual({
        name: `{${NS.sasl}}challenge`,
        attributes: {},
        children: [],
      })
      side.say(response, open)
      expect(side.isEstablished).toBe(true)
    }
  })

  it('[SA-07] a peer that challenges although we said it is told again, once', () => {
    const challenge = sasl('challenge')
    const side = initiating(wire).say(answer, EXTERNAL_OFFERED, challenge)
    expect(treeOf(side.sent[2] ?? '')).toEqual({
      name: `{${NS.sasl}}response`,
      attributes: {},
      children: [base64('capulet.example')],
    })
    expect(side.say(challenge).ended).toMatchObject({ kind: 'unauthenticated' })
  })

  it('[SA-06] an authzid that is not the from is invalid-authzid, whatever the certificate bears', () => {
    for (const authzid of [
      'other.example',
      'rooms.capulet.example',
      'juliet@capulet.example',
      'capulet.example/balcony',
      'capulet',
      '\0capulet.example',
      '\ufeffcapulet.example',
      ' capulet.example',
    ]) {
      const side = begun().say(auth(base64(authzid)))
      expect(failures(side), JSON.stringify(authzid)).toEqual(['invalid-authzid'])
      expect(side.established).toBeNull()
    }
    expect(failures(begun().say(auth(Buffer.from([0xc3, 0x28]).toString('base64'))))).toEqual([
      'invalid-authzid',
    ])
  })

  it('[SA-08] base64 is read strictly', () => {
    const good = base64('capulet.example')
    const wrong = [
      '=AAA',
      'Y2Fw dA==',
      `${good.slice(0, 4)}\n${good.slice(4)}`,
      ` ${good}`,
      `${good}=`,
      'A',
      'AB==',
      'AAB=',
      '==',
      good.replace('Y', '-'),
      '*',
      ' ',
    ]
    for (const data of wrong) expect(failures(begun().say(auth(data))), data).toEqual(['incorrect-encoding'])
    expect(failures(begun().say(auth(), sasl('response', '=AAA')))).toEqual(['incorrect-encoding'])
  })

  it('[SA-09] the certificate proves the from, and the authzid is the from: there is no third identity', () => {
    const side = receiving(wire).say(
      wire.open({ ...FROM_CAPULET, from: 'verona.example' }),
      auth(base64('capulet.example')),
    )
    expect(failures(side)).toEqual(['invalid-authzid'])
  })

  it('[SA-10] success is one empty element', () => {
    const side = begun().say(auth('='))
    expect(treeOf(side.sent[2] ?? '')).toEqual({ name: `{${NS.sasl}}success`, attributes: {}, children: [] })
  })

  it('[SA-11] a failure has one condition; of a peer’s, unknown ones read as not-authorized, and its text is kept for people', () => {
    const side = begun().say(auth('*'))
    expect(treeOf(side.sent[2] ?? '')).toEqual({
      name: `{${NS.sasl}}failure`,
      attributes: {},
      children: [{ name: `{${NS.sasl}}incorrect-encoding`, attributes: {}, children: [] }],
    })
    const read = (content: string) =>
      initiating(wire).say(answer, EXTERNAL_OFFERED, sasl('failure', content)).ended
    for (const condition of SASL_CONDITIONS) {
      expect(read(`<${condition}/>`)).toMatchObject({
        kind: 'unauthenticated',
        detail: expect.stringContaining(condition),
      })
    }
    expect(read('<foo/>')).toMatchObject({ detail: expect.stringMatching(/: not-authorized$/) })
    expect(read('')).toMatchObject({ detail: expect.stringMatching(/: not-authorized$/) })
    expect(read(`<credentials-expired/><text xml:lang='en'>since\nyesterday</text>`)).toMatchObject({
      detail: expect.stringMatching(/: credentials-expired: since yesterday$/),
    })
  })

  it('[SA-12] each condition that we emit has its case', () => {
    const cases = {
      'invalid-authzid': auth(base64('other.example')),
      'invalid-mechanism': sasl('auth', '=', ` mechanism='PLAIN'`),
      'incorrect-encoding': auth('*'),
      'malformed-request': auth('<x/>'),
      aborted: sasl('abort'),
    }
    for (const [condition, text] of Object.entries(cases))
      expect(failures(begun().say(text))).toEqual([condition])
    expect(failures(begun().say(sasl('auth', '=')))).toEqual(['invalid-mechanism'])
    expect(failures(begun().say(sasl('auth', '=', ` mechanism='external'`)))).toEqual(['invalid-mechanism'])
    expect(failures(begun().say(sasl('response', '=')))).toEqual(['malformed-request'])
  })

  it('[SA-13] after a failure the stream stays usable, three times; then policy-violation', () => {
    const side = begun().say(auth('*'), auth('*'))
    expect(side.errors).toEqual([])
    side.say(auth('='), open)
    expect(side.isEstablished).toBe(true)
    const stubborn = begun().say(auth('*'), auth('*'), auth('*'))
    expect(failures(stubborn)).toHaveLength(3)
    expect(stubborn.errors).toEqual([])
    stubborn.say(auth('='))
    expect(stubborn.errors).toEqual(['policy-violation'])
    expect(stubborn.established).toBeNull()
  })

  it('[SA-13] neither aborts nor stray responses nor challenges are a way around the number of attempts', () => {
    for (const text of [sasl('abort'), sasl('response', '='), auth()]) {
      const side = begun()
      side.say(text, text, text)
      expect(side.errors).toEqual([])
      expect(side.say(text).errors).toEqual(['policy-violation'])
    }
  })

  it('[SA-15] abort is answered by aborted, and a fresh attempt succeeds', () => {
    const side = begun().say(auth(), sasl('abort'))
    expect(failures(side)).toEqual(['aborted'])
    side.say(auth('='), open)
    expect(side.isEstablished).toBe(true)
  })

  it('[SA-15] a second auth during a handshake starts it anew', () => {
    const side = begun().say(auth(), auth(base64('capulet.example')), open)
    expect(side.transcript).toEqual(['open', 'features', 'challenge', 'success', 'open', 'features'])
    expect(side.isEstablished).toBe(true)
    const again = begun().say(auth(), auth(), sasl('response', '='), open)
    expect(again.isEstablished).toBe(true)
  })

  it('[SA-13 DB-25] dialback, which is not spoken here, is answered in its own words and leaves EXTERNAL usable', () => {
    const db = (name: string, attributes: string) =>
      `<db:${name} xmlns:db='${NS.dialback}' xmlns='jabber:server' ${attributes}>key</db:${name}>`
    const side = begun().say(
      db('result', `from='capulet.example' to='montague.example'`),
      db('result', `from='capulet.example' to='verona.example'`),
      db('verify', `from='capulet.example' to='montague.example' id='x'`),
      db('verify', `from='capulet.example' to='verona.example' id='x'`),
    )
    expect(side.elements.slice(1).map(answer => serializeTree(answer))).toEqual([
      dialbackAnswer(
        'result',
        { from: 'montague.example', to: 'capulet.example', type: 'error' },
        'auth',
        'not-authorized',
      ),
      dialbackAnswer(
        'result',
        { from: 'verona.example', to: 'capulet.example', type: 'error' },
        'cancel',
        'item-not-found',
      ),
      dialbackAnswer('verify', { from: 'montague.example', to: 'capulet.example', id: 'x', type: 'invalid' }),
      dialbackAnswer(
        'verify',
        { from: 'verona.example', to: 'capulet.example', id: 'x', type: 'error' },
        'cancel',
        'item-not-found',
      ),
    ])
    side.say(auth('='), open, GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    // QK-14: on any stream.
    side.say(db('verify', `from='capulet.example' to='montague.example' id='x'`))
    expect(side.elements.at(-1)?.name).toBe('verify')
    expect(side.isEstablished).toBe(true)
  })

  it('[DB-40] dialback answers that nobody asked for are dropped; the third is policy-violation', () => {
    const valid = `<db:result xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example' type='valid'/>`
    for (const side of [begun(), initiating(wire).say(answer, EXTERNAL_OFFERED)]) {
      const sent = side.sent.length
      side.say(valid, valid)
      expect(side.sent).toHaveLength(sent)
      expect(side.established).toBeNull()
      expect(side.say(valid).errors).toEqual(['policy-violation'])
    }
  })

  it('[DB-16] a dialback element without addresses, or a verify without id, is improper-addressing', () => {
    for (const text of [
      `<db:result xmlns:db='${NS.dialback}' from='capulet.example'>key</db:result>`,
      `<db:result xmlns:db='${NS.dialback}' from='' to='montague.example'>key</db:result>`,
      `<db:verify xmlns:db='${NS.dialback}' from='capulet.example' to='montague.example'>key</db:verify>`,
    ])
      expect(begun().say(text).errors).toEqual(['improper-addressing'])
  })

  it('[SA-10] success and other answers on the wrong side are no way in', () => {
    for (const name of ['success', 'failure', 'challenge', 'mechanisms']) {
      const side = begun().say(sasl(name), open)
      expect(side.errors[0]).toBe('unsupported-stanza-type')
      expect(side.established).toBeNull()
    }
    const side = initiating(wire).say(answer, SUCCESS)
    expect(side.established).toBeNull()
    expect(side.errors).toEqual(['bad-format'])
  })
})

function serializeTree(element: Element) {
  return treeOf(new TextDecoder().decode(serialize(element)))
}

function dialbackAnswer(
  name: string,
  attributes: Readonly<Record<string, string>>,
  type?: string,
  condition?: string,
) {
  const children =
    condition === undefined
      ? []
      : [
          {
            name: '{jabber:server}error',
            attributes: { type },
            children: [{ name: `{${NS.stanzaErrors}}${condition}`, attributes: {}, children: [] }],
          },
        ]
  return { name: `{${NS.dialback}}${name}`, attributes, children }
}
