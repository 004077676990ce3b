import { describe, expect, it } from 'vitest'
import { element, NS } from '../../src/xmpp/index.ts'
import {
  CAPULET,
  db,
  FROM_CAPULET,
  FROM_MONTAGUE,
  features,
  GOOD_MESSAGE,
  ID_2,
  type Initiating,
  initiating,
  MONTAGUE,
  message,
  receiving,
  SECRETS,
  SUCCESS,
  sasl,
  TO_CAPULET,
  WIRES,
  type Wire,
} from '../kit/streams.ts'

// Bidirectional streams (XEP-0288), asked for by the side that opens the stream.

const BIDI = `<bidi xmlns='${NS.bidiFeature}'/>`
const MECHANISMS = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`
const DIALBACK = `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`
const FROM_ROMEO = message(`from='romeo@montague.example' to='juliet@capulet.example'`)
const VALID = db('result', { ...TO_CAPULET, type: 'valid' })

const begun = (wire: Wire, offered: string, bidi = true): Initiating =>
  initiating(wire, { bidi, dialback: SECRETS.capulet }).say(wire.open(FROM_MONTAGUE), features(offered))
const bySasl = (wire: Wire): Initiating =>
  begun(wire, MECHANISMS + BIDI).say(SUCCESS, wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))

describe.each(WIRES)('over $name', wire => {
  it('[BI-02] it is asked for once, before SASL or the key, in the namespace of requests, and needs no answer', () => {
    const sasl = begun(wire, MECHANISMS + BIDI)
    expect(sasl.transcript).toEqual(['open', 'bidi', 'auth'])
    expect(sasl.elements[0]).toEqual(element('bidi', NS.bidi))
    expect(begun(wire, DIALBACK + BIDI).transcript).toEqual(['open', 'bidi', 'result'])
  })

  it('[BI-02] not where it is not offered, not wanted, or offered in the namespace of requests', () => {
    for (const side of [
      begun(wire, MECHANISMS),
      begun(wire, MECHANISMS + BIDI, false),
      // ejabberd 24.12
      begun(wire, `${MECHANISMS}<bidi xmlns='${NS.bidi}'/>`),
    ]) {
      expect(side.transcript).toEqual(['open', 'auth'])
      side.say(SUCCESS, wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))
      expect(side.established?.bidi).toBe(false)
      expect(side.say(FROM_ROMEO).errors).toEqual(['not-authorized'])
      expect(side.stanzas).toEqual([])
    }
  })

  it('[BI-04] it holds after the restart, without being said again', () => {
    const side = bySasl(wire)
    expect(side.transcript).toEqual(['open', 'bidi', 'auth', 'open'])
    expect(side.established?.bidi).toBe(true)
    expect(side.say(FROM_ROMEO).stanzas).toHaveLength(1)
  })

  it('[BI-03] no stanza of the other side counts before we are proven', () => {
    const states = [
      begun(wire, MECHANISMS + BIDI),
      begun(wire, MECHANISMS + BIDI).say(SUCCESS),
      begun(wire, MECHANISMS + BIDI).say(SUCCESS, wire.open(FROM_MONTAGUE)),
      begun(wire, MECHANISMS + BIDI + DIALBACK).say(sasl('failure', '<not-authorized/>')),
      begun(wire, DIALBACK + BIDI),
    ]
    for (const side of states) {
      side.say(FROM_ROMEO)
      expect(side.errors).toHaveLength(1)
      side.say(SUCCESS, VALID, FROM_ROMEO)
      expect([side.stanzas, side.established]).toEqual([[], null])
    }
  })

  it.each([
    [
      'from another domain',
      message(`from='nurse@verona.example' to='juliet@capulet.example'`),
      'invalid-from',
    ],
    ['to another domain', message(`from='romeo@montague.example' to='nurse@verona.example'`), 'host-unknown'],
    ['from us', GOOD_MESSAGE, 'invalid-from'],
  ])('[BI-03] after it, none %s', (_, stanza, condition) => {
    for (const side of [bySasl(wire), begun(wire, DIALBACK + BIDI).say(VALID)]) {
      expect(side.established?.bidi).toBe(true)
      side.say(FROM_ROMEO, stanza)
      expect(side.stanzas).toHaveLength(1)
      expect(side.errors).toEqual([condition])
    }
  })

  it('[BI-03] a server of our own may say to anybody what its domain says, and nothing else', () => {
    const side = initiating(wire, { bidi: true, dialback: SECRETS.capulet, stanzasTo: 'anybody' })
    side.say(wire.open(FROM_MONTAGUE), features(DIALBACK + BIDI), VALID)
    side.say(message(`from='romeo@montague.example' to='nurse@verona.example'`))
    expect(side.stanzas).toHaveLength(1)
    side.say(message(`from='nurse@verona.example' to='juliet@capulet.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it('[BI-03] what the peer says until its close is taken, as on any stream', () => {
    const side = bySasl(wire).give({ type: 'end', failure: null }).say(FROM_ROMEO, GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    expect(side.say(wire.close).ended).toBeNull()
  })

  it('[BI-05] the other side may show keys of its domains there: each is refused, and nothing ends', () => {
    const side = begun(wire, DIALBACK + BIDI).say(VALID)
    side.say(db('result', { ...TO_CAPULET, from: 'rooms.montague.example' }, 'key'), FROM_ROMEO)
    expect(side.transcript.slice(-1)).toEqual(['result'])
    expect(side.stanzas).toHaveLength(1)
    side.say(message(`from='hall@rooms.montague.example' to='juliet@capulet.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })

  it.each([NS.bidi, NS.bidiFeature])(
    '[BI-04] who has not offered it takes a request in %s for nothing, at any time',
    namespace => {
      const request = `<bidi xmlns='${namespace}'/>`
      const open = wire.open(FROM_CAPULET)
      const side = receiving(wire).say(
        open,
        request,
        sasl('auth', '=', ` mechanism='EXTERNAL'`),
        open,
        request,
      )
      expect(side.established).toMatchObject({ bidi: false, pair: { local: MONTAGUE, remote: CAPULET } })
      expect(side.say(GOOD_MESSAGE).stanzas).toHaveLength(1)
      expect(side.sent.join('')).not.toContain('bidi')
    },
  )
})
