import { describe, expect, it } from 'vitest'
import type { Candidate } from '../../../src/discovery/index.ts'
import { redirected } from '../../../src/federation/redirect.ts'
import { MONTAGUE } from '../../kit/scripted-network.ts'

const FROM: Candidate = {
  kind: 'websocket',
  url: 'wss://montague.example/s2s',
  host: 'montague.example',
  port: 443,
  addresses: ['192.0.2.1'],
  servername: 'montague.example',
  names: { domain: MONTAGUE, hosts: ['montague.example'], pins: ['pin'] },
  source: 'host-meta',
}

describe('a redirect', () => {
  it('is a candidate for the same domain, proven as the domain or as the new host, resolved anew', () => {
    expect(redirected(FROM, 'wss://other.example:8443/x?y=1')).toEqual({
      kind: 'websocket',
      url: 'wss://other.example:8443/x?y=1',
      host: 'other.example',
      port: 8443,
      addresses: null,
      servername: 'other.example',
      names: { domain: MONTAGUE, hosts: ['other.example'], pins: [] },
      source: 'redirect',
    })
    expect(redirected(FROM, 'wss://[2001:db8::1]/')).toMatchObject({ host: '2001:db8::1', port: 443 })
  })

  it.each([
    'ws://other.example/',
    'http://other.example/',
    'https://other.example/bosh',
    'other.example',
    '',
    'wss://',
    'wss://user:secret@other.example/',
    'wss://other.example/#fragment',
    'javascript:alert(1)',
  ])('to %j is refused', uri => {
    expect(redirected(FROM, uri)).toMatchObject({ by: 'peer', kind: 'redirect', uri })
  })
})
