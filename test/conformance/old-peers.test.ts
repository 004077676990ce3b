import { describe, expect, it } from 'vitest'
import type { ReceivingOptions } from '../../src/stream/index.ts'
import { NS } from '../../src/xmpp/index.ts'
import {
  CAPULET,
  DIALBACK_OFFERED,
  db,
  FROM_CAPULET,
  FROM_MONTAGUE,
  GOOD_MESSAGE,
  ID_1,
  initiating,
  inTheClear,
  keyOf,
  MONTAGUE,
  message,
  type Receiving,
  receiving,
  SECRETS,
  TCP,
  TO_CAPULET,
  TO_MONTAGUE,
  verifying,
  WEBSOCKET,
} from '../kit/streams.ts'
import { treeOf } from '../kit/xml-tree.ts'

// What the servers of a single machine say to a gateway beside them, as it was seen on the wire.

const wire = TCP
const { policy } = inTheClear(wire)
const beside = (more: Partial<Omit<ReceivingOptions, 'limits'>> = {}): Receiving =>
  receiving(wire, {
    policy,
    peerCertificate: false,
    dialback: SECRETS.montague,
    legacy: true,
    stanzasTo: 'anybody',
    isLocal: domain => domain !== CAPULET,
    admits: domain => domain === CAPULET,
    ...more,
  })

/** jabberd2's header, with nothing of RFC 6120. */
const BARE = `<?xml version='1.0'?><stream:stream xmlns:stream='${NS.stream}' xmlns='jabber:server' xmlns:db='${NS.dialback}'>`
const shows = (to: string) => db('result', { from: 'capulet.example', to }, 'a key')

describe('COMPAT(jabberd2): streams from before version 1.0', () => {
  it('[ST-12] its header names nobody and has no version: nor has the answer, and no features follow', () => {
    const side = beside().say(BARE)
    expect(side.transcript).toEqual(['open'])
    const header = treeOf(`${side.sent[0]?.replace(/^<\?xml.*?\?>/, '')}</stream:stream>`)
    expect(header.attributes).toEqual({
      from: '',
      id: ID_1,
      '{http://www.w3.org/XML/1998/namespace}lang': 'en',
    })
    expect(side.sent[0]).toContain(`xmlns:db='${NS.dialback}'`)
  })

  it('[DB-20] several pairs on one stream, and questions about our keys, which it asks there', () => {
    const side = beside().say(BARE, shows('montague.example'), shows('verona.example'))
    expect(side.asked.map(({ pair }) => pair.local)).toEqual(['montague.example', 'verona.example'])
    side.answer('valid', 0)
    expect(side.established?.pair).toEqual({ local: MONTAGUE, remote: CAPULET })
    side.answer('valid', 1).say(GOOD_MESSAGE)
    side.say(db('verify', { ...TO_MONTAGUE, id: 'x' }, 'no key of ours'))
    expect(side.transcript).toEqual(['open', 'result', 'result', 'verify'])
    expect(side.stanzas).toHaveLength(1)
  })

  it('with addresses and without version it is the same; from whom nobody expects, it is refused', () => {
    const { version: _, ...old } = FROM_CAPULET
    expect(beside().say(wire.open(old)).transcript).toEqual(['open'])
    expect(beside().say(wire.open({ ...old, from: 'verona.example' })).errors).toEqual(['invalid-from'])
    expect(beside().say(wire.open({ ...old, to: 'capulet.example' })).errors).toEqual(['host-unknown'])
  })

  it('[ST-12 ST-05] elsewhere such headers are refused: where they are not expected, and where there is no dialback', () => {
    expect(beside({ legacy: false }).say(BARE).errors).toEqual(['improper-addressing'])
    const { version: _, ...old } = FROM_CAPULET
    expect(beside({ legacy: false }).say(wire.open(old)).errors).toEqual(['unsupported-version'])
    const strict = receiving(wire, { policy, peerCertificate: false, starttls: 'required', legacy: true })
    expect(strict.say(wire.open(old)).errors).toEqual(['unsupported-version'])
  })

  it('[DB-15] its answer to our header has no version either: the key follows at once', () => {
    const { version: _, ...old } = FROM_MONTAGUE
    const open = wire.open({ ...old, 'xmlns:db': NS.dialback })
    const side = initiating(wire, { policy, peer: 'configured-address', dialback: SECRETS.capulet }).say(open)
    expect(side.elements.at(-1)?.children).toEqual([keyOf(CAPULET, MONTAGUE, ID_1)])
    expect(side.say(db('result', { ...TO_CAPULET, type: 'valid' })).isEstablished).toBe(true)
    const asking = verifying(wire).say(wire.open({ id: 'x' }))
    expect(asking.transcript).toEqual(['open', 'verify'])
  })

  it('[ST-12] but not over WebSocket or TLS, without the sign of dialback, or without an id', () => {
    const { version: _, ...old } = FROM_MONTAGUE
    const sign = { 'xmlns:db': NS.dialback }
    const plain = { policy, peer: 'configured-address', dialback: SECRETS.capulet } as const
    const { id: __, ...nameless } = old
    for (const side of [
      initiating(WEBSOCKET, { dialback: SECRETS.capulet }).say(WEBSOCKET.open({ ...old, ...sign })),
      initiating(wire, { dialback: SECRETS.capulet }).say(wire.open({ ...old, ...sign })),
      initiating(wire, plain).say(wire.open(old)),
      initiating(wire, plain).say(wire.open({ ...nameless, ...sign })),
      initiating(wire, { policy, peer: 'configured-address' }).say(wire.open({ ...old, ...sign })),
    ]) {
      expect(side.transcript).toEqual(['open'])
      side.say(DIALBACK_OFFERED)
      expect(side.established).toBeNull()
      expect(side.ended).toMatchObject({ by: 'peer' })
    }
  })
})

describe('COMPAT(Prosody)', () => {
  it('[ST-07] its header has an id that is empty, which is not echoed', () => {
    const side = beside().say(wire.open({ ...FROM_CAPULET, id: '' }))
    expect(side.frames[0]).toMatchObject({ type: 'open', header: { id: ID_1, from: 'montague.example' } })
    expect(side.transcript).toEqual(['open', 'features'])
  })

  it('[DB-18] it asks about our keys on the stream on which it has proven itself', () => {
    const side = beside().say(wire.open(FROM_CAPULET), shows('montague.example')).answer('valid')
    side.say(db('verify', { ...TO_MONTAGUE, id: ID_1 }, 'no key of ours'), GOOD_MESSAGE)
    expect(side.transcript.at(-1)).toBe('verify')
    expect(side.stanzas).toHaveLength(1)
  })

  it('[SZ-03] a server of our own sends for other pairs down its first stream: from its domain, to anybody', () => {
    const side = beside().say(wire.open(FROM_CAPULET), shows('montague.example')).answer('valid')
    side.say(message(`from='juliet@capulet.example' to='nurse@verona.example'`))
    expect(side.stanzas).toHaveLength(1)
    side.say(message(`from='tybalt@padua.example' to='romeo@montague.example'`))
    expect(side.errors).toEqual(['invalid-from'])
  })
})

describe('COMPAT(ejabberd)', () => {
  it('[DB-18] a stream that begins with a question and ends with the answer is in order', () => {
    const key = keyOf(MONTAGUE, CAPULET, 'x')
    const side = beside({ dialback: SECRETS.capulet })
    side.say(wire.open(FROM_CAPULET), db('verify', { ...TO_MONTAGUE, id: 'x' }, key), wire.close)
    expect(side.transcript).toEqual(['open', 'features', 'verify', 'close'])
    expect(side.sent[2]).toContain("type='valid'")
    expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
  })
})
