import { describe, expect, it } from 'vitest'
import { ackElement, handledTooHigh, requestElement } from '../../../src/stream/index.ts'
import { type Element, serialize } from '../../../src/xml/index.ts'
import { describe as describeFailure, NS } from '../../../src/xmpp/index.ts'
import {
  establishedInitiating,
  establishedReceiving,
  ID_2,
  type Initiating,
  SM_OFFERED,
  sm,
  smFailed,
  WEBSOCKET,
} from '../../kit/streams.ts'

// The elements of stream management, as they are written and read.

const wire = WEBSOCKET
const text = (of: Element) => Buffer.from(serialize(of)).toString()

const enabling = (resume: boolean): Initiating =>
  establishedInitiating(wire, { sm: 'offered' }, SM_OFFERED).give({
    type: 'manage',
    how: { type: 'enable', resume },
  })

describe('elements', () => {
  it('each has its namespace', () => {
    expect(text(ackElement(0))).toBe(`<a xmlns='${NS.sm}' h='0'/>`)
    expect(text(ackElement(2 ** 32 - 1))).toBe(`<a xmlns='${NS.sm}' h='4294967295'/>`)
    expect(text(requestElement())).toBe(`<r xmlns='${NS.sm}'/>`)
  })

  it('say in a log what was wrong with an ack', () => {
    expect(describeFailure(handledTooHigh(10, 8))).toBe(
      'the peer broke a rule of the protocol (SM-09): it acknowledged 10 stanzas where 8 had been sent',
    )
  })
})

describe('what <enabled/> says', () => {
  it.each([
    ['nothing', '', null, null],
    ['an id alone', `id='x'`, null, null],
    ['an id, and that it can be resumed', `id='x' resume='true'`, 'x', null],
    ['the same in the other spelling', `id='x' resume='1'`, 'x', null],
    ['that it cannot', `id='x' resume='false'`, null, null],
    ['that it can, by nothing', `resume='true'`, null, null],
    ['that it can, by an empty id', `id='' resume='true'`, null, null],
    ['an id as long as may be', `id='${'x'.repeat(4_000)}' resume='true'`, 'x'.repeat(4_000), null],
    ['an id that is longer', `id='${'x'.repeat(4_001)}' resume='true'`, null, null],
    ['for how long', `id='x' resume='true' max='600'`, 'x', 600],
    ['for how long, in no number', `id='x' resume='true' max='-1'`, 'x', null],
    ['a place that we do not go to', `id='x' resume='true' location='verona.example:1'`, 'x', null],
  ])('%s', (_, attributes, id, maxSeconds) => {
    const side = enabling(true).say(sm('enabled', attributes))
    expect(side.managed).toEqual([{ type: 'enabled', id, maxSeconds }])
  })

  it('that it can be resumed, where that was not asked for', () => {
    const side = enabling(false).say(sm('enabled', `id='x' resume='true'`))
    expect(side.managed).toEqual([{ type: 'enabled', id: null, maxSeconds: null }])
  })
})

describe('what <failed/> says', () => {
  const resuming = () =>
    establishedInitiating(wire, { sm: 'offered' }, SM_OFFERED).give({
      type: 'manage',
      how: { type: 'resume', previd: ID_2, h: 3 },
    })

  it.each([
    ['a condition', smFailed('item-not-found'), null, 'item-not-found'],
    ['what was handled', smFailed('item-not-found', `h='7'`), 7, 'item-not-found'],
    ['nothing', sm('failed'), null, 'undefined-condition'],
    ['a condition unheard of', smFailed('toString'), null, 'undefined-condition'],
    ['one of another namespace', sm('failed', '', `<gone xmlns='urn:x'/>`), null, 'undefined-condition'],
    [
      'words as well',
      sm(
        'failed',
        '',
        `no, <text xmlns='${NS.stanzaErrors}'>no</text><gone xmlns='${NS.stanzaErrors}'>to</gone>`,
      ),
      null,
      'gone',
    ],
  ])('%s', (_, failed, h, condition) => {
    expect(resuming().say(failed).managed).toEqual([{ type: 'failed', h, condition }])
  })

  it('a count that is none ends the stream', () => {
    const side = resuming().say(smFailed('item-not-found', `h='seven'`))
    expect([side.managed, side.errors]).toEqual([[], ['invalid-xml']])
  })
})

describe('what is asked for', () => {
  const offered = { sm: { id: ID_2, maxSeconds: 90 } } as const

  it.each([
    [`resume='true'`, true],
    [`resume='1'`, true],
    [`resume='false'`, false],
    [`resume='yes'`, false],
    ['', false],
    [`max='10'`, false],
  ])('<enable %s/>', (attributes, isResumable) => {
    const side = establishedReceiving(wire, offered).say(sm('enable', attributes))
    const [id, maxSeconds] = isResumable ? [ID_2, 90] : [null, null]
    expect(side.managed).toEqual([{ type: 'enabled', id, maxSeconds }])
    expect(side.sent.at(-1)).toBe(
      isResumable
        ? `<enabled xmlns='${NS.sm}' id='${ID_2}' resume='true' max='90'/>`
        : `<enabled xmlns='${NS.sm}'/>`,
    )
  })

  it('a resumption of nothing is asked about too: there is no such thing', () => {
    const side = establishedReceiving(wire, offered).say(sm('resume', `h='0'`))
    expect(side.resumptions).toEqual([{ type: 'need-resumption', previd: '', h: 0 }])
  })
})
