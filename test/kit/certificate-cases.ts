import type { IdentityReason } from '../../src/identity/index.ts'
import type { Made, OpensslLab } from './openssl.ts'

// Chains and what s2s must say of them (DECISIONS 7), made by openssl. Everything is about `capulet.example`.

export interface CertificateCase {
  readonly title: string
  /** presented, leaf first; the leaf's key is the presenter's */
  readonly chain: readonly Made[]
  readonly expected: Expected
  /** default: DOMAIN */
  readonly domain?: string
  /** further reference names; default: none */
  readonly hosts?: readonly string[]
  /** where only the leaf of an authorised chain is visible (Node 24); absent: the same */
  readonly hidden?: Expected
  /** where what Node shows or says makes another reason of it */
  readonly tls?: { readonly receiving?: Expected; readonly initiating?: Expected }
  /** Node cannot present it */
  readonly unloadable?: true
  /** where openssl says otherwise: why */
  readonly openssl?: string
}

/** How the domain is proven, or why not. */
export type Expected = 'dns-id' | 'srv-id' | 'xmpp-addr' | 'ip-id' | IdentityReason

export interface CaseWorld {
  /** what is trusted */
  readonly roots: readonly Made[]
  /** a sound chain, for our side of the connections */
  readonly server: readonly Made[]
  readonly cases: readonly CertificateCase[]
}

export const DOMAIN = 'capulet.example'

export const DAY = 86_400_000
export const SAN = `subjectAltName=DNS:${DOMAIN}`
export const BOTH = 'extendedKeyUsage=serverAuth,clientAuth'
export const SERVER = 'extendedKeyUsage=serverAuth'
export const CLIENT = 'extendedKeyUsage=clientAuth'
export const LEAF = ['basicConstraints=CA:FALSE', 'keyUsage=critical,digitalSignature']
export const CA = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
export const LAST_CA = [
  'basicConstraints=critical,CA:TRUE,pathlen:0',
  'keyUsage=critical,keyCertSign,cRLSign',
]

/** The authorities that the cases share. */
export function authorities(lab: OpensslLab) {
  const root = lab.make({ subject: '/CN=Root', key: lab.key('root'), extensions: CA })
  const evil = lab.make({ subject: '/CN=Evil Root', key: lab.key('evil'), extensions: CA })
  const below = (
    extensions: readonly string[],
    more: Partial<Parameters<OpensslLab['make']>[0]> = {},
  ): Made =>
    lab.make({
      subject: '/CN=Intermediate',
      key: lab.key('intermediate'),
      issuer: root,
      extensions,
      ...more,
    })
  const leaf = (
    issuer: Made | null,
    extensions: readonly string[],
    more: Partial<Parameters<OpensslLab['make']>[0]> = {},
  ): Made =>
    lab.make({
      subject: `/CN=${DOMAIN}`,
      key: lab.key('leaf'),
      extensions: [...LEAF, ...extensions],
      ...(issuer ? { issuer } : {}),
      ...more,
    })
  return { root, evil, below, leaf }
}

/** The 36 chains on which Node's verdict and several libraries were compared. */
export function purposeCases(lab: OpensslLab): CaseWorld {
  const { root, evil, below, leaf } = authorities(lab)
  const now = Date.now()
  const plain = below(LAST_CA)
  const both = below([...LAST_CA, BOTH])
  const serverOnly = below([...LAST_CA, SERVER])
  const unbounded = below(CA)
  const evilBelow = below(LAST_CA, { issuer: evil })
  const rogue = below(LAST_CA, { issuer: evil, key: lab.key('rogue') })
  const constrained = below([...LAST_CA, `nameConstraints=critical,permitted;DNS:${DOMAIN}`])
  const foreign = below([...LAST_CA, 'nameConstraints=critical,permitted;DNS:good.example'])
  const expired = { notBeforeMs: now - 3 * DAY, notAfterMs: now - DAY }
  const otherNames = `subjectAltName=DNS:good.example,otherName:1.3.6.1.5.5.7.8.5;UTF8:${DOMAIN},otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.${DOMAIN}`
  const hostAuthority = { subject: '/CN=leaf.example', key: lab.key('host') }
  const host = (extensions: readonly string[], issuer: Made): Made =>
    lab.make({ ...hostAuthority, issuer, extensions })
  const hostWithUsage = host(LEAF, plain)
  const hostPlain = host(['basicConstraints=CA:FALSE'], plain)
  const hostUnbounded = host(['basicConstraints=CA:FALSE'], unbounded)
  const hostBare = host([`subjectAltName=DNS:leaf.example`], unbounded)
  const long = below(LAST_CA, { issuer: plain, subject: '/CN=Intermediate 2', key: lab.key('second') })
  const good = leaf(plain, [SAN, SERVER])
  const forged = lab.patched(good, der => {
    der[der.length - 1] = (der[der.length - 1] ?? 0) ^ 1
  })
  const stray = lab.make({ subject: '/CN=stray', key: lab.key('stray'), extensions: LEAF })
  const cases: CertificateCase[] = [
    {
      title: 'both purposes, authority with both',
      chain: [leaf(both, [SAN, BOTH]), both],
      expected: 'dns-id',
    },
    { title: 'both purposes, from the root', chain: [leaf(root, [SAN, BOTH])], expected: 'dns-id' },
    {
      title: 'both purposes, authority with serverAuth only',
      chain: [leaf(serverOnly, [SAN, BOTH]), serverOnly],
      expected: 'dns-id',
    },
    { title: 'no purposes', chain: [leaf(plain, [SAN]), plain], expected: 'dns-id' },
    { title: 'serverAuth, from the root', chain: [leaf(root, [SAN, SERVER])], expected: 'dns-id' },
    {
      title: 'serverAuth, authority with serverAuth only',
      chain: [leaf(serverOnly, [SAN, SERVER]), serverOnly],
      expected: 'dns-id',
    },
    {
      title: 'serverAuth, authority with both',
      chain: [leaf(both, [SAN, SERVER]), both],
      expected: 'dns-id',
    },
    { title: 'serverAuth, authority without purposes', chain: [good, plain], expected: 'dns-id' },
    { title: 'serverAuth, root sent too', chain: [good, plain, root], expected: 'dns-id' },
    {
      title: 'serverAuth, an unrelated certificate between',
      chain: [good, stray, plain],
      expected: 'dns-id',
    },
    { title: 'clientAuth only', chain: [leaf(plain, [SAN, CLIENT]), plain], expected: 'purpose' },
    {
      title: 'serverAuth, name constraint kept',
      chain: [leaf(constrained, [SAN, SERVER]), constrained],
      expected: 'dns-id',
    },
    { title: 'serverAuth, authority missing', chain: [good], expected: 'untrusted' },
    { title: 'both purposes, authority missing', chain: [leaf(plain, [SAN, BOTH])], expected: 'untrusted' },
    {
      title: 'serverAuth, expired',
      chain: [leaf(plain, [SAN, SERVER], expired), plain],
      expected: 'expired',
    },
    {
      title: 'both purposes, expired',
      chain: [leaf(plain, [SAN, BOTH], expired), plain],
      expected: 'expired',
    },
    {
      title: 'serverAuth, not yet valid',
      chain: [leaf(plain, [SAN, SERVER], { notBeforeMs: now + DAY, notAfterMs: now + 2 * DAY }), plain],
      expected: 'not-yet-valid',
    },
    {
      title: 'serverAuth, authority expired',
      chain: [leaf(plain, [SAN, SERVER]), below(LAST_CA, expired)],
      expected: 'expired',
    },
    {
      title: 'serverAuth, untrusted authority',
      chain: [leaf(evilBelow, [SAN, SERVER]), evilBelow],
      expected: 'untrusted',
    },
    {
      title: 'serverAuth, untrusted authority and its root',
      chain: [leaf(evilBelow, [SAN, SERVER]), evilBelow, evil],
      expected: 'untrusted',
    },
    {
      title: 'both purposes, untrusted authority',
      chain: [leaf(evilBelow, [SAN, BOTH]), evilBelow],
      expected: 'untrusted',
    },
    {
      title: 'both purposes, untrusted authority and its root',
      chain: [leaf(evilBelow, [SAN, BOTH]), evilBelow, evil],
      expected: 'untrusted',
    },
    {
      title: 'serverAuth, the true authority sent, a rogue of its name signed',
      chain: [leaf(rogue, [SAN, SERVER]), plain],
      expected: 'bad-signature',
    },
    { title: 'self-signed, serverAuth', chain: [leaf(null, [SAN, SERVER])], expected: 'untrusted' },
    { title: 'self-signed, both purposes', chain: [leaf(null, [SAN, BOTH])], expected: 'untrusted' },
    {
      title: 'serverAuth, name constraint broken',
      chain: [leaf(foreign, [SAN, SERVER]), foreign],
      expected: 'name-constraints',
    },
    {
      title: 'serverAuth, path too long',
      chain: [leaf(long, [SAN, SERVER]), long, plain],
      expected: 'path-length',
    },
    {
      title: 'serverAuth, unknown critical extension',
      chain: [leaf(plain, [SAN, SERVER, '1.2.3.4=critical,DER:0500']), plain],
      expected: 'critical-extension',
    },
    {
      title: 'serverAuth, issued by a host with key usage',
      chain: [leaf(hostWithUsage, [SAN, SERVER]), hostWithUsage, plain],
      expected: 'not-a-ca',
    },
    {
      title: 'serverAuth, issued by a host without key usage',
      chain: [leaf(hostPlain, [SAN, SERVER]), hostPlain, plain],
      expected: 'not-a-ca',
    },
    {
      title: 'serverAuth, issued by a host, no path length above',
      chain: [leaf(hostUnbounded, [SAN, SERVER]), hostUnbounded, unbounded],
      expected: 'not-a-ca',
    },
    {
      title: 'serverAuth, issued by a host without basicConstraints, no path length above',
      chain: [leaf(hostBare, [SAN, SERVER]), hostBare, unbounded],
      expected: 'not-a-ca',
    },
    {
      title: 'serverAuth, XmppAddr and SRVName outside the dNSName constraint',
      chain: [leaf(foreign, [otherNames, SERVER]), foreign],
      expected: 'name-constraints',
      openssl: 'binds dNSName alone by dNSName constraints',
    },
    {
      title: 'both purposes, XmppAddr and SRVName outside the dNSName constraint',
      chain: [leaf(foreign, [otherNames, BOTH]), foreign],
      expected: 'name-constraints',
      hidden: 'name-mismatch',
      openssl: 'binds dNSName alone by dNSName constraints',
    },
    { title: 'serverAuth, forged signature', chain: [forged, plain], expected: 'bad-signature' },
    {
      title: 'serverAuth, SHA-1',
      chain: [leaf(plain, [SAN, SERVER], { digest: 'sha1' }), plain],
      expected: 'weak-signature',
    },
  ]
  return { roots: [root], server: [good, plain], cases }
}
