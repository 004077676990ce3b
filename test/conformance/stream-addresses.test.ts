import { describe, expect, it } from 'vitest'
import {
  auth,
  CAPULET,
  establishedReceiving,
  FROM_CAPULET,
  GOOD_MESSAGE,
  MONTAGUE,
  message,
  receiving,
  WIRES,
} from '../kit/streams.ts'

const JULIET = `from='juliet@capulet.example'`
const ROMEO = `to='romeo@montague.example'`

describe.each(WIRES)('who may say what, over $name', wire => {
  const said = (text: string) => establishedReceiving(wire).say(text)

  it('[SZ-01] a stanza without a valid to or from is improper-addressing', () => {
    const wrong = [
      JULIET,
      ROMEO,
      `${JULIET} to=''`,
      `from='' ${ROMEO}`,
      `${JULIET} to='@montague.example'`,
      `from='@capulet.example' ${ROMEO}`,
      `${JULIET} to='romeo@'`,
      `${JULIET} to='romeo@montague.example/'`,
      `from='juliet@capulet..example' ${ROMEO}`,
    ]
    for (const attributes of wrong) {
      const side = said(message(attributes))
      expect(side.errors, attributes).toEqual(['improper-addressing'])
      expect(side.stanzas).toEqual([])
    }
  })

  it('[SZ-02] the from domain is the one proven, prepared and compared exactly; a subdomain is another', () => {
    for (const from of [
      'rooms.capulet.example',
      'tybalt@verona.example',
      'montague.example',
      'romeo@montague.example',
      'juliet@xcapulet.example',
      'juliet@capulet.example.org',
      'example',
    ]) {
      const side = said(message(`from='${from}' ${ROMEO}`))
      expect(side.errors, from).toEqual(['invalid-from'])
      expect(side.stanzas).toEqual([])
    }
    for (const from of ['capulet.example', 'Juliet@CAPULET.Example.', 'juliet@capulet。example/balcony']) {
      const side = said(message(`from='${from}' ${ROMEO}`))
      expect(side.stanzas.map(stanza => stanza.from.domain)).toEqual([CAPULET])
    }
  })

  it('[SZ-03 SZ-04] the to domain is the one of the stream: no other of ours, and nobody else’s', () => {
    for (const to of [
      'rooms.montague.example',
      'montague.example.org',
      'verona.example',
      'juliet@capulet.example',
    ]) {
      const side = said(message(`${JULIET} to='${to}'`))
      expect(side.errors, to).toEqual(['host-unknown'])
      expect(side.stanzas).toEqual([])
    }
    expect(said(message(`${JULIET} to='MONTAGUE.example'`)).stanzas[0]?.to.domain).toBe(MONTAGUE)
  })

  it('[SZ-07] jabber:client at the first level is invalid-namespace, and nothing in it arrives', () => {
    for (const name of ['message', 'presence', 'iq']) {
      const side = said(`<${name} xmlns='jabber:client' type='get' id='1' ${JULIET} ${ROMEO}/>`)
      expect(side.errors).toEqual(['invalid-namespace'])
      expect(side.stanzas).toEqual([])
    }
    const early = receiving(wire).say(wire.open(FROM_CAPULET), `<iq xmlns='jabber:client'/>`)
    expect(early.errors).toEqual(['invalid-namespace'])
  })

  it('[SZ-07] stanza names in other namespaces are refused, not ignored', () => {
    for (const namespace of ['', 'jabber:component:accept', 'urn:x']) {
      const side = said(`<message xmlns='${namespace}' ${JULIET} ${ROMEO}/>`)
      expect(side.errors, namespace).toEqual(['unsupported-stanza-type'])
    }
    expect(said(`<foo xmlns='jabber:server' ${JULIET} ${ROMEO}/>`).errors).toEqual([
      'unsupported-stanza-type',
    ])
  })

  it('[SZ-08] a prefix on the stanza is bad-namespace-prefix', () => {
    const side = said(`<s:message xmlns:s='jabber:server' ${JULIET} ${ROMEO}/>`)
    expect(side.errors).toEqual(['bad-namespace-prefix'])
    expect(side.stanzas).toEqual([])
  })

  it('[SZ-09] further declarations on the header are ignored, and stanzas written on stand without them', () => {
    const open = wire.open({ ...FROM_CAPULET, 'xmlns:x': 'urn:x' })
    const side = receiving(wire).say(open, auth('='), open)
    expect(side.isEstablished).toBe(true)
    side.say(message(`${JULIET} ${ROMEO}`, '<x:y/>'))
    if (wire.name === 'websocket') {
      expect(side.errors).toEqual(['not-well-formed'])
      expect(side.stanzas).toEqual([])
    } else {
      // One document: there the prefix is declared. What leaves declares it itself.
      const [stanza] = side.stanzas
      expect(new TextDecoder().decode(stanza?.bytes)).toContain('urn:x')
    }
  })

  it('[SZ-27] domains are compared prepared, in headers, authzids and stanzas: case, A-labels, a trailing dot', () => {
    for (const spelling of [
      'bücher.example',
      'BÜCHER.example.',
      'xn--bcher-kva.example',
      'XN--BCHER-KVA.EXAMPLE',
    ]) {
      const open = wire.open({ ...FROM_CAPULET, from: spelling })
      const side = receiving(wire).say(open, auth(Buffer.from(spelling).toString('base64')), open)
      expect(side.established?.pair.remote, spelling).toBe('bücher.example')
      side.say(
        message(`from='juliet@xn--bcher-kva.example' ${ROMEO}`),
        message(`from='juliet@Bücher.Example' ${ROMEO}`),
      )
      expect(side.stanzas.map(({ from }) => from.domain)).toEqual(['bücher.example', 'bücher.example'])
    }
  })

  it('[SZ-02] what passes is what was proven, byte for byte', () => {
    const side = said(GOOD_MESSAGE)
    expect(new TextDecoder().decode(side.stanzas[0]?.bytes)).toBe(GOOD_MESSAGE)
  })
})
