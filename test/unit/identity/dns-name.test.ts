import { SocketAddress } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isWithin, readIpLiteral, readPresentedName } from '../../../src/identity/dns-name.ts'

describe('IP literals', () => {
  it.each([
    ['192.0.2.1', 'c0000201'],
    ['0.0.0.0', '00000000'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00'.repeat(16)],
    ['[::1]', `${'00'.repeat(15)}01`],
    ['2001:DB8::1', `20010db8${'00'.repeat(11)}01`],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:192.0.2.1', `${'00'.repeat(10)}ffffc0000201`],
    ['1:2:3:4:5:6:192.0.2.1', '000100020003000400050006c0000201'],
    ['1::', `0001${'00'.repeat(14)}`],
  ])('%s', (text, octets) => expect(Buffer.from(readIpLiteral(text) ?? []).toString('hex')).toBe(octets))

  it.each([
    ...[
      '',
      'a.example',
      '192.0.2',
      '192.0.2.1.',
      '192.0.2.256',
      '192.0.2.01',
      '0x7f.0.0.1',
      '1.2.3.4.5',
      '3221225985',
    ],
    ...[':', ':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7::8', '12345::', 'g::'],
    ...['::1%eth0', '[::1', '::1]', '192.0.2.1::', '::192.0.2.1:1', '1:2:3:4:5:6:7:192.0.2.1', ' ::1'],
  ])('%j is none', text => expect(readIpLiteral(text)).toBeNull())

  it('all that Node takes for one', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), text => {
        const octets = readIpLiteral(text)
        if (octets === null) throw new TypeError(text)
        const again =
          octets.length === 4
            ? octets.join('.')
            : (Buffer.from(octets).toString('hex').match(/..../g) ?? []).join(':')
        const family = octets.length === 4 ? 'ipv4' : 'ipv6'
        const plain = (address: string) => new SocketAddress({ address, family }).address
        expect(plain(again)).toBe(plain(text))
      }),
    )
  })
})

describe('presented names', () => {
  it('are letters, digits, hyphens, underscores and dots, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'Z', '0', '-', '_', '.', '*', '\0', ' ', 'é', 'xn--') }),
        text => {
          const read = readPresentedName(text)
          if (read === null) return
          expect(read.name).toMatch(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/)
          expect(text.toLowerCase().replace(/\.$/, '')).toBe(`${read.wildcard ? '*.' : ''}${read.name}`)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('keep the lengths of DNS', () => {
    expect(readPresentedName(`${'a'.repeat(63)}.example`)).not.toBeNull()
    expect(readPresentedName(`${'a'.repeat(64)}.example`)).toBeNull()
    expect(readPresentedName(`${'a.'.repeat(126)}a`)).not.toBeNull()
    expect(readPresentedName(`${'a.'.repeat(126)}aa`)).toBeNull()
  })

  it('lie within their parents by whole labels', () => {
    expect(isWithin('a.b.example', 'b.example')).toBe(true)
    expect(isWithin('b.example', 'b.example')).toBe(true)
    expect(isWithin('ab.example', 'b.example')).toBe(false)
    expect(isWithin('example', 'b.example')).toBe(false)
    expect(isWithin('b.example', '')).toBe(true)
  })
})
