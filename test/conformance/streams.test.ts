import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { systemRandom } from '../../src/base/system.ts'
import { redirected } from '../../src/federation/redirect.ts'
import { OVERSIZE } from '../../src/framing/index.ts'
import { streamId } from '../../src/stream/index.ts'
import { element, message, NS } from '../../src/xmpp/index.ts'
import {
  auth,
  CAPULET,
  domain,
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
  initiating,
  Line,
  MONTAGUE,
  message as messageText,
  receiving,
  SUCCESS,
  unproven,
  WEBSOCKET,
  WIRES,
} from '../kit/streams.ts'
import { treeOf } from '../kit/xml-tree.ts'

const AUTH = auth('Y2FwdWxldC5leGFtcGxl')
const SHUTDOWN = { by: 'us', kind: 'shutdown', detail: 'we are stopping' } as const

describe('messages over WebSocket', () => {
  const wire = WEBSOCKET

  it('[WS-21] two elements in one message, or none that is whole, end the stream', () => {
    const two = receiving(wire).say(`${wire.open(FROM_CAPULET)}<a xmlns='b'/>`)
    expect(two.errors).toEqual(['not-well-formed'])
    const half = establishedReceiving(wire).say(GOOD_MESSAGE.slice(0, -1))
    expect(half.errors).toEqual(['not-well-formed'])
    expect(half.stanzas).toEqual([])
  })

  it('[WS-22 WS-23 WS-60] every message written begins with < and is read alone by a strict parser', () => {
    const written = [
      ...establishedReceiving(wire).give({ type: 'end', failure: SHUTDOWN }).sent,
      ...establishedInitiating(wire).give({ type: 'end', failure: null }).sent,
      ...receiving(wire).say(wire.open({ ...FROM_CAPULET, to: 'nosuch.example' })).sent,
      ...receiving(wire).say(wire.open(FROM_CAPULET), auth('*'), auth('')).sent,
    ]
    expect(written.length).toBeGreaterThan(15)
    for (const text of written) {
      expect(text[0]).toBe('<')
      expect(text).not.toMatch(/<\?xml|^\s|\s$/)
      expect(() => treeOf(text)).not.toThrow()
    }
  })

  it('[WS-23 WS-24] an empty message, white space, a BOM or anything else before < is bad-format', () => {
    for (const text of ['', ' ', '\n', ` ${GOOD_MESSAGE}`, `\ufeff${GOOD_MESSAGE}`, 'hello']) {
      const side = establishedReceiving(wire).say(text)
      expect(side.errors, JSON.stringify(text)).toEqual(['bad-format'])
      expect(side.stanzas).toEqual([])
    }
  })

  it('[WS-25] an XML declaration of version 1.0 and UTF-8 is accepted, another encoding is not, none is sent', () => {
    for (const declaration of [`<?xml version='1.0'?>`, `<?xml version="1.0" encoding="UTF-8"?>`]) {
      const side = receiving(wire).say(declaration + wire.open(FROM_CAPULET))
      expect(side.transcript).toEqual(['open', 'features'])
      expect(side.sent.join('')).not.toContain('<?xml')
    }
    const other = receiving(wire).say(`<?xml version='1.0' encoding='UTF-16'?>${wire.open(FROM_CAPULET)}`)
    expect(other.errors).toEqual(['unsupported-encoding'])
  })

  it('[WS-27] a stanza is written as the bytes it has, in jabber:server; one without a namespace is refused', () => {
    const stanza = message({ from: 'juliet@capulet.example', to: 'romeo@montague.example', body: 'hello' })
    const written = wire.codec(defaultLimits, 'authenticated').encode({ type: 'stanza', bytes: stanza.bytes })
    expect(written).toBe(stanza.bytes)
    expect(treeOf(new TextDecoder().decode(stanza.bytes)).name).toBe('{jabber:server}message')
    const side = establishedReceiving(wire).say(
      `<message from='juliet@capulet.example' to='romeo@montague.example'/>`,
    )
    expect(side.errors).toEqual(['unsupported-stanza-type'])
  })

  it('[WS-28] features and errors are written with the prefix stream, and read in both spellings', () => {
    const side = receiving(wire).say(wire.open(FROM_CAPULET), messageText(''))
    expect(side.sent[1]).toMatch(
      /^<stream:features [^>]*xmlns:stream='http:\/\/etherx\.jabber\.org\/streams'/,
    )
    expect(side.sent[2]).toMatch(/^<stream:error [^>]*xmlns:stream='http:\/\/etherx\.jabber\.org\/streams'/)
    for (const spelling of [
      EXTERNAL_OFFERED,
      EXTERNAL_OFFERED.replaceAll('stream:', '').replace(':stream', ''),
    ]) {
      const peer = initiating(wire).say(wire.open(FROM_MONTAGUE), spelling)
      expect(peer.transcript).toEqual(['open', 'auth'])
    }
    const failed = establishedInitiating(wire).say(
      `<error xmlns='${NS.stream}'><reset xmlns='${NS.streamErrors}'/></error>`,
    )
    expect(failed.say(wire.close).ended).toMatchObject({ kind: 'reported', condition: 'reset' })
  })

  it('[WS-29 QK-08] headers are self-closed, with a space after the name and no > inside', () => {
    const side = establishedReceiving(wire).say(wire.close)
    const peer = establishedInitiating(wire).give({ type: 'end', failure: null })
    for (const text of [...side.sent, ...peer.sent].filter(sent => /^<(open|close)/.test(sent)))
      expect(text).toMatch(/^<(open|close) [^>]*\/>$/)
    const hostile = wire.codec(defaultLimits, 'authenticated').encode({
      type: 'open',
      header: { from: `a'/><x b='`, to: '<&>"', dialback: true },
    })
    expect(hostile).toMatch(/^<open [^>]*\/>$/)
    expect(treeOf(String(hostile)).attributes).toEqual({ from: `a'/><x b='`, to: '<&>"' })
  })

  it('[WS-12 WS-30] a header in another namespace is invalid-namespace, after our own header', () => {
    for (const namespace of [NS.framingC2s, NS.server, '', NS.framing.toUpperCase()]) {
      const side = receiving(wire).say(wire.open(FROM_CAPULET).replace(NS.framing, namespace))
      expect(side.transcript).toEqual(['open', 'error', 'close'])
      expect(side.errors).toEqual(['invalid-namespace'])
    }
    const answer = initiating(wire).say(wire.open(FROM_MONTAGUE).replace(NS.framing, NS.framingC2s))
    expect(answer.errors).toEqual(['invalid-namespace'])
    const closing = establishedReceiving(wire).say(`<close xmlns='${NS.server}'/>`)
    expect(closing.errors).toEqual(['invalid-namespace'])
  })

  it('[WS-30] a header with a prefix, text or children is bad-format; unknown attributes are ignored', () => {
    const open = wire.open(FROM_CAPULET)
    const wrong = [
      open.replace('<open xmlns=', '<f:open xmlns:f='),
      open.replace('/>', '>text</open>'),
      open.replace('/>', '><x/></open>'),
    ]
    for (const text of wrong) expect(receiving(wire).say(text).errors, text).toEqual(['bad-format'])
    const more = receiving(wire).say(open.replace('/>', ` colour='red' xmlns:x='urn:x' x:y='z'/>`))
    expect(more.transcript).toEqual(['open', 'features'])
  })

  it('[QK-01] a close in the namespace of c2s is a close', () => {
    for (const side of [establishedReceiving(wire), establishedInitiating(wire)]) {
      side.say(`<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`)
      expect(side.sent.at(-1)).toBe(`<close xmlns='${NS.framing}'/>`)
      expect(side.errors).toEqual([])
      expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
    }
  })

  it('[WS-33 WS-53] a redirect is written where the operator wants one, and read in answer to our header', () => {
    const uri = 'wss://node2.montague.example/s2s'
    const side = receiving(wire, { redirectTo: uri }).say(wire.open(FROM_CAPULET))
    expect(side.frames).toEqual([{ type: 'close', seeOtherUri: uri }])
    const peer = initiating(wire).say(side.sent[0] ?? '')
    expect(peer.transcript).toEqual(['open', 'close'])
    expect(side.say(peer.sent[1] ?? '').closeCode).toBe(1000)
    expect(peer.give({ type: 'transport-closed', failure: null }).ended).toMatchObject({
      kind: 'redirect',
      uri,
    })
  })

  it('[WS-54] a redirect to anything but wss is not followed', () => {
    const candidate = {
      kind: 'websocket',
      url: 'wss://montague.example/s2s',
      host: 'montague.example',
      port: 443,
      addresses: null,
      servername: 'montague.example',
      names: { domain: MONTAGUE, hosts: [], pins: [] },
      source: 'static',
    } as const
    for (const uri of ['ws://a.example/', 'http://a.example/', 'https://a.example/', 'xmpp:a.example', '']) {
      const peer = initiating(wire).say(`<close xmlns='${NS.framing}' see-other-uri='${uri}'/>`)
      peer.give({ type: 'transport-closed', failure: null })
      expect(peer.ended).toMatchObject({ kind: 'redirect', uri })
      expect(redirected(candidate, uri)).toMatchObject({ by: 'peer', kind: 'redirect' })
    }
    expect(redirected(candidate, 'wss://a.example/')).toMatchObject({ url: 'wss://a.example/' })
  })
})

describe.each(WIRES)('streams over $name', wire => {
  const open = wire.open(FROM_CAPULET)
  const answer = wire.open(FROM_MONTAGUE)

  it('[WS-31] the receiving side writes nothing before the header; what comes first must be one', () => {
    const silent = receiving(wire)
    expect(silent.sent).toEqual([])
    expect(silent.give({ type: 'end', failure: SHUTDOWN }).sent).toEqual([])
    expect(silent.closeCode).toBe(1001)
    for (const first of [
      `<iq xmlns='jabber:server' type='get' id='1' from='capulet.example' to='montague.example'/>`,
      wire.name === 'websocket' ? wire.close : `<x xmlns='y'>`,
    ]) {
      const side = receiving(wire).say(first)
      expect(side.transcript).toEqual(['open', 'error', 'close'])
      expect(side.errors).toEqual(['bad-format'])
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'violation', rule: 'WS-31' })
    }
  })

  it('[WS-32 ST-01 ST-02 ST-07 ST-11] our first header: from us, to the domain wanted, version 1.0, no id', () => {
    const rooms = domain('rooms.capulet.example')
    for (const local of [CAPULET, rooms]) {
      const side = initiating(wire, { pair: { local, remote: MONTAGUE } })
      expect(side.frames).toEqual([
        {
          type: 'open',
          header: { from: local, to: MONTAGUE, version: '1.0', lang: 'en', dialback: false },
        },
      ])
    }
  })

  it('[ST-03 ST-09 WS-32 WS-33 WS-36] the answer has from, to, id, version and lang; then come the features', () => {
    const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, 'xml:lang': 'de-CH' }))
    expect(side.frames[0]).toEqual({
      type: 'open',
      header: { from: MONTAGUE, to: CAPULET, id: ID_1, version: '1.0', lang: 'en', dialback: false },
    })
    expect(side.transcript).toEqual(['open', 'features'])
  })

  it('[ST-07] an id in the first header is accepted and not echoed', () => {
    for (const id of ['', 'x']) {
      const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, id }))
      expect(side.frames[0]).toMatchObject({ header: { id: ID_1 } })
      expect(side.transcript).toEqual(['open', 'features'])
    }
  })

  it('[ST-03] addresses are compared prepared: case, A-labels and a trailing dot make no difference', () => {
    const side = receiving(wire).say(
      wire.open({ ...FROM_CAPULET, to: 'MONTAGUE.example.', from: 'Capulet.Example' }),
    )
    expect(side.frames[0]).toMatchObject({ header: { from: MONTAGUE, to: CAPULET } })
    const peer = initiating(wire).say(
      wire.open({ ...FROM_MONTAGUE, from: 'Montague.EXAMPLE.' }),
      EXTERNAL_OFFERED,
    )
    expect(peer.transcript).toEqual(['open', 'auth'])
  })

  it('[ST-04] an answer from another domain ends the stream with invalid-from once it goes on', () => {
    for (const from of ['verona.example', 'rooms.montague.example', 'no domain']) {
      const side = initiating(wire).say(wire.open({ ...FROM_MONTAGUE, from }))
      expect(side.errors).toEqual([])
      side.say(EXTERNAL_OFFERED)
      expect(side.errors).toEqual(['invalid-from'])
      expect(side.ended).toMatchObject({ kind: 'violation', rule: 'ST-04' })
    }
  })

  it('[ST-04 WS-44] an answer from nobody, followed by an error, is that error', () => {
    const side = initiating(wire).say(
      wire.open({ ...FROM_MONTAGUE, from: '' }),
      error('host-unknown'),
      wire.close,
    )
    expect(side.errors).toEqual([])
    expect(side.ended).toMatchObject({ kind: 'reported', condition: 'host-unknown' })
  })

  it('[ST-03] an answer without an id ends the stream', () => {
    const { id: _, ...rest } = FROM_MONTAGUE
    const side = initiating(wire).say(wire.open(rest), EXTERNAL_OFFERED)
    expect(side.errors).toEqual(['bad-format'])
  })

  it('[ST-05] a missing to is improper-addressing; a missing from leaves nothing but dialback, which is off', () => {
    const { to: _to, ...noTo } = FROM_CAPULET
    const { from: _from, ...noFrom } = FROM_CAPULET
    expect(receiving(wire).say(wire.open(noTo)).errors).toEqual(['improper-addressing'])
    const side = receiving(wire).say(wire.open(noFrom))
    expect(side.transcript).toEqual(['open', 'error', 'close'])
    expect(side.errors).toEqual(['policy-violation'])
  })

  it('[ST-01] a from that no remote domain can have is policy-violation, one that is no domain improper-addressing', () => {
    for (const from of [
      'localhost',
      'single',
      '127.0.0.1',
      '[::1]',
      'printer.local',
      'a.onion',
      'x.invalid',
    ]) {
      const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, from }))
      expect(side.errors, from).toEqual(['policy-violation'])
      expect(side.outputs.map(({ type }) => type)).not.toContain('need-identity')
    }
    for (const from of ['juliet@capulet.example', 'capulet.example/x', 'a b', '..']) {
      const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, from }))
      expect(side.errors, from).toEqual(['improper-addressing'])
      expect(side.frames[0]).toMatchObject({ header: { from: MONTAGUE } })
    }
  })

  it('[ST-06 ST-08] ids: 100 000 of them differ, fit an NMTOKEN, begin with a letter, and each stream has its own', () => {
    const ids = new Set<string>()
    for (let n = 0; n < 100_000; n++) {
      const id = streamId(systemRandom)
      if (!/^[A-Za-z][A-Za-z\d_-]{19,63}$/.test(id)) throw new Error(id)
      ids.add(id)
    }
    expect(ids.size).toBe(100_000)
    const side = receiving(wire).say(open, AUTH, open)
    const headers = side.frames.flatMap(frame => (frame.type === 'open' ? [frame.header.id] : []))
    expect(headers).toEqual([ID_1, ID_2])
  })

  it('[ST-11 ST-12 ST-13] versions are two integers: above 1.0 we go on with 1.0, below or without we do not', () => {
    for (const version of ['1.0', '1.13', '01.0', '2.0', '10.1']) {
      const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, version }))
      expect(side.frames[0]).toMatchObject({ header: { version: '1.0' } })
      expect(side.transcript, version).toEqual(['open', 'features'])
      const peer = initiating(wire).say(wire.open({ ...FROM_MONTAGUE, version }), EXTERNAL_OFFERED)
      expect(peer.transcript, version).toEqual(['open', 'auth'])
    }
    const { version: _, ...none } = FROM_CAPULET
    for (const header of [none, ...['0.9', '1', '', '1.x', '-1.0'].map(version => ({ ...none, version }))]) {
      const side = receiving(wire).say(wire.open(header))
      expect(side.errors).toEqual(['unsupported-version'])
      const peer = initiating(wire).say(
        wire.open({ ...FROM_MONTAGUE, ...header, from: MONTAGUE }),
        EXTERNAL_OFFERED,
      )
      if (header !== none) expect(peer.errors).toEqual(['unsupported-version'])
    }
  })

  it('[ST-12] an answer without version is unsupported-version', () => {
    const { version: _, ...none } = FROM_MONTAGUE
    expect(initiating(wire).say(wire.open(none), EXTERNAL_OFFERED).errors).toEqual(['unsupported-version'])
  })

  it('[WS-34] a second header without a restart is bad-format', () => {
    if (wire.name === 'tcp') {
      // There a header within the stream is an element of it.
      const side = receiving(wire).say(open, `<stream:stream from='capulet.example'/>`)
      expect(side.errors).toEqual(['unsupported-stanza-type'])
      return
    }
    expect(receiving(wire).say(open, open).errors).toEqual(['bad-format'])
    expect(establishedReceiving(wire).say(open).errors).toEqual(['bad-format'])
    expect(initiating(wire).say(answer, answer).errors).toEqual(['bad-format'])
    expect(establishedInitiating(wire).say(answer).errors).toEqual(['bad-format'])
    const waiting = receiving(wire)
    waiting.verdict = null
    expect(waiting.say(open, open).errors).toEqual(['bad-format'])
  })

  it('[WS-36] after the header come the features; anything else but an error or a close ends the stream', () => {
    for (const early of [SUCCESS, GOOD_MESSAGE, `<x xmlns='urn:x'/>`]) {
      const side = initiating(wire).say(answer, early)
      expect(side.errors).toEqual(['bad-format'])
      expect(side.established).toBeNull()
    }
  })

  it('[WS-40 ST-08 ST-15 SA-10] success ends both streams without a close; new headers, a fresh id and features follow', () => {
    const side = receiving(wire).say(open, AUTH, open)
    expect(side.transcript).toEqual(['open', 'features', 'success', 'open', 'features'])
    expect(side.isEstablished).toBe(true)
    const peer = initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS)
    expect(peer.transcript).toEqual(['open', 'auth', 'open'])
    expect(peer.frames[2]).toEqual(peer.frames[0])
    expect(peer.established).toBeNull()
    peer.say(wire.open({ ...FROM_MONTAGUE, id: ID_2 }), features(''))
    expect(peer.isEstablished).toBe(true)
  })

  it('[ST-14 ST-15] after the restart empty or voluntary features complete the negotiation, mandatory unknown ones do not', () => {
    const restarted = () => initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS, answer)
    for (const content of ['', `<sm xmlns='urn:xmpp:sm:3'/>`, `<limits xmlns='${NS.limits}'/>`])
      expect(restarted().say(features(content)).isEstablished).toBe(true)
    const mandatory = restarted().say(features(`<oath xmlns='urn:x'><required/></oath>`))
    expect(mandatory.errors).toEqual(['unsupported-feature'])
    expect(mandatory.established).toBeNull()
    const again = restarted().say(EXTERNAL_OFFERED)
    expect(again.ended).toMatchObject({ kind: 'unauthenticated' })
  })

  it('[ST-16] once established there are no further features: none written, and those of a peer change nothing', () => {
    const side = establishedReceiving(wire).say(GOOD_MESSAGE, GOOD_MESSAGE)
    expect(side.transcript.filter(name => name === 'features')).toHaveLength(2)
    const peer = establishedInitiating(wire)
    const before = peer.sent.length
    peer.say(EXTERNAL_OFFERED)
    expect(peer.sent).toHaveLength(before)
    expect(peer.isEstablished).toBe(true)
  })

  it('[WS-41] between success and the second header nothing else is taken', () => {
    for (const early of [GOOD_MESSAGE, AUTH, `<x xmlns='urn:x'/>`]) {
      if (wire.name === 'tcp') continue
      const side = receiving(wire).say(open, AUTH, early)
      expect(side.errors).toEqual(['not-authorized'])
      expect(side.transcript).toEqual(['open', 'features', 'success', 'open', 'error', 'close'])
      expect(side.stanzas).toEqual([])
    }
    const instead = receiving(wire).say(open, AUTH, GOOD_MESSAGE)
    expect(instead.established).toBeNull()
    expect(instead.errors).toHaveLength(1)
  })

  it('[WS-41 ST-18] after the restart both domains are those that were proven', () => {
    const other = { ...FROM_CAPULET, from: 'verona.example' }
    expect(receiving(wire).say(open, AUTH, wire.open(other)).errors).toEqual(['invalid-from'])
    const { from: _, ...nobody } = FROM_CAPULET
    expect(receiving(wire).say(open, AUTH, wire.open(nobody)).errors).toEqual(['invalid-from'])
    const rooms = { ...FROM_CAPULET, to: 'rooms.montague.example' }
    expect(receiving(wire).say(open, AUTH, wire.open(rooms)).errors).toEqual(['host-unknown'])
    const peer = initiating(wire).say(
      answer,
      EXTERNAL_OFFERED,
      SUCCESS,
      wire.open({ ...FROM_MONTAGUE, from: 'verona.example' }),
      features(''),
    )
    expect(peer.errors).toEqual(['invalid-from'])
    expect(peer.established).toBeNull()
  })

  it('[ST-18] an established stream has one peer domain and one proof of it', () => {
    for (const [side, remote, local] of [
      [establishedReceiving(wire), CAPULET, MONTAGUE],
      [establishedInitiating(wire), MONTAGUE, CAPULET],
    ] as const) {
      expect(side.established).toMatchObject({
        pair: { local, remote },
        proof: { domain: remote, method: 'sasl-external', evidence: `dns-id ${remote}` },
      })
    }
  })

  it('[WS-42] a stream error is followed by the close, and that by the end of the transport', () => {
    const side = establishedReceiving(wire).say(
      messageText(`from='tybalt@verona.example' to='montague.example'`),
    )
    expect(side.transcript.slice(-2)).toEqual(['error', 'close'])
    expect(side.outputs.slice(-2).map(({ type }) => type)).toEqual(['close-transport', 'ended'])
    expect(side.closeCode).toBe(1000)
    expect(side.ended).toMatchObject({ by: 'peer', kind: 'violation', condition: 'invalid-from' })
  })

  it('[WS-43 WS-44] an error while opening comes after our header, which never repeats the unknown name', () => {
    const side = receiving(wire).say(wire.open({ ...FROM_CAPULET, to: 'nosuch.example' }))
    expect(side.transcript).toEqual(['open', 'error', 'close'])
    expect(side.errors).toEqual(['host-unknown'])
    expect(side.frames[0]).toMatchObject({ header: { from: '', to: CAPULET, id: ID_1, version: '1.0' } })
    expect(side.sent.join('')).not.toContain('nosuch')
    for (const to of ['', 'romeo@montague.example', 'montague.example/orchard', 'a b']) {
      const malformed = receiving(wire).say(wire.open({ ...FROM_CAPULET, to }))
      expect(malformed.errors).toEqual(['improper-addressing'])
      expect(malformed.frames[0]).toMatchObject({ header: { from: '' } })
    }
  })

  it('[WS-45] who closes first sends nothing more, takes what still comes, and ends the transport after the peer’s close', () => {
    const side = establishedReceiving(wire).give({ type: 'end', failure: null })
    expect(side.transcript.at(-1)).toBe('close')
    expect(side.timers.get('close')).toBe(defaultLimits.closeMs)
    const sent = side.sent.length
    side.say(GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    expect(side.closeCode).toBeUndefined()
    side.say(wire.close)
    expect(side.sent).toHaveLength(sent)
    expect(side.closeCode).toBe(1000)
    expect(side.ended).toBeNull()
  })

  it('[WS-45] who is closed answers, takes nothing more, and leaves the transport to the other', () => {
    for (const side of [establishedReceiving(wire), establishedInitiating(wire)]) {
      side.say(wire.close)
      expect(side.transcript.at(-1)).toBe('close')
      expect(side.closeCode).toBeUndefined()
      side.say(GOOD_MESSAGE)
      expect(side.stanzas).toEqual([])
      expect(side.give({ type: 'transport-closed', failure: null }).ended).toBeNull()
    }
  })

  it('[WS-45 WS-56] a close that is not answered in time ends the transport; so does a transport that stays', () => {
    const first = establishedInitiating(wire).give({ type: 'end', failure: null })
    first.give({ type: 'timeout', timer: 'close' })
    expect(first.closeCode).toBe(1000)
    expect(first.ended).toMatchObject({ by: 'network', kind: 'timeout' })
    const second = establishedInitiating(wire).say(wire.close)
    second.give({ type: 'timeout', timer: 'close' })
    expect(second.closeCode).toBe(1000)
    expect(second.ended).toMatchObject({ by: 'network', kind: 'timeout' })
  })

  it('[WS-46] crossing closes answer each other', () => {
    const one = initiating(wire)
    const other = receiving(wire)
    const line = new Line(one, other)
    line.run()
    expect([one.isEstablished, other.isEstablished]).toEqual([true, true])
    one.give({ type: 'end', failure: null })
    other.give({ type: 'end', failure: null })
    line.run()
    expect([one.ended, other.ended]).toEqual([null, null])
    expect([one.errors, other.errors]).toEqual([[], []])
    expect([one.closeCode, other.closeCode]).toEqual([1000, 1000])
  })

  it.each(['initiating', 'receiving'])('[WS-45] the %s side closes first, and both end in order', first => {
    const one = initiating(wire)
    const other = receiving(wire)
    const line = new Line(one, other)
    line.run()
    ;(first === 'initiating' ? one : other).give({ type: 'end', failure: null })
    line.run()
    expect([one.ended, other.ended]).toEqual([null, null])
    expect([one.transcript.at(-1), other.transcript.at(-1)]).toEqual(['close', 'close'])
  })

  it('[WS-47] a transport that ends without a close ends the stream as lost, at every point', () => {
    const points = [
      initiating(wire),
      initiating(wire).say(answer),
      initiating(wire).say(answer, EXTERNAL_OFFERED),
      establishedInitiating(wire),
      establishedInitiating(wire).give({ type: 'end', failure: null }),
      receiving(wire),
      receiving(wire).say(open),
      receiving(wire).say(open, AUTH),
      establishedReceiving(wire),
    ]
    for (const side of points) {
      const sent = side.sent.length
      side.give({ type: 'transport-closed', failure: null })
      expect(side.ended).toMatchObject({ by: 'network', kind: 'closed' })
      expect(side.sent).toHaveLength(sent)
    }
    const reset = { by: 'network', kind: 'closed', detail: 'reset' } as const
    const side = establishedInitiating(wire).give({ type: 'transport-closed', failure: reset })
    expect(side.ended).toBe(reset)
  })

  it('[WS-49 SZ-24] a message above the limit: policy-violation with stanza-too-big, close, then 1009', () => {
    const sides = [
      establishedReceiving(wire, { limits: { stanzaBytes: 12_000 } }).say(
        messageText(
          `from='juliet@capulet.example' to='montague.example'`,
          `<body>${'a'.repeat(12_000)}</body>`,
        ),
      ),
      establishedReceiving(wire).give({ type: 'violation', violation: OVERSIZE }),
    ]
    for (const side of sides) {
      const told = side.elements.at(-1)
      expect(told?.children.map(child => (typeof child === 'string' ? child : child.name))).toEqual([
        'policy-violation',
        'text',
        'stanza-too-big',
      ])
      expect(side.transcript.at(-1)).toBe('close')
      expect(side.closeCode).toBe(1009)
      expect(side.stanzas).toEqual([])
    }
  })

  it('[SZ-24] a stanza of 10 000 bytes always passes, one of exactly the limit too, one byte more does not', () => {
    const sized = (bytes: number) => {
      const empty = messageText(`from='juliet@capulet.example' to='montague.example'`, '<body></body>')
      return empty.replace('</body>', `${'a'.repeat(bytes - empty.length)}</body>`)
    }
    const side = establishedReceiving(wire).say(sized(10_000), sized(defaultLimits.stanzaBytes))
    expect(side.stanzas).toHaveLength(2)
    expect(side.say(sized(defaultLimits.stanzaBytes + 1)).errors).toEqual(['policy-violation'])
    expect(side.stanzas).toHaveLength(2)
  })

  it('[WS-51] an error is answered by a close, never by an error, and ends as what the peer reported', () => {
    for (const side of [
      establishedReceiving(wire),
      establishedInitiating(wire),
      initiating(wire).say(answer),
      receiving(wire).say(open),
      ...(wire.name === 'websocket' ? [receiving(wire).say(open, AUTH)] : []),
    ]) {
      side.say(error('conflict'))
      expect(side.transcript.at(-1)).toBe('close')
      expect(side.errors).toEqual([])
      side.say(wire.close)
      expect(side.closeCode).toBe(1000)
      expect(side.ended).toMatchObject({ by: 'peer', kind: 'reported', condition: 'conflict' })
    }
  })

  it('[WS-51] two errors that cross do not answer each other', () => {
    const one = establishedInitiating(wire).give({ type: 'end', failure: SHUTDOWN })
    one.say(error('system-shutdown'), wire.close)
    expect(one.transcript.slice(-2)).toEqual(['error', 'close'])
    expect(one.ended).toEqual(SHUTDOWN)
  })

  it('[WS-52] system-shutdown: the error, the close, then wait for the peer’s, take what still comes, and 1001', () => {
    const side = establishedReceiving(wire).give({ type: 'end', failure: SHUTDOWN })
    expect(side.transcript.slice(-2)).toEqual(['error', 'close'])
    expect(side.errors).toEqual(['system-shutdown'])
    side.say(GOOD_MESSAGE)
    expect(side.stanzas).toHaveLength(1)
    side.say(wire.close)
    expect(side.closeCode).toBe(1001)
    expect(side.ended).toEqual(SHUTDOWN)
  })

  it('[WS-56] every stage has its deadline, and silence is told as connection-timeout where there is a stream', () => {
    const { openMs, negotiationMs, closeMs } = defaultLimits
    const stage = (side: ReturnType<typeof receiving> | ReturnType<typeof initiating>) => [...side.timers]
    expect(stage(receiving(wire))).toEqual([['open', openMs]])
    expect(stage(receiving(wire).say(open))).toEqual([['negotiation', negotiationMs]])
    expect(stage(receiving(wire).say(open, auth()))).toEqual([['negotiation', negotiationMs]])
    expect(stage(receiving(wire).say(open, AUTH))).toEqual([['open', openMs]])
    expect(stage(establishedReceiving(wire))).toEqual([])
    expect(stage(initiating(wire))).toEqual([['open', openMs]])
    expect(stage(initiating(wire).say(answer))).toEqual([['negotiation', negotiationMs]])
    expect(stage(initiating(wire).say(answer, EXTERNAL_OFFERED))).toEqual([['negotiation', negotiationMs]])
    expect(stage(initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS))).toEqual([['open', openMs]])
    expect(stage(initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS, answer))).toEqual([['open', openMs]])
    expect(stage(establishedInitiating(wire))).toEqual([])
    expect(stage(establishedInitiating(wire).give({ type: 'end', failure: null }))).toEqual([
      ['close', closeMs],
    ])

    const never = receiving(wire).give({ type: 'timeout', timer: 'open' })
    expect([never.sent, never.closeCode]).toEqual([[], 1008])
    expect(never.ended).toMatchObject({ by: 'network', kind: 'timeout' })
    for (const side of [
      receiving(wire).say(open).give({ type: 'timeout', timer: 'negotiation' }),
      receiving(wire).say(open, AUTH).give({ type: 'timeout', timer: 'open' }),
      initiating(wire).give({ type: 'timeout', timer: 'open' }),
      initiating(wire).say(answer).give({ type: 'timeout', timer: 'negotiation' }),
      initiating(wire).say(answer, EXTERNAL_OFFERED).give({ type: 'timeout', timer: 'negotiation' }),
      initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS).give({ type: 'timeout', timer: 'open' }),
    ]) {
      expect(side.errors).toEqual(['connection-timeout'])
      expect(side.ended).toMatchObject({ by: 'network', kind: 'timeout' })
    }
  })

  it('[WS-56] a timer of another stage, fired late, changes nothing', () => {
    const side = establishedReceiving(wire)
    for (const timer of ['open', 'negotiation', 'close'] as const) side.give({ type: 'timeout', timer })
    expect(side.isEstablished).toBe(true)
    side.give({ type: 'end', failure: null })
    for (const timer of ['open', 'negotiation'] as const) side.give({ type: 'timeout', timer })
    expect(side.ended).toBeUndefined()
  })

  it('[WS-45] once the peer’s close or error has come, nothing more is taken from it', () => {
    const closed = establishedReceiving(wire).say(wire.close)
    closed.give({ type: 'close' }).give({ type: 'end', failure: null })
    expect([closed.closeCode, closed.ended]).toEqual([undefined, undefined])
    const failed = establishedReceiving(wire).give({ type: 'end', failure: null })
    failed.say(GOOD_MESSAGE, error('reset'), GOOD_MESSAGE)
    expect(failed.stanzas).toHaveLength(1)
    expect(failed.say(wire.close).ended).toMatchObject({ kind: 'reported', condition: 'reset' })
  })

  it('[WS-45] what may not be said is dropped after our close, and what cannot be read ends the wait', () => {
    const side = establishedReceiving(wire).give({ type: 'end', failure: null })
    side.say(messageText(`from='tybalt@verona.example' to='romeo@montague.example'`), `<x xmlns='urn:x'/>`)
    expect([side.stanzas, side.ended]).toEqual([[], undefined])
    side.say('<!-- x -->')
    expect(side.ended).toMatchObject({ kind: 'violation', condition: 'restricted-xml' })
    expect(side.errors).toEqual([])
  })

  it('[WS-64] STARTTLS is not advertised, and required by the peer it is ignored', () => {
    const side = establishedReceiving(wire)
    expect(side.sent.join('')).not.toContain(NS.tls)
    const starttls = `<starttls xmlns='${NS.tls}'><required/></starttls>`
    const mechanisms = `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`
    const peer = initiating(wire).say(
      answer,
      features(starttls + mechanisms),
      SUCCESS,
      answer,
      features(starttls),
    )
    expect(peer.isEstablished).toBe(true)
    expect(peer.sent.join('')).not.toContain('starttls')
  })

  it('[WS-67 ST-14] the features are those that are built, before and after authentication, and no others', () => {
    const names = establishedReceiving(wire)
      .elements.filter(({ name }) => name === 'features')
      .map(({ children }) => children.map(child => (typeof child === 'string' ? child : child.name)))
    expect(names).toEqual([['mechanisms', 'limits'], ['limits']])
  })

  it('[WS-65] <starttls/> is unsupported-stanza-type, before and after authentication', () => {
    const starttls = `<starttls xmlns='${NS.tls}'/>`
    for (const side of [receiving(wire).say(open, starttls), establishedReceiving(wire).say(starttls)])
      expect(side.errors).toEqual(['unsupported-stanza-type'])
  })

  it('[LI-01 LI-04] limits are advertised in every features, and those of the peer are read as they stand last', () => {
    const side = establishedReceiving(wire, { limits: { stanzaBytes: 262_144 } })
    const advertised = side.elements.filter(({ name }) => name === 'features')
    expect(advertised).toHaveLength(2)
    for (const { children } of advertised) {
      const limits = children.find(child => typeof child !== 'string' && child.name === 'limits')
      expect(limits).toMatchObject({
        namespace: NS.limits,
        children: [
          element('max-bytes', NS.limits, {}, '262144'),
          element('idle-seconds', NS.limits, {}, '900'),
        ].map(({ name, children: text }) => ({ name, children: text })),
      })
    }
    const read = (content: string) =>
      initiating(wire).say(answer, EXTERNAL_OFFERED, SUCCESS, answer, features(content)).established
        ?.peerLimits
    const limits = (content: string) => read(`<limits xmlns='${NS.limits}'>${content}</limits>`)
    expect(limits('<max-bytes>10000</max-bytes><idle-seconds>60</idle-seconds>')).toEqual({
      maxBytes: 10_000,
      idleSeconds: 60,
    })
    expect(limits('<max-bytes>262144</max-bytes>')).toEqual({ maxBytes: 262_144, idleSeconds: null })
    expect(limits('<idle-seconds> 900 </idle-seconds>')).toEqual({ maxBytes: null, idleSeconds: 900 })
    expect(limits('')).toEqual({ maxBytes: null, idleSeconds: null })
    expect(limits('<max-bytes>-1</max-bytes><idle-seconds>many</idle-seconds>')).toEqual({
      maxBytes: null,
      idleSeconds: null,
    })
    expect(read('')).toEqual({ maxBytes: null, idleSeconds: null })
  })

  it('[ST-17] a stanza before authentication is not-authorized and goes nowhere', () => {
    const waiting = receiving(wire)
    waiting.verdict = null
    for (const side of [
      waiting.say(open, GOOD_MESSAGE),
      receiving(wire).say(open, GOOD_MESSAGE),
      receiving(wire).say(open, auth(), GOOD_MESSAGE),
      receiving(wire).say(open, auth('*'), GOOD_MESSAGE),
    ]) {
      expect(side.errors).toEqual(['not-authorized'])
      expect(side.stanzas).toEqual([])
    }
  })

  it('[ST-19] a stanza on a stream that we opened is not-authorized', () => {
    const side = establishedInitiating(wire).say(
      messageText(`from='romeo@montague.example' to='juliet@capulet.example'`),
    )
    expect(side.errors).toEqual(['not-authorized'])
    expect(side.stanzas).toEqual([])
  })

  it('[SE-30 ST-05] a peer whose certificate proves nothing is told why, after our header', () => {
    const refused = receiving(wire)
    refused.verdict = unproven
    refused.say(open)
    expect(refused.transcript).toEqual(['open', 'error', 'close'])
    const told = refused.elements.at(-1)
    expect(told && firstChild(told)?.name).toBe('policy-violation')
    expect(refused.sent[1]).toContain('it is for verona.example')
    expect(refused.ended).toMatchObject({ kind: 'identity', reason: 'name-mismatch' })
    const none = receiving(wire, { peerCertificate: false }).say(open)
    expect(none.outputs.map(({ type }) => type)).not.toContain('need-identity')
    expect(none.ended).toMatchObject({ kind: 'identity', reason: 'no-certificate' })
  })
})
