import { constructed, implicit, TAG } from '../../src/identity/der.ts'
import { ascii, der, oid, sequence, utf8 } from '../../src/identity/der-write.ts'
import { OID } from '../../src/identity/oids.ts'
import {
  dnsName,
  hexOf,
  ipAddress,
  otherName,
  srvName,
  subjectAltName,
  xmppAddr,
} from './alternative-names.ts'
import {
  authorities,
  type CaseWorld,
  type CertificateCase,
  DOMAIN,
  type Expected,
  LAST_CA,
  SAN,
  SERVER,
} from './certificate-cases.ts'
import type { OpensslLab } from './openssl.ts'

// What names of a sound chain prove (DECISIONS 8): RFC 9525, RFC 6125's wildcards as XMPP has them, RFC 4985, RFC 6120.

type More = Omit<CertificateCase, 'title' | 'chain' | 'expected'> & { readonly subject?: string }

export function nameCases(lab: OpensslLab): CaseWorld {
  const { root, below, leaf } = authorities(lab)
  const issuer = below(LAST_CA)
  const cases: CertificateCase[] = []
  const NO = 'name-mismatch'
  const names = (title: string, expected: Expected, extensions: readonly string[], more: More = {}) => {
    const { subject = '/CN=names', ...rest } = more
    const made = leaf(issuer, [SERVER, ...extensions], { subject })
    cases.push({ title, expected, chain: [made, issuer], ...rest })
  }
  const dns = (title: string, expected: Expected, name: string, more: More = {}) =>
    names(`DNS: ${title}`, expected, [subjectAltName(dnsName(name))], more)
  const rooms = { domain: 'rooms.capulet.example' }
  const idn = { domain: 'b\u00fccher.example' }
  const lenient = (why: string) => ({ openssl: why })

  dns('exact', 'dns-id', DOMAIN)
  dns('other case', 'dns-id', 'CAPULET.Example')
  dns('trailing dot', 'dns-id', 'capulet.example.', lenient('compares it as text'))
  dns('two trailing dots', NO, 'capulet.example..')
  dns('leading dot', NO, '.capulet.example')
  dns('parent', NO, 'example')
  dns('child', NO, 'rooms.capulet.example')
  dns('longer label', NO, 'notcapulet.example')
  dns('longer name', NO, 'capulet.example.evil.example')
  dns('empty', NO, '')
  dns('NUL', NO, 'capulet.example\0.evil.example')
  dns('NUL at the end', NO, 'capulet.example\0')
  dns('space before', NO, ' capulet.example')
  dns('space behind', NO, 'capulet.example ')
  dns('line feed behind', NO, 'capulet.example\n')
  dns('comma', NO, 'evil.example,DNS:capulet.example')
  dns('a URL', NO, 'https://capulet.example/')
  dns('a port', NO, 'capulet.example:5269')
  dns('a label of 64', NO, `${'a'.repeat(64)}.capulet.example`)
  dns('254 characters', NO, `${'a.'.repeat(120)}capulet.example`)
  dns('wildcard', 'dns-id', '*.capulet.example', rooms)
  dns('wildcard, other case', 'dns-id', '*.CAPULET.example', rooms)
  dns('wildcard for the apex', NO, '*.capulet.example')
  dns('wildcard for two labels', NO, '*.capulet.example', { domain: 'a.b.capulet.example' })
  dns('wildcard before part of a label', NO, '*s.capulet.example', { ...rooms, ...lenient('takes parts') })
  dns('wildcard behind part of a label', NO, 'r*.capulet.example', { ...rooms, ...lenient('takes parts') })
  dns('wildcard within a label', NO, 'r*s.capulet.example', rooms)
  dns('wildcard twice', NO, '**.capulet.example', rooms)
  dns('two wildcards', NO, '*.*.example', rooms)
  dns('wildcard inside', NO, 'rooms.*.example', rooms)
  dns('wildcard alone', NO, '*')
  dns('wildcard of a top-level domain', NO, '*.example')
  dns('wildcard of nothing', NO, '*.')
  dns('wildcard with a trailing dot', 'dns-id', '*.capulet.example.', { ...rooms, ...lenient('as text') })
  dns('A-label', 'dns-id', 'xn--bcher-kva.example', idn)
  dns('A-label, other case', 'dns-id', 'XN--BCHER-KVA.example', idn)
  dns('U-label in UTF-8', NO, Buffer.from(idn.domain).toString('latin1'), idn)
  dns('U-label in Latin-1', NO, idn.domain, idn)
  dns('wildcard over an A-label', 'dns-id', '*.capulet.example', { domain: 'b\u00fccher.capulet.example' })
  dns('wildcard in an A-label', NO, 'xn--*.capulet.example', { domain: 'b\u00fccher.capulet.example' })
  dns('service as a label', NO, '_xmpp-server.capulet.example')
  dns('wildcard over the service', NO, '*.capulet.example')
  dns('address as text', NO, '192.0.2.1', {
    domain: '192.0.2.1',
    hosts: ['192.0.2.1'],
    openssl: 'takes the text',
  })
  dns('wildcard over an address', NO, '*.0.2.1', {
    domain: '192.0.2.1',
    hosts: ['192.0.2.1'],
    openssl: 'takes it',
  })
  names('DNS: second of two', 'dns-id', [`subjectAltName=DNS:other.example,DNS:${DOMAIN}`])
  names('DNS: after a name of no sense', 'dns-id', [subjectAltName(dnsName('\0'), dnsName(DOMAIN))])
  for (const count of [100, 1_000])
    names(`DNS: last of ${count}`, 'dns-id', [
      subjectAltName(...Array.from({ length: count }, (_, n) => dnsName(`h${n}.example`)), dnsName(DOMAIN)),
    ])
  names(
    'DNS: more than is looked at',
    'chain-too-long',
    [subjectAltName(dnsName(DOMAIN), ...Array.from({ length: 4_500 }, (_, n) => dnsName(`h${n}.example`)))],
    { openssl: 'has no such limit' },
  )

  // -- other kinds that could be taken for a domain
  const other = (title: string, name: Uint8Array, more: More = {}) =>
    names(`other: ${title}`, NO, [subjectAltName(name)], more)
  other('e-mail address', der(implicit(1), ascii(`romeo@${DOMAIN}`)))
  other('e-mail address that is the domain', der(implicit(1), ascii(DOMAIN)))
  other('URI', der(implicit(6), ascii(`https://${DOMAIN}/`)))
  other('URI of XMPP', der(implicit(6), ascii(`xmpp:${DOMAIN}`)))
  other('registeredID', der(implicit(8), Uint8Array.of(0x2a, 3, 4)))
  const cn = sequence(der(TAG.set, sequence(oid(OID.commonName), der(TAG.utf8String, utf8(DOMAIN)))))
  other('directory name', der(constructed(4), cn))
  other('user principal name', otherName('1.3.6.1.4.1.311.20.2.3', der(TAG.utf8String, utf8(DOMAIN))))
  other('SmtpUTF8Mailbox', otherName('1.3.6.1.5.5.7.8.9', der(TAG.utf8String, utf8(DOMAIN))))
  other(
    'otherName of an unknown type',
    otherName('2.25.329800735698586629295641978511506172918', der(TAG.utf8String, utf8(DOMAIN))),
  )
  other('address, the domain being one', ipAddress(192, 0, 2, 1), { domain: '192.0.2.1' })
  const address = (title: string, expected: Expected, name: Uint8Array, host: string) =>
    names(`address: ${title}`, expected, [subjectAltName(name)], { hosts: [host] })
  const v6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
  address('IPv4', 'ip-id', ipAddress(192, 0, 2, 1), '192.0.2.1')
  address('another IPv4', NO, ipAddress(192, 0, 2, 2), '192.0.2.1')
  address('IPv6', 'ip-id', ipAddress(...v6), '[2001:db8::1]')
  address(
    'IPv4 within IPv6',
    NO,
    ipAddress(...new Array<number>(10).fill(0), 255, 255, 192, 0, 2, 1),
    '192.0.2.1',
  )
  address('as octets of text', NO, der(implicit(7), ascii('192.0.2.1')), '192.0.2.1')
  names('host of the URL', 'dns-id', [subjectAltName(dnsName('edge.hoster.example'))], {
    hosts: ['Edge.hoster.example.'],
    openssl: 'is asked for the domain',
  })
  names('host of the URL as XmppAddr', NO, [subjectAltName(xmppAddr('edge.hoster.example'))], {
    hosts: ['edge.hoster.example'],
  })
  names('host of the URL as SRVName', NO, [subjectAltName(srvName('_xmpp-server.edge.hoster.example'))], {
    hosts: ['edge.hoster.example'],
  })

  // -- XMPP
  const xmpp = (title: string, expected: Expected, name: string, more: More = {}) =>
    names(`XmppAddr: ${title}`, expected, [subjectAltName(xmppAddr(name))], more)
  xmpp('exact', 'xmpp-addr', DOMAIN)
  xmpp('other case', 'xmpp-addr', 'CAPULET.Example')
  xmpp('trailing dot', 'xmpp-addr', 'capulet.example.')
  xmpp('U-label', 'xmpp-addr', idn.domain, idn)
  xmpp('A-label', 'xmpp-addr', 'xn--bcher-kva.example', idn)
  xmpp('localpart', NO, `romeo@${DOMAIN}`)
  xmpp('resource', NO, `${DOMAIN}/orchard`)
  xmpp('wildcard', NO, '*.capulet.example', rooms)
  xmpp('empty', NO, '')
  xmpp('NUL', NO, `${DOMAIN}\0`)
  xmpp('parent', NO, 'example')
  xmpp('address', NO, '192.0.2.1', { domain: '192.0.2.1' })
  const stringType = (tag: number, type: string = OID.xmppAddr, text: string = DOMAIN) => [
    subjectAltName(otherName(type, der(tag, utf8(text)))),
  ]
  names('XmppAddr: IA5String', NO, stringType(TAG.ia5String))
  names('XmppAddr: PrintableString', NO, stringType(TAG.printableString))
  names('XmppAddr: OCTET STRING', NO, stringType(TAG.octetString))
  const srv = (title: string, expected: Expected, name: string, more: More = {}) =>
    names(`SRVName: ${title}`, expected, [subjectAltName(srvName(name))], more)
  srv('exact', 'srv-id', '_xmpp-server.capulet.example')
  srv('other case', 'srv-id', '_XMPP-Server.CAPULET.example')
  srv('trailing dot', 'srv-id', '_xmpp-server.capulet.example.')
  srv('A-label', 'srv-id', '_xmpp-server.xn--bcher-kva.example', idn)
  srv('for clients', NO, '_xmpp-client.capulet.example')
  srv('for secure servers', NO, '_xmpps-server.capulet.example')
  srv('wildcard', NO, '_xmpp-server.*.example')
  srv('wildcard over the apex', NO, '_xmpp-server.*.capulet.example')
  srv('wildcard label', NO, '_xmpp-server.*.capulet.example', rooms)
  srv('wildcard service', NO, '*.capulet.example')
  srv('no service', NO, DOMAIN)
  srv('with the protocol', NO, '_xmpp-server._tcp.capulet.example')
  srv('service alone', NO, '_xmpp-server.')
  names('SRVName: of two, never one of each', NO, [
    subjectAltName(srvName('_xmpp-client.capulet.example'), srvName('_xmpp-server.montague.example')),
  ])
  names('SRVName: UTF8String', NO, stringType(TAG.utf8String, OID.srvName, '_xmpp-server.capulet.example'))

  // -- the common name proves nothing (CT-06)
  const common = (title: string, subject: string, extensions: readonly string[], more: More = {}) =>
    names(`CN: ${title}`, NO, extensions, { subject, ...more })
  const fallsBack = lenient('takes the common name where no dNSName is borne')
  common('alone', `/CN=${DOMAIN}`, [], fallsBack)
  common('with another DNS name', `/CN=${DOMAIN}`, ['subjectAltName=DNS:other.example'])
  common('with otherNames only', `/CN=${DOMAIN}`, [subjectAltName(xmppAddr('other.example'))], fallsBack)
  common('with an e-mail address only', `/CN=${DOMAIN}`, ['subjectAltName=email:a@other.example'], fallsBack)
  common('two', `/CN=other.example/CN=${DOMAIN}`, [], fallsBack)
  common('multi-valued', `/CN=${DOMAIN}+OU=x`, [], fallsBack)
  common('within another attribute', `/OU=CN\\=${DOMAIN},/CN=x`, [])
  common('with a comma', `/CN=${DOMAIN}, CN\\=x`, [])

  // -- ASN.1 that is not
  const broken = (
    title: string,
    der: string | Uint8Array,
    more: More = lenient('looks no further than it must'),
  ) =>
    names(
      `malformed: ${title}`,
      'malformed',
      [`${OID.subjectAltName}=DER:${typeof der === 'string' ? der : hexOf(der)}`],
      more,
    )
  const good = dnsName(DOMAIN)
  broken('no names', sequence())
  broken('bytes behind', Buffer.concat([sequence(good), Uint8Array.of(0)]))
  broken('a set', der(TAG.set, good), {})
  broken('an otherName without a value', sequence(good, der(constructed(0), oid(OID.xmppAddr))), {})
  broken(
    'an otherName with two values',
    sequence(
      good,
      der(constructed(0), oid(OID.xmppAddr), der(constructed(0), der(TAG.utf8String), der(TAG.utf8String))),
    ),
    {},
  )
  broken('a length beyond the end', `3011820F${hexOf(ascii('capulet.exampl'))}`, {})
  broken('an indefinite length', `3080${hexOf(good)}0000`)
  broken('a length that is too long', `308111820F${hexOf(ascii('capulet.example'))}`)
  broken('an unknown kind of name', sequence(good, der(implicit(9))), {})
  const server = [leaf(issuer, [SAN, SERVER]), issuer]
  return { roots: [root], server, cases }
}
