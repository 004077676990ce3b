import {
  authorities,
  BOTH,
  CA,
  type CaseWorld,
  type CertificateCase,
  CLIENT,
  DAY,
  DOMAIN,
  type Expected,
  LAST_CA,
  LEAF,
  SAN,
  SERVER,
} from './certificate-cases.ts'
import type { KeyKind, Made, OpensslLab } from './openssl.ts'

// Purposes, dates, paths, keys and name constraints beyond the 36 chains of certificate-cases.ts.

type More = Omit<CertificateCase, 'title' | 'chain' | 'expected'>

const GOOD = [SAN, SERVER]

export function pathCases(lab: OpensslLab): CaseWorld {
  const { root, evil, below, leaf } = authorities(lab)
  const now = Date.now()
  const expired = { notBeforeMs: now - 3 * DAY, notAfterMs: now - DAY }
  const future = { notBeforeMs: now + DAY, notAfterMs: now + 2 * DAY }
  const plain = below(LAST_CA)
  const cases: CertificateCase[] = []
  const add = (title: string, expected: Expected, chain: readonly Made[], more: More = {}) =>
    cases.push({ title, expected, chain, ...more })
  const roots: Made[] = [root]
  const anotherRoot = (
    name: string,
    extensions: readonly string[] = CA,
    more: Partial<Parameters<OpensslLab['make']>[0]> = {},
  ): Made => {
    const made = lab.make({ subject: `/CN=${name}`, key: lab.key(name), extensions, ...more })
    roots.push(made)
    return made
  }

  // -- purposes of the leaf
  const purpose = (title: string, expected: Expected, extensions: readonly string[], more: More = {}) =>
    add(`purpose: ${title}`, expected, [leaf(plain, [SAN, ...extensions]), plain], more)
  purpose('anyExtendedKeyUsage only', 'purpose', ['extendedKeyUsage=2.5.29.37.0'])
  purpose('any and serverAuth', 'dns-id', ['extendedKeyUsage=2.5.29.37.0,serverAuth'])
  purpose('emailProtection', 'purpose', ['extendedKeyUsage=emailProtection'])
  purpose('codeSigning', 'purpose', ['extendedKeyUsage=codeSigning'])
  purpose('critical serverAuth', 'dns-id', ['extendedKeyUsage=critical,serverAuth'])
  purpose('critical unknown purpose', 'purpose', ['extendedKeyUsage=critical,1.2.3.4'])
  purpose('XMPP purposes alone', 'purpose', ['extendedKeyUsage=1.3.6.1.5.5.7.3.99'])
  purpose('an empty list', 'malformed', ['2.5.29.37=DER:3000'])

  // -- purposes and usage of authorities
  const authority = (title: string, expected: Expected, extensions: readonly string[], more: More = {}) => {
    const made = below(extensions)
    add(`authority: ${title}`, expected, [leaf(made, GOOD), made], more)
  }
  authority('anyExtendedKeyUsage only', 'purpose', [...LAST_CA, 'extendedKeyUsage=2.5.29.37.0'])
  authority('clientAuth only', 'purpose', [...LAST_CA, CLIENT])
  const forClients = below([...LAST_CA, CLIENT])
  add(
    'authority: clientAuth only, both on the leaf',
    'purpose',
    [leaf(forClients, [SAN, BOTH]), forClients],
    {
      hidden: 'dns-id', // what cannot be seen cannot be judged; the leaf is meant for servers
    },
  )
  authority('emailProtection only', 'purpose', [...LAST_CA, 'extendedKeyUsage=emailProtection'])
  authority('no key usage', 'dns-id', ['basicConstraints=critical,CA:TRUE'])
  authority('no keyCertSign', 'key-usage', ['basicConstraints=critical,CA:TRUE', 'keyUsage=cRLSign'])
  authority('basicConstraints not critical', 'dns-id', ['basicConstraints=CA:TRUE', 'keyUsage=keyCertSign'])
  authority('no extensions, version 1', 'not-a-ca', [])
  authority('unknown critical extension', 'critical-extension', [...LAST_CA, '1.2.3.4=critical,DER:0500'])
  authority('policies, critical', 'dns-id', [...LAST_CA, 'certificatePolicies=critical,1.2.3.4'])
  authority(
    'policyConstraints, critical',
    'critical-extension',
    [...LAST_CA, 'policyConstraints=critical,requireExplicitPolicy:3'],
    { openssl: 'ignores policies unless asked for them' },
  )
  authority(
    'critical revocation list pointer',
    'critical-extension',
    [...LAST_CA, 'crlDistributionPoints=critical,URI:http://crl.example/'],
    { openssl: 'knows the extension, though it fetches nothing; we know nothing of revocation' },
  )
  const narrow = anotherRoot('Root for servers', [...CA, SERVER])
  add('authority: root for servers', 'dns-id', [leaf(narrow, GOOD)])
  const mailRoot = anotherRoot('Root for mail', [...CA, 'extendedKeyUsage=emailProtection'])
  add('authority: root for mail', 'purpose', [leaf(mailRoot, GOOD)])
  const shortRoot = anotherRoot('Root without intermediates', LAST_CA)
  const tooMany = below(LAST_CA, { issuer: shortRoot })
  add('authority: path length of the root', 'path-length', [leaf(tooMany, GOOD), tooMany])
  const renewed = lab.make({
    ...{ subject: '/CN=Root without intermediates', key: lab.key('renewed'), extensions: CA },
    issuer: shortRoot,
  })
  add('authority: renewing itself does not lengthen the path', 'dns-id', [leaf(renewed, GOOD), renewed])

  // -- usage and form of the leaf
  const form = (title: string, expected: Expected, extensions: readonly string[], more: More = {}) => {
    const made = lab.make({ subject: `/CN=${DOMAIN}`, key: lab.key('leaf'), issuer: plain, extensions })
    add(`leaf: ${title}`, expected, [made, plain], more)
  }
  form('no key usage', 'dns-id', GOOD)
  form('keyAgreement only', 'dns-id', [...GOOD, 'keyUsage=keyAgreement'])
  form('keyCertSign only', 'key-usage', [...GOOD, 'keyUsage=keyCertSign'])
  form('is an authority itself', 'dns-id', [...GOOD, 'basicConstraints=CA:TRUE', 'keyUsage=digitalSignature'])
  form('critical names', 'dns-id', [`subjectAltName=critical,DNS:${DOMAIN}`, SERVER])
  form(
    'a path length without being an authority',
    'malformed',
    [...GOOD, 'basicConstraints=CA:FALSE,pathlen:0'],
    {
      openssl: 'lets a length of 0 pass',
    },
  )
  form('name constraints on a leaf bind nobody', 'dns-id', [
    ...GOOD,
    'nameConstraints=critical,permitted;DNS:other.example',
  ])
  form('no names', 'name-mismatch', [SERVER], { openssl: 'takes the common name' })

  // -- dates
  const dated = (title: string, expected: Expected, chain: readonly Made[]) =>
    add(`dates: ${title}`, expected, chain)
  dated('authority not yet valid', 'not-yet-valid', [leaf(plain, GOOD), below(LAST_CA, future)])
  const oldRoot = anotherRoot('Old root', CA, expired)
  dated('root expired', 'expired', [leaf(oldRoot, GOOD)])
  const newRoot = anotherRoot('Future root', CA, future)
  dated('root not yet valid', 'not-yet-valid', [leaf(newRoot, GOOD)])
  dated('in five minutes', 'not-yet-valid', [leaf(plain, GOOD, { notBeforeMs: now + 300_000 }), plain])
  dated('five minutes ago', 'expired', [leaf(plain, GOOD, { notAfterMs: now - 300_000 }), plain])

  // -- several paths
  const good = leaf(plain, GOOD)
  const stale = below(LAST_CA, expired)
  add('paths: an expired twin of the authority first', 'dns-id', [good, stale, plain])
  add('paths: wrong order', 'dns-id', [good, root, plain])
  add('paths: the root under its old, expired cross-signature', 'dns-id', [
    good,
    plain,
    lab.make({ subject: '/CN=Root', key: lab.key('root'), issuer: oldRoot, extensions: CA, ...expired }),
  ])
  add('paths: a cross-signature by an untrusted root', 'dns-id', [
    good,
    lab.make({ subject: '/CN=Root', key: lab.key('root'), issuer: evil, extensions: CA }),
    plain,
  ])
  const knot = (name: string, other: string, issuer: Made): Made =>
    lab.make({ subject: `/CN=${name}`, key: lab.key(name), issuer, extensions: CA, ...{ other } })
  const seed = lab.make({ subject: '/CN=Knot B', key: lab.key('Knot B'), extensions: CA })
  const knotA = knot('Knot A', 'Knot B', seed)
  const knotB = knot('Knot B', 'Knot A', knotA)
  add('paths: a cycle of authorities', 'untrusted', [leaf(knotA, GOOD), knotA, knotB])
  add('paths: an impostor with the root’s name', 'bad-signature', [
    leaf(lab.make({ subject: '/CN=Root', key: lab.key('impostor'), extensions: CA }), GOOD),
  ])
  const own = lab.make({ subject: `/CN=${DOMAIN}`, key: lab.key('own'), extensions: [...LEAF, ...GOOD] })
  roots.push(own)
  add('paths: self-signed and trusted by the operator', 'dns-id', [own])
  const loose = below(CA, { issuer: evil, subject: '/CN=Loose', key: lab.key('loose') })
  roots.push(loose)
  add('paths: an intermediate among the roots is no anchor', 'untrusted', [leaf(loose, GOOD)])

  // Openssl tries one candidate only: where Node has refused, so do we (DECISIONS 7).
  const other = (
    title: string,
    extensions: readonly string[],
    more: Partial<Parameters<OpensslLab['make']>[0]> = {},
    tls: CertificateCase['tls'] = { receiving: 'refused-by-tls', initiating: 'refused-by-tls' },
  ) =>
    add(`paths: ${title} first`, 'dns-id', [good, below(extensions, more), plain], {
      ...{ tls, openssl: 'takes the first that fits and tries no other' },
    })
  other('a twin constrained to another domain', [
    ...LAST_CA,
    'nameConstraints=critical,permitted;DNS:other.example',
  ])
  other('a twin for clients', [...LAST_CA, CLIENT], {}, { initiating: 'refused-by-tls' })
  other('a twin that may not sign', ['basicConstraints=CA:TRUE', 'keyUsage=cRLSign'])
  other('a twin that is no authority', LEAF)
  other('a twin signed with SHA-1', LAST_CA, { digest: 'sha1' })
  add('paths: a namesake with another key first', 'dns-id', [
    good,
    below(LAST_CA, { key: lab.key('namesake') }),
    plain,
  ])

  // -- keys and digests
  const keyed = (kind: KeyKind, expected: Expected, more: More = {}) =>
    add(`key: ${kind}`, expected, [leaf(plain, GOOD, { key: lab.key(`leaf ${kind}`, kind) }), plain], more)
  keyed('P-384', 'dns-id')
  keyed('P-521', 'dns-id')
  keyed('ED25519', 'dns-id')
  keyed('RSA-2048', 'dns-id')
  keyed('RSA-1024', 'weak-key')
  keyed('ED448', 'dns-id')
  keyed('RSA-4096', 'dns-id')
  keyed('RSA-2047', 'weak-key', { openssl: 'rounds to 112 bits of security' })
  keyed('P-224', 'weak-key', { openssl: 'counts bits, not curves', unloadable: true })
  // Segmentation fault of Node 24 where it is not kept out of the handshake (src/transport/tls.ts).
  keyed('brainpoolP256r1', 'weak-key', { openssl: 'counts bits, not curves', unloadable: true })
  keyed('secp256k1', 'weak-key', { openssl: 'counts bits, not curves', unloadable: true })
  const rsa = lab.key('leaf RSA-2048')
  const rsaCa = below(LAST_CA, { subject: '/CN=RSA', key: rsa })
  add('digest: RSA', 'dns-id', [leaf(rsaCa, GOOD), rsaCa])
  add('digest: RSA, SHA-512', 'dns-id', [leaf(rsaCa, GOOD, { digest: 'sha512' }), rsaCa])
  add('digest: RSA, MD5', 'weak-signature', [leaf(rsaCa, GOOD, { digest: 'md5' }), rsaCa])
  const pss = ['rsa_padding_mode:pss', 'rsa_pss_saltlen:digest']
  add('digest: RSA-PSS', 'dns-id', [leaf(rsaCa, GOOD, { signing: pss }), rsaCa])
  add('digest: RSA-PSS, SHA-384', 'dns-id', [leaf(rsaCa, GOOD, { signing: pss, digest: 'sha384' }), rsaCa])
  add(
    'digest: RSA-PSS, salt of another length',
    'weak-signature',
    [leaf(rsaCa, GOOD, { signing: ['rsa_padding_mode:pss', 'rsa_pss_saltlen:30'] }), rsaCa],
    { openssl: 'takes every salt length; TLS 1.3 knows only that of the digest' },
  )
  add(
    'digest: RSA-PSS, another digest for the mask',
    'weak-signature',
    [leaf(rsaCa, GOOD, { signing: [...pss, 'rsa_mgf1_md:sha384'] }), rsaCa],
    { openssl: 'takes every pair' },
  )
  const ed = below(LAST_CA, { subject: '/CN=Ed25519', key: lab.key('leaf ED25519') })
  add('digest: Ed25519', 'dns-id', [leaf(ed, GOOD, { digest: 'default' }), ed])
  const shortCa = below(LAST_CA, { subject: '/CN=Short', key: lab.key('leaf RSA-1024') })
  add('digest: by an RSA-1024 authority', 'weak-key', [leaf(shortCa, GOOD), shortCa])
  const sha1Ca = below(LAST_CA, { digest: 'sha1' })
  add('digest: authority signed with SHA-1', 'weak-signature', [leaf(sha1Ca, GOOD), sha1Ca])
  const sha1Root = anotherRoot('SHA-1 root', CA, { digest: 'sha1' })
  add('digest: a root’s own signature does not matter', 'dns-id', [leaf(sha1Root, GOOD)])

  add('both purposes, at the end', 'dns-id', [leaf(plain, [SAN, BOTH]), plain])
  return { roots, server: [good, plain], cases }
}
