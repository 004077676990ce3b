import { constructed, implicit, TAG } from '../../src/identity/der.ts'
import { der } from '../../src/identity/der-write.ts'
import { OID } from '../../src/identity/oids.ts'
import {
  dnsName,
  ipAddress,
  nameConstraints,
  otherName,
  srvName,
  subjectAltName,
  xmppAddr,
} from './alternative-names.ts'
import {
  authorities,
  CA,
  type CaseWorld,
  type CertificateCase,
  DOMAIN,
  type Expected,
  LAST_CA,
  SAN,
  SERVER,
} from './certificate-cases.ts'
import type { Made, OpensslLab } from './openssl.ts'

// Name constraints: RFC 5280 §4.2.1.10 of every kind, and what we make of them for the names of XMPP.

type More = Omit<CertificateCase, 'title' | 'chain' | 'expected'>

const permitted = (value: string) => [`nameConstraints=critical,permitted;${value}`]
const excluded = (value: string) => [`nameConstraints=critical,excluded;${value}`]
const REFUSED = 'name-constraints'
const BY_TLS = { receiving: 'refused-by-tls', initiating: 'refused-by-tls' } as const
const NOT_BORNE = 'no such name is borne'
const DNS_ALONE = 'binds dNSName alone by dNSName constraints'

export function constraintCases(lab: OpensslLab): CaseWorld {
  const { root, below, leaf } = authorities(lab)
  const cases: CertificateCase[] = []
  const add = (title: string, expected: Expected, chain: readonly Made[], more: More = {}) =>
    cases.push({ title, expected, chain, ...more })
  const bound = (
    title: string,
    expected: Expected,
    constraints: readonly string[],
    names: readonly string[] = [SAN],
    more: More & { subject?: string } = {},
  ) => {
    // A host name for a common name would be constrained by openssl where no dNSName is borne.
    const hosts = names.some(name => name.startsWith('subjectAltName='))
    const { subject = hosts ? `/CN=${DOMAIN}` : '/CN=names of XMPP', ...rest } = more
    const made = below([...LAST_CA, ...constraints])
    const issued = leaf(made, [SERVER, ...names], { subject })
    add(title, expected, [issued, made], rest)
  }
  bound('permitted DNS, above', 'dns-id', permitted('DNS:example'))
  bound('permitted DNS, other case', 'dns-id', permitted('DNS:CAPULET.example'))
  bound('permitted DNS, a longer label', REFUSED, permitted('DNS:let.example'))
  bound('permitted DNS, a child', REFUSED, permitted('DNS:rooms.capulet.example'))
  bound('permitted DNS, not critical', REFUSED, ['nameConstraints=permitted;DNS:other.example'])
  bound('permitted DNS, one of two', 'dns-id', permitted(`DNS:other.example,permitted;DNS:${DOMAIN}`))
  bound('permitted DNS, second name outside', REFUSED, permitted(`DNS:${DOMAIN}`), [
    `${SAN},DNS:other.example`,
  ])
  bound(
    'permitted DNS, a name with NUL',
    REFUSED,
    permitted('DNS:example'),
    [subjectAltName(dnsName(DOMAIN), dnsName('a.example\0.b.example'))],
    { openssl: 'looks at the suffix only' },
  )
  bound('excluded DNS', REFUSED, excluded(`DNS:${DOMAIN}`))
  bound('excluded DNS, above', REFUSED, excluded('DNS:example'))
  bound('excluded DNS, elsewhere', 'dns-id', excluded('DNS:other.example'))
  bound(
    'excluded DNS under a wildcard that could mean it',
    REFUSED,
    excluded('DNS:secret.capulet.example'),
    [`${SAN},DNS:*.capulet.example`],
    { openssl: 'compares the asterisk as text' },
  )
  bound('excluded wins over permitted', REFUSED, [
    'nameConstraints=critical,permitted;DNS:example,excluded;DNS:capulet.example',
  ])
  bound('permitted address', 'dns-id', permitted('IP:192.0.2.0/255.255.255.0'), [`${SAN},IP:192.0.2.7`])
  bound('permitted address, outside', REFUSED, permitted('IP:192.0.2.0/255.255.255.0'), [
    `${SAN},IP:198.51.100.7`,
  ])
  bound('permitted address, other family', REFUSED, permitted('IP:192.0.2.0/255.255.255.0'), [
    `${SAN},IP:2001:db8::1`,
  ])
  bound('excluded address', REFUSED, excluded('IP:0.0.0.0/0.0.0.0'), [`${SAN},IP:192.0.2.7`])
  bound('excluded addresses, none borne', 'dns-id', excluded('IP:0.0.0.0/0.0.0.0'))
  bound('permitted mail host', 'dns-id', permitted('email:capulet.example'), [
    `${SAN},email:a@capulet.example`,
  ])
  bound('permitted mail host, below it', REFUSED, permitted('email:capulet.example'), [
    `${SAN},email:a@x.capulet.example`,
  ])
  bound('permitted mailbox, another', REFUSED, permitted('email:a@capulet.example'), [
    `${SAN},email:b@capulet.example`,
  ])
  bound('excluded mail, in the subject', REFUSED, excluded('email:capulet.example'), [SAN], {
    subject: '/CN=x/emailAddress=a@capulet.example',
  })
  bound('permitted URI host', 'dns-id', permitted('URI:.capulet.example'), [
    `${SAN},URI:https://a.capulet.example/x`,
  ])
  bound('permitted URI host, itself', REFUSED, permitted('URI:.capulet.example'), [
    `${SAN},URI:https://capulet.example/x`,
  ])
  bound('URI without a host', REFUSED, permitted('URI:capulet.example'), [`${SAN},URI:xmpp:capulet.example`])
  const directory = (kind: string, name: string) => [
    `nameConstraints=critical,${kind};dirName:dn`,
    '[dn]',
    `CN=${name}`,
  ]
  bound('permitted directory name, other case', 'dns-id', directory('permitted', 'Capulet.EXAMPLE'))
  bound('permitted directory name, outside', REFUSED, directory('permitted', 'other.example'))
  bound('excluded directory name', REFUSED, directory('excluded', 'capulet.example'))
  bound('registeredID', REFUSED, permitted('RID:1.2.3.4'), [SAN], {
    openssl: NOT_BORNE,
  })
  bound('XmppAddr', REFUSED, permitted(`otherName:1.3.6.1.5.5.7.8.5;UTF8:${DOMAIN}`), [SAN], {
    openssl: NOT_BORNE,
  })
  const bounds = (number: 0 | 1) => Buffer.concat([dnsName(DOMAIN), der(implicit(number), Uint8Array.of(1))])
  bound('with a minimum', REFUSED, [nameConstraints({ permitted: [bounds(0)] })])
  bound('with a maximum', REFUSED, [nameConstraints({ permitted: [bounds(1)] })])
  bound('empty', 'malformed', [nameConstraints({})], [SAN], { openssl: 'takes it for none' })
  bound('an empty list', 'malformed', ['2.5.29.30=critical,DER:3002A000'], [SAN], {
    openssl: 'takes it for none',
  })
  bound('not DER', 'malformed', ['2.5.29.30=critical,DER:308000'])

  // -- DNS, more
  const rooms = { domain: 'rooms.capulet.example' }
  const wild = [`subjectAltName=DNS:*.capulet.example`]
  bound('permitted DNS, a wildcard below it', 'dns-id', permitted('DNS:capulet.example'), wild, rooms)
  bound('permitted DNS, a wildcard above it', REFUSED, permitted('DNS:rooms.capulet.example'), wild, rooms)
  bound(
    'permitted DNS, leading dot, a child',
    'dns-id',
    permitted('DNS:.capulet.example'),
    ['subjectAltName=DNS:rooms.capulet.example'],
    rooms,
  )
  bound('permitted DNS, leading dot, itself', REFUSED, permitted('DNS:.capulet.example'))
  bound('permitted DNS, leading dot, a wildcard', 'dns-id', permitted('DNS:.capulet.example'), wild, rooms)
  bound('excluded DNS, leading dot, itself', REFUSED, excluded('DNS:.capulet.example'), [SAN], {
    openssl: 'leaves the name itself out, where others read it in',
  })
  bound('excluded DNS, leading dot, a child', REFUSED, excluded('DNS:.capulet.example'), [
    `${SAN},DNS:a.capulet.example`,
  ])
  bound('permitted DNS, everything', 'dns-id', [nameConstraints({ permitted: [dnsName('')] })])
  bound('excluded DNS, everything', REFUSED, [nameConstraints({ excluded: [dnsName('')] })])
  bound('permitted DNS, trailing dot', 'dns-id', permitted('DNS:capulet.example.'), [SAN], {
    openssl: 'compares it as text',
    tls: BY_TLS,
  })
  bound('permitted DNS that is no ASCII', REFUSED, [
    nameConstraints({ permitted: [dnsName('b\u00fccher.example')] }),
  ])
  bound(
    'excluded DNS that is no ASCII',
    REFUSED,
    [nameConstraints({ excluded: [dnsName('b\u00fccher.example')] })],
    [SAN],
    { openssl: NOT_BORNE },
  )
  bound('permitted DNS that is a wildcard', REFUSED, permitted('DNS:*.example'))
  bound('a common name outside', 'dns-id', permitted(`DNS:${DOMAIN}`), [SAN], {
    subject: '/CN=other.example',
  })
  bound('other kinds leave DNS alone', 'dns-id', permitted('email:other.example'))

  // -- names of XMPP, bound by dNSName subtrees
  const idn = { domain: 'b\u00fccher.example' }
  bound('XmppAddr inside', 'xmpp-addr', permitted('DNS:example'), [subjectAltName(xmppAddr(DOMAIN))])
  bound(
    'XmppAddr below',
    'xmpp-addr',
    permitted('DNS:capulet.example'),
    [subjectAltName(xmppAddr(rooms.domain))],
    rooms,
  )
  bound('XmppAddr outside', REFUSED, permitted('DNS:other.example'), [subjectAltName(xmppAddr(DOMAIN))], {
    openssl: DNS_ALONE,
  })
  bound(
    'XmppAddr beside a good name',
    REFUSED,
    permitted(`DNS:${DOMAIN}`),
    [subjectAltName(dnsName(DOMAIN), xmppAddr('other.example'))],
    { openssl: DNS_ALONE },
  )
  bound('XmppAddr excluded', REFUSED, excluded(`DNS:${DOMAIN}`), [subjectAltName(xmppAddr(DOMAIN))], {
    openssl: DNS_ALONE,
  })
  bound(
    'XmppAddr as U-label, inside',
    'xmpp-addr',
    permitted('DNS:xn--bcher-kva.example'),
    [subjectAltName(xmppAddr(idn.domain))],
    idn,
  )
  bound(
    'XmppAddr as U-label, excluded',
    REFUSED,
    excluded('DNS:xn--bcher-kva.example'),
    [subjectAltName(xmppAddr(idn.domain))],
    { ...idn, openssl: DNS_ALONE },
  )
  bound(
    'DNS as A-label, inside in other case',
    'dns-id',
    permitted('DNS:XN--BCHER-KVA.example'),
    ['subjectAltName=DNS:xn--bcher-kva.example'],
    idn,
  )
  bound(
    'XmppAddr with a localpart',
    REFUSED,
    permitted(`DNS:${DOMAIN}`),
    [subjectAltName(dnsName(DOMAIN), xmppAddr(`a@${DOMAIN}`))],
    { openssl: DNS_ALONE },
  )
  bound(
    'XmppAddr that is not UTF-8',
    REFUSED,
    permitted(`DNS:${DOMAIN}`),
    [
      subjectAltName(
        dnsName(DOMAIN),
        otherName(OID.xmppAddr, der(TAG.utf8String, Uint8Array.of(0xc0, 0x80))),
      ),
    ],
    { openssl: DNS_ALONE },
  )
  bound('XmppAddr, another kind constrained', 'xmpp-addr', permitted('email:other.example'), [
    subjectAltName(xmppAddr(DOMAIN)),
  ])
  bound('SRVName inside', 'srv-id', permitted('DNS:example'), [
    subjectAltName(srvName(`_xmpp-server.${DOMAIN}`)),
  ])
  bound(
    'SRVName outside',
    REFUSED,
    permitted('DNS:other.example'),
    [subjectAltName(srvName(`_xmpp-server.${DOMAIN}`))],
    { openssl: DNS_ALONE },
  )
  bound(
    'SRVName of another service outside',
    REFUSED,
    permitted(`DNS:${DOMAIN}`),
    [subjectAltName(dnsName(DOMAIN), srvName('_imap.other.example'))],
    { openssl: DNS_ALONE },
  )
  bound(
    'SRVName excluded',
    REFUSED,
    excluded(`DNS:${DOMAIN}`),
    [subjectAltName(srvName(`_xmpp-server.${DOMAIN}`))],
    { openssl: DNS_ALONE },
  )
  bound(
    'SRVName without a service',
    REFUSED,
    permitted(`DNS:${DOMAIN}`),
    [subjectAltName(dnsName(DOMAIN), srvName(DOMAIN))],
    { openssl: DNS_ALONE },
  )

  // -- kinds that nobody here implements
  const foreign = (title: string, name: Uint8Array) => {
    bound(`${title} permitted`, REFUSED, [nameConstraints({ permitted: [name] })], [SAN], {
      openssl: NOT_BORNE,
    })
    bound(`${title} excluded`, REFUSED, [nameConstraints({ excluded: [name] })], [SAN], {
      openssl: NOT_BORNE,
    })
  }
  foreign('SRVName', srvName('_xmpp-server.other.example'))
  foreign('otherName of an unknown type', otherName('1.2.3.4', der(TAG.utf8String)))
  foreign('x400Address', der(constructed(3)))
  foreign('ediPartyName', der(constructed(5), der(constructed(1), der(TAG.utf8String))))

  // -- addresses
  bound('permitted IPv6 block', 'dns-id', permitted('IP:2001:db8::/ffff:ffff::'), [`${SAN},IP:2001:db8::7`])
  bound('permitted IPv6 block, outside', REFUSED, permitted('IP:2001:db8::/ffff:ffff::'), [
    `${SAN},IP:2001:db9::7`,
  ])
  bound(
    'a mask with holes',
    REFUSED,
    [nameConstraints({ permitted: [ipAddress(192, 0, 2, 0, 255, 0, 255, 0)] })],
    [SAN],
    { openssl: NOT_BORNE },
  )
  bound(
    'a block of five octets',
    REFUSED,
    [nameConstraints({ excluded: [ipAddress(1, 2, 3, 4, 5)] })],
    [SAN],
    { openssl: NOT_BORNE },
  )
  bound('an address of five octets', REFUSED, permitted('IP:0.0.0.0/0.0.0.0'), [
    subjectAltName(dnsName(DOMAIN), ipAddress(1, 2, 3, 4, 5)),
  ])

  // -- of other authorities
  const rootBound = lab.make({
    subject: '/CN=Constrained root',
    key: lab.key('constrained root'),
    extensions: [...CA, ...permitted('DNS:other.example')],
  })
  const belowRoot = below(LAST_CA, { issuer: rootBound })
  add('of the root', REFUSED, [leaf(belowRoot, [SAN, SERVER]), belowRoot])
  const lonely = below([...CA, 'nameConstraints=critical,permitted;dirName:dn', '[dn]', 'CN=only this'])
  const second = below(LAST_CA, { issuer: lonely, subject: '/CN=another', key: lab.key('another') })
  add('on the authority below', REFUSED, [
    leaf(second, [SAN, SERVER], { subject: '/CN=only this' }),
    second,
    lonely,
  ])
  const wide = below([...CA, ...permitted('DNS:example')])
  const narrow = (name: string) =>
    below([...LAST_CA, ...permitted(`DNS:${name}`)], {
      issuer: wide,
      subject: '/CN=Narrow',
      key: lab.key('narrow'),
    })
  const within = narrow(DOMAIN)
  add('of two, both kept', 'dns-id', [leaf(within, [SAN, SERVER]), within, wide])
  const beside = narrow('other.example')
  add('of two, the lower broken', REFUSED, [leaf(beside, [SAN, SERVER]), beside, wide])
  const upper = below([...CA, ...permitted('DNS:other.example')])
  const lower = below([...LAST_CA, ...permitted(`DNS:${DOMAIN}`)], {
    issuer: upper,
    subject: '/CN=Lower',
    key: lab.key('lower'),
  })
  add('of two, the upper broken', REFUSED, [leaf(lower, [SAN, SERVER]), lower, upper])
  const renewing = (constraints: readonly string[]) => {
    const old = below([...CA, ...constraints])
    const renewed = below(LAST_CA, { issuer: old, key: lab.key('renewed') })
    return [leaf(renewed, [SAN, SERVER]), renewed, old]
  }
  const namesake = below([...LAST_CA, ...permitted('DNS:other.example')])
  add('a leaf that bears the name of its authority is not exempt', REFUSED, [
    leaf(namesake, [SAN, SERVER], { subject: '/CN=Intermediate' }),
    namesake,
  ])
  add('an authority that renews itself is exempt', 'dns-id', renewing(directory('permitted', DOMAIN)))
  add('what it then issues is not', REFUSED, renewing(permitted('DNS:other.example')))
  const plain = below(LAST_CA)
  const server = [leaf(plain, [SAN, SERVER]), plain]
  return { roots: [root, rootBound], server, cases }
}
