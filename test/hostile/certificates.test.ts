import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits, type Limits } from '../../src/base/index.ts'
import { TAG } from '../../src/identity/der.ts'
import { bitString, der, oid, sequence, utf8 } from '../../src/identity/der-write.ts'
import {
  createAuthority,
  createTrustStore,
  type IdentityReason,
  type IdentityVerdict,
  issue,
  issueAuthority,
  judgePeer,
  parseCertificate,
} from '../../src/identity/index.ts'
import { OID } from '../../src/identity/oids.ts'
import { writePem } from '../../src/identity/pem.ts'
import { parseDomain } from '../../src/xmpp/index.ts'
import { testAuthority } from '../kit/authority.ts'
import { mesh } from '../kit/mesh.ts'
import {
  commonName,
  extension,
  FIELDS,
  newKey,
  type RawFields,
  rawCertificate,
  rsaSpki,
  spkiOf,
} from '../kit/raw-certificate.ts'
import { type Presented, type TlsBench, tlsBench } from '../kit/tls-verdicts.ts'

// Certificates of a hostile peer: whatever it presents, nothing throws, the work is bounded, and a refusal names its
// reason in a sentence that carries nothing of the peer's. Odd names, purposes, paths and constraints are judged in
// test/unit/identity; here stand the ones that are meant to hurt.

const domain = parseDomain('capulet.example')
if (domain === null) throw new TypeError('no domain')
const authority = { commonName: 'Root', ...testAuthority({ commonName: 'Root' }) }
const rootKey = newKey()
const rawRoot = rawCertificate({ key: rootKey, subject: commonName('Raw root'), extensions: [FIELDS.ca] })
const trust = createTrustStore({ roots: [authority.caPem, writePem('CERTIFICATE', rawRoot)] })

function judge(
  chain: readonly Uint8Array[],
  limits: Partial<Limits> = {},
  nodeVerdict = 'INVALID_PURPOSE',
): IdentityVerdict {
  return judgePeer({
    ...{ chain, trust, nodeVerdict, role: 'receiving', nowMs: Date.now() },
    names: { domain: domain ?? expect.fail(), hosts: [], pins: [] },
    limits: { ...defaultLimits, ...limits },
  })
}

function reasonOf(verdict: IdentityVerdict): IdentityReason | 'accepted' {
  if (verdict.ok) return 'accepted'
  // One plain sentence without trailing stop.
  expect(verdict.detail).toMatch(/^[a-z][\x20-\x7e]*[^.\s]$/)
  expect(verdict.detail.length).toBeLessThan(250)
  return verdict.reason
}

const leafKey = newKey()
const NAMES = [FIELDS.names('capulet.example'), FIELDS.server]
/** a leaf of the trusted raw root, with one thing wrong */
const leaf = (fields: Partial<RawFields>): readonly Uint8Array[] => [
  rawCertificate({ key: leafKey, signer: rootKey, extensions: NAMES, ...fields }),
]
/** a good leaf below an authority with one thing wrong */
const below = (fields: Partial<RawFields>): readonly Uint8Array[] => {
  const key = newKey()
  return [
    rawCertificate({ key: leafKey, signer: key, issuer: commonName('between'), extensions: NAMES }),
    rawCertificate({
      key,
      signer: rootKey,
      subject: commonName('between'),
      extensions: [FIELDS.ca],
      ...fields,
    }),
  ]
}
const resigned = (signature: Uint8Array, algorithm?: Uint8Array): readonly Uint8Array[] =>
  leaf({ signature, ...(algorithm ? { algorithm } : {}) })
const ones = (count: number): Uint8Array => new Uint8Array(count).fill(0xff)
const positive = (count: number): Uint8Array => Buffer.concat([Uint8Array.of(0), ones(count)])
const F4 = Uint8Array.of(1, 0, 1)
const ec = (point: Uint8Array, curve: Uint8Array = oid(OID.prime256v1)): Uint8Array =>
  sequence(sequence(oid(OID.ecPublicKey), curve), bitString(point))
const stranger = testAuthority().issue({ dns: ['capulet.example'] })
const good = authority.issue({ dns: ['capulet.example'] })
const knot = mesh(9)
const meshed = issue(knot.last, {
  ...{ dnsNames: ['capulet.example'], ekus: ['serverAuth'], serial: randomBytes(16) },
  ...{ notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + 60_000 },
})

const cases: readonly (readonly [
  title: string,
  expected: IdentityReason | 'accepted',
  chain: () => readonly Uint8Array[],
])[] = [
  // -- strange, and nobody's harm
  ['a negative serial', 'accepted', () => leaf({ serial: der(TAG.integer, Uint8Array.of(0x80)) })],
  ['serial zero', 'accepted', () => leaf({ serial: der(TAG.integer, Uint8Array.of(0)) })],
  ['no subject', 'accepted', () => leaf({ subject: sequence() })],
  // -- no certificate
  ['nothing', 'no-certificate', () => []],
  ['no bytes', 'malformed', () => [new Uint8Array()]],
  ['a zero', 'malformed', () => [Uint8Array.of(0)]],
  ['a sequence of nothing', 'malformed', () => [sequence()]],
  ['text', 'malformed', () => [utf8('<stream:stream>')]],
  ['64 KiB of noise', 'malformed', () => [randomBytes(65_536)]],
  ['20 000 levels of sequences', 'malformed', () => [Buffer.from('30'.repeat(20_000), 'hex')]],
  ['20 000 levels of true sequences', 'malformed', () => [nested(20_000)]],
  ['noise behind a good leaf', 'malformed', () => [...good.chainDer, randomBytes(100)]],
  // -- too much
  ['11 certificates', 'chain-too-long', () => Array.from({ length: 11 }, () => good.chainDer[0] ?? ones(1))],
  [
    '10 000 certificates',
    'chain-too-long',
    () => Array.from({ length: 10_000 }, () => Uint8Array.of(0x30, 0)),
  ],
  ['64 KiB and a byte', 'chain-too-long', () => [new Uint8Array(65_537)]],
  [
    'one certificate of 1 MiB',
    'chain-too-long',
    () => leaf({ extensions: [extension('1.2.3.4', ones(1 << 20))] }),
  ],
  [
    'ten times the same',
    'accepted',
    () => [good.chainDer[0] ?? ones(1), ...Array.from({ length: 9 }, () => good.chainDer[1] ?? ones(1))],
  ],
  [
    'nine authorities of one name',
    'untrusted',
    () => [meshed.certificate, ...knot.all.map(({ certificate }) => certificate)],
  ],
  [
    '5 000 purposes',
    'accepted',
    () =>
      leaf({
        extensions: [
          FIELDS.names('capulet.example'),
          extension(OID.extKeyUsage, sequence(...Array.from({ length: 5_000 }, () => oid(OID.serverAuth)))),
        ],
      }),
  ],
  [
    '3 000 unknown extensions',
    'accepted',
    () =>
      leaf({
        extensions: [
          ...NAMES,
          ...Array.from({ length: 3_000 }, (_, n) => extension(`1.2.3.${n}`, new Uint8Array())),
        ],
      }),
  ],
  // -- keys
  ['an RSA exponent of 2048 bits', 'weak-key', () => leaf({ spki: rsaSpki(positive(256), positive(256)) })],
  ['an RSA exponent of 32 bits', 'weak-key', () => leaf({ spki: rsaSpki(positive(256), positive(4)) })],
  [
    'an authority with an RSA exponent of 3072 bits',
    'weak-key',
    () => below({ spki: rsaSpki(positive(384), positive(384)) }),
  ],
  ['an RSA exponent of 1', 'weak-key', () => leaf({ spki: rsaSpki(positive(256), Uint8Array.of(1)) })],
  ['an even RSA exponent', 'weak-key', () => leaf({ spki: rsaSpki(positive(256), Uint8Array.of(4)) })],
  ['a negative RSA exponent', 'weak-key', () => leaf({ spki: rsaSpki(positive(256), Uint8Array.of(0xff)) })],
  [
    'a negative RSA modulus',
    'weak-key',
    () => leaf({ spki: rsaSpki(Buffer.concat([Uint8Array.of(0x80), ones(255)]), F4) }),
  ],
  ['an RSA modulus of 0', 'weak-key', () => leaf({ spki: rsaSpki(Uint8Array.of(0), F4) })],
  ['an RSA modulus of 16 384 bits', 'weak-key', () => leaf({ spki: rsaSpki(positive(2_048), F4) })],
  [
    'an RSA key that is none',
    'weak-key',
    () => leaf({ spki: sequence(sequence(oid(OID.rsaEncryption)), bitString(ones(300))) }),
  ],
  [
    'a curve by its parameters',
    'weak-key',
    () => leaf({ spki: ec(ones(65), sequence(der(TAG.integer, Uint8Array.of(1)))) }),
  ],
  ['a curve that nobody knows', 'weak-key', () => leaf({ spki: ec(ones(65), oid('1.2.3.4')) })],
  [
    'a DSA key',
    'weak-key',
    () => leaf({ spki: sequence(sequence(oid('1.2.840.10040.4.1')), bitString(ones(300))) }),
  ],
  ['a key that is no key', 'weak-key', () => leaf({ spki: sequence() })],
  [
    'an authority with a point off its curve',
    'bad-signature',
    () => below({ spki: ec(Buffer.concat([Uint8Array.of(4), new Uint8Array(64)])) }),
  ],
  ['an authority with the point at infinity', 'bad-signature', () => below({ spki: ec(Uint8Array.of(0)) })],
  [
    'an authority with an Ed25519 key of 3 octets',
    'bad-signature',
    () => below({ spki: sequence(sequence(oid(OID.ed25519)), bitString(ones(3))) }),
  ],
  [
    'an authority with a key of another kind than the signature',
    'bad-signature',
    () => below({ spki: spkiOf(generateKeyPairSync('ed25519').privateKey) }),
  ],
  [
    'the key and name of the root on a leaf',
    'untrusted',
    () => leaf({ key: rootKey, subject: commonName('Raw root') }),
  ],
  // -- signatures
  ['an empty signature', 'bad-signature', () => resigned(new Uint8Array())],
  [
    'a signature of zeros',
    'bad-signature',
    () => resigned(sequence(der(TAG.integer, Uint8Array.of(0)), der(TAG.integer, Uint8Array.of(0)))),
  ],
  ['a signature of 40 KiB', 'bad-signature', () => resigned(ones(40_000))],
  [
    'an RSA algorithm over an ECDSA key',
    'bad-signature',
    () => resigned(ones(256), sequence(oid(OID.sha256WithRsa), der(TAG.null))),
  ],
  ['an algorithm that nobody knows', 'weak-signature', () => resigned(ones(64), sequence(oid('1.2.3.4')))],
  ['ECDSA with SHA-1', 'weak-signature', () => resigned(ones(64), sequence(oid(OID.ecdsaWithSha1)))],
  ['RSA-PSS without parameters', 'weak-signature', () => resigned(ones(256), sequence(oid(OID.rsassaPss)))],
  [
    'RSA-PSS with the SHA-1 of old',
    'weak-signature',
    () => resigned(ones(256), sequence(oid(OID.rsassaPss), sequence())),
  ],
  [
    'parameters that do not belong there',
    'weak-signature',
    () => resigned(ones(64), sequence(oid(OID.ecdsaWithSha256), der(TAG.octetString, ones(9)))),
  ],
]

function nested(levels: number): Uint8Array {
  const parts: number[] = []
  let length = 0
  for (let level = 0; level < levels; level++) {
    const header =
      length < 0x80
        ? [0x30, length]
        : length < 0x100
          ? [0x30, 0x81, length]
          : [0x30, 0x82, length >> 8, length & 0xff]
    if (length > 0xfff0) break
    parts.unshift(...header)
    length += header.length
  }
  return Uint8Array.from(parts)
}

describe('a hostile chain', () => {
  it.each(cases)('%s: %s', (_title, expected, chain) => {
    expect(reasonOf(judge(chain()))).toBe(expected)
  })

  it('is refused whichever of its bytes is changed', () => {
    for (const [index, original] of good.chainDer.entries()) {
      for (let at = 0; at < original.length; at++) {
        const changed = Uint8Array.from(original)
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8))
        const chain = good.chainDer.map((der, position) => (position === index ? changed : der))
        expect(reasonOf(judge(chain)), `byte ${at} of certificate ${index + 1}`).not.toBe('accepted')
      }
    }
    expect(reasonOf(judge(good.chainDer))).toBe('accepted')
  })

  it('is tried no further than the limit', () => {
    const chain = [meshed.certificate, ...knot.all.map(({ certificate }) => certificate)]
    expect(reasonOf(judge(chain, { pathSignatureChecks: 20 }))).toBe('too-much-work')
    expect(reasonOf(judge(good.chainDer, { pathSignatureChecks: 2 }))).toBe('accepted')
    expect(reasonOf(judge(good.chainDer, { pathSignatureChecks: 1 }))).toBe('too-much-work')
  })

  it('with eight namesakes of the authority is searched where the key identifier points', () => {
    const namesakes = Array.from({ length: 8 }, () =>
      issueAuthority(authority.root, {
        ...{ commonName: `${authority.commonName}, intermediate`, serial: randomBytes(16) },
        ...{ notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + 60_000 },
      }),
    )
    const [first = new Uint8Array(), signer = new Uint8Array()] = good.chainDer
    const chain = [first, ...namesakes.map(({ certificate }) => certificate), signer]
    expect(reasonOf(judge(chain, { pathSignatureChecks: 2 }))).toBe('accepted')
  })

  it('of a stranger costs no comparison of names, however many it has and constrains', () => {
    const bound = mesh(4, ['other.example'])
    const named = issue(bound.last, {
      dnsNames: [],
      xmppAddrs: Array.from({ length: 100 }, (_, n) => `${'ä.'.repeat(60)}${n}.example`),
      ...{ ekus: ['serverAuth'], serial: randomBytes(16) },
      ...{ notBeforeMs: Date.now() - 1_000, notAfterMs: Date.now() + 60_000 },
    })
    const chain = [named.certificate, ...bound.all.map(({ certificate }) => certificate)]
    expect(reasonOf(judge(chain, { nameConstraintChecks: 0 }))).toBe('untrusted')
  })

  it('of a constrained authority compares no more names than the limit', () => {
    const now = Date.now()
    const validity = { notBeforeMs: now - 1_000, notAfterMs: now + 60_000 }
    const bound = createAuthority({
      ...{ commonName: 'Bound', serial: randomBytes(16), ...validity },
      nameConstraints: { permitted: Array.from({ length: 500 }, (_, n) => `d${n}.example`) },
    })
    const made = issue(bound, {
      dnsNames: Array.from({ length: 600 }, (_, n) => `h${n}.d499.example`),
      ...{ ekus: ['serverAuth'], serial: randomBytes(16), ...validity },
    })
    const known = createTrustStore({ roots: [bound.certificatePem] })
    const verdict = judgePeer({
      ...{
        chain: [made.certificate],
        trust: known,
        nodeVerdict: 'authorized',
        role: 'receiving',
        nowMs: now,
      },
      ...{ names: { domain: domain ?? expect.fail(), hosts: [], pins: [] }, limits: defaultLimits },
    })
    expect(reasonOf(verdict)).toBe('too-much-work')
  })
})

describe('over TLS, with a good peer after each', () => {
  let bench: TlsBench
  beforeAll(async () => {
    bench = await tlsBench(presented(good.chainDer, good.keyPem), [
      authority.caPem,
      writePem('CERTIFICATE', rawRoot),
    ])
  })
  afterAll(() => bench.close())

  const pem = leafKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  const presented = (chain: readonly Uint8Array[], keyPem: string): Presented => ({
    chainPem: chain.map(bytes => writePem('CERTIFICATE', bytes)).join(''),
    keyPem,
  })
  const filler = (bytes: number) => leaf({ extensions: [...NAMES, extension('1.2.3.4', ones(bytes))] })
  const peers: readonly (readonly [title: string, expected: IdentityReason | 'accepted', () => Presented])[] =
    [
      ['a stranger', 'untrusted', () => presented(stranger.chainDer, stranger.keyPem)],
      [
        '11 certificates',
        'chain-too-long',
        () => presented([...leaf({}), ...mesh(10).all.map(({ certificate }) => certificate)], pem),
      ],
      ['64 KiB in one certificate', 'chain-too-long', () => presented(filler(66_000), pem)],
      ['nearly as much', 'accepted', () => presented(filler(60_000), pem)],
      [
        'nine authorities of one name',
        'untrusted',
        () =>
          presented([meshed.certificate, ...knot.all.map(({ certificate }) => certificate)], meshed.keyPem),
      ],
      [
        'a negative serial',
        'accepted',
        () => presented(leaf({ serial: der(TAG.integer, Uint8Array.of(0x80)) }), pem),
      ],
      [
        'a date that is none',
        'malformed',
        () =>
          presented(
            leaf({
              validity: [der(TAG.utcTime, utf8('250230000000Z')), der(TAG.utcTime, utf8('490101000000Z'))],
            }),
            pem,
          ),
      ],
      [
        'names twice',
        'malformed',
        () => presented(leaf({ extensions: [...NAMES, FIELDS.names('other.example')] }), pem),
      ],
    ]
  const verdictOf = async (role: 'receiving' | 'initiating', peer: Presented) => {
    const facts = await (role === 'receiving' ? bench.asClient(peer) : bench.asServer(peer))
    if (facts === null) return 'no handshake'
    return reasonOf(
      judgePeer({
        ...{ chain: facts.chain, nodeVerdict: facts.nodeVerdict, role, trust, nowMs: Date.now() },
        ...{ names: { domain: domain ?? expect.fail(), hosts: [], pins: [] }, limits: defaultLimits },
      }),
    )
  }
  for (const role of ['receiving', 'initiating'] as const)
    it.each(peers)(`${role}: %s: %s`, async (_title, expected, make) => {
      expect(await verdictOf(role, make())).toBe(expected)
      expect(await verdictOf(role, presented(good.chainDer, good.keyPem))).toBe('accepted')
    })
})

it('noise in place of a chain is never accepted and never throws', () => {
  for (let round = 0; round < 2_000; round++) {
    const chain = Array.from({ length: round % 4 }, () => randomBytes(round % 97))
    expect(reasonOf(judge(chain, {}, 'authorized'))).not.toBe('accepted')
    expect(parseCertificate(randomBytes(round % 97)).ok).toBe(false)
  }
})
