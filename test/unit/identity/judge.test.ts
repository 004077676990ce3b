import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import {
  createTrustStore,
  judgeChain,
  judgePeer,
  type PeerEvidence,
  parseCertificate,
  pinOf,
} from '../../../src/identity/index.ts'
import { parseDomain } from '../../../src/xmpp/index.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'

const authority = testAuthority()
const trust = createTrustStore({ roots: [authority.caPem] })
const domain = (name: string) => {
  const parsed = parseDomain(name)
  if (parsed === null) throw new TypeError(name)
  return parsed
}
const evidence = (from: TestCertificate, more: Partial<PeerEvidence> = {}): PeerEvidence => ({
  chain: from.chainDer,
  names: { domain: domain('capulet.example'), hosts: [], pins: [] },
  ...{ trust, nowMs: Date.now(), limits: defaultLimits, nodeVerdict: 'authorized', role: 'receiving' },
  ...more,
})
const judged = (...args: Parameters<typeof evidence>) => {
  const verdict = judgePeer(evidence(...args))
  return verdict.ok ? verdict.via : verdict.reason
}

const good = authority.issue({ dns: ['capulet.example'] })
const leafOnly = (from: TestCertificate) => ({ chain: from.chainDer.slice(0, 1) })

describe('Node must agree (DECISIONS 7)', () => {
  it.each([
    ['receiving', 'authorized', 'dns-id'],
    ['receiving', 'INVALID_PURPOSE', 'dns-id'],
    ['initiating', 'authorized', 'dns-id'],
    ['initiating', 'INVALID_PURPOSE', 'refused-by-tls'],
    ['receiving', 'UNSPECIFIED', 'refused-by-tls'],
    ['receiving', 'CERT_REVOKED', 'refused-by-tls'],
    ['receiving', 'undefined', 'refused-by-tls'],
    ['receiving', 'null', 'refused-by-tls'],
    ['receiving', '', 'refused-by-tls'],
    ['receiving', 'none', 'refused-by-tls'],
    ['initiating', 'SELF_SIGNED_CERT_IN_CHAIN', 'refused-by-tls'],
  ] as const)('%s, %s: %s', (role, nodeVerdict, expected) => {
    expect(judged(good, { role, nodeVerdict })).toBe(expected)
  })

  it('without a certificate there is nothing to judge', () => {
    expect(judged(good, { chain: [], nodeVerdict: 'none' })).toBe('no-certificate')
  })

  it('the verdict lasts as long as the shortest of the path', () => {
    const notAfterMs = Math.floor(Date.now() / 1000) * 1000 + 60_000
    const brief = authority.issue({ dns: ['capulet.example'], notAfterMs })
    expect(judgePeer(evidence(brief))).toMatchObject({ ok: true, notAfterMs })
    const long = authority.issue({ dns: ['capulet.example'], notAfterMs: Date.now() + 366 * 86_400_000 })
    const root = Date.parse(new X509Certificate(authority.caPem).validTo)
    expect(judgePeer(evidence(long))).toMatchObject({ ok: true, notAfterMs: root })
  })
})

describe('where only the leaf of an authorised chain is shown', () => {
  const hidden = (options: Parameters<typeof authority.issue>[0], more: Partial<PeerEvidence> = {}) => {
    const issued = authority.issue({ ekus: ['serverAuth', 'clientAuth'], ...options })
    return judged(issued, { ...leafOnly(issued), ...more })
  }
  it('a DNS name counts', () => expect(hidden({ dns: ['capulet.example'] })).toBe('dns-id'))
  it('no purpose at all will do', () => expect(hidden({ dns: ['capulet.example'], ekus: [] })).toBe('dns-id'))
  it('an XmppAddr or SRVName does not: nobody held constraints against it', () => {
    expect(hidden({ xmpp: ['capulet.example'] })).toBe('name-mismatch')
    expect(hidden({ srv: ['_xmpp-server.capulet.example'] })).toBe('name-mismatch')
  })
  it('the leaf is judged all the same', () => {
    expect(hidden({ dns: ['capulet.example'], ekus: ['clientAuth'] })).toBe('purpose')
    expect(hidden({ dns: ['capulet.example'], notAfterMs: Date.now() - 1_000 })).toBe('expired')
  })
  it('only where Node has authorised it', () => {
    for (const nodeVerdict of ['INVALID_PURPOSE', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'])
      expect(hidden({ dns: ['capulet.example'] }, { nodeVerdict })).toBe('untrusted')
  })
  it('only where nothing but the leaf is shown', () => {
    const stranger = testAuthority().issue({ dns: ['capulet.example'] })
    expect(judged(stranger)).toBe('untrusted')
  })
  it('an authority of ours that bears the same name and has not signed does not matter', () => {
    const ours = testAuthority({ commonName: 'Twice' })
    const theirs = testAuthority({ commonName: 'Twice' })
    const issued = theirs.issue({ dns: ['capulet.example'], ekus: ['serverAuth', 'clientAuth'] })
    const known = createTrustStore({
      roots: [theirs.caPem],
      intermediates: [ours.signer.certificatePem],
    })
    expect(judged(issued, { ...leafOnly(issued), trust: known })).toBe('dns-id')
    expect(judged(issued, { ...leafOnly(issued), trust: known, nodeVerdict: 'INVALID_PURPOSE' })).toBe(
      'bad-signature',
    )
  })
  it('intermediates of our own make the path whole again', () => {
    const issued = authority.issue({ xmpp: ['capulet.example'], ekus: ['serverAuth', 'clientAuth'] })
    const known = createTrustStore({
      roots: [authority.caPem],
      intermediates: [authority.signer.certificatePem],
    })
    expect(judged(issued, { ...leafOnly(issued), trust: known })).toBe('xmpp-addr')
  })
})

describe('pins (CT-40)', () => {
  const stranger = testAuthority()
  const keys = {
    'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'RSA-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }),
    'RSA-1024': generateKeyPairSync('rsa', { modulusLength: 1024 }),
    Ed25519: generateKeyPairSync('ed25519'),
  }
  const pinned = (kind: keyof typeof keys, options: Parameters<typeof stranger.issue>[0] = {}) => {
    const keyPem = keys[kind].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const issued = stranger.issue({ dns: ['elsewhere.example'], keyPem, ...options })
    const read = parseCertificate(issued.chainDer[0] ?? new Uint8Array())
    if (!read.ok) throw new TypeError(read.detail)
    return { issued, pin: pinOf(read.certificate) }
  }
  const names = (...pins: readonly string[]) => ({
    names: { domain: domain('capulet.example'), hosts: [], pins },
  })

  it.each(['P-256', 'RSA-2048', 'Ed25519'] as const)('%s stands for path and names', kind => {
    const { issued, pin } = pinned(kind)
    const spki = new X509Certificate(issued.leafPem).publicKey.export({ type: 'spki', format: 'der' })
    expect(pin).toBe(createHash('sha256').update(spki).digest('base64'))
    expect(judged(issued, { ...names('other', pin), nodeVerdict: 'DEPTH_ZERO_SELF_SIGNED_CERT' })).toBe('pin')
  })
  it('a wrong pin leaves it to the path', () => {
    const { pin } = pinned('P-256')
    expect(judged(good, names(pin))).toBe('dns-id')
    expect(judged(stranger.issue({ dns: ['capulet.example'] }), names(pin))).toBe('untrusted')
  })
  it('dates and strength count all the same', () => {
    const old = pinned('P-256', { notAfterMs: Date.now() - 1_000 })
    expect(judged(old.issued, names(old.pin))).toBe('expired')
    const early = pinned('P-256', { notBeforeMs: Date.now() + 60_000 })
    expect(judged(early.issued, names(early.pin))).toBe('not-yet-valid')
    const short = pinned('RSA-1024')
    expect(judged(short.issued, names(short.pin))).toBe('weak-key')
  })
  it('the key of an authority above it is no pin', () => {
    const { issued } = pinned('P-256')
    const read = parseCertificate(stranger.root.certificate)
    if (!read.ok) throw new TypeError(read.detail)
    expect(judged(issued, names(pinOf(read.certificate)))).toBe('untrusted')
  })
})

it('judgeChain says what a peer with this chain would hear', () => {
  expect(judgeChain(evidence(good))).toMatchObject({ ok: true, via: 'dns-id', name: 'capulet.example' })
  const refused = judgeChain(evidence(testAuthority().issue({ dns: ['capulet.example'] })))
  expect(refused).toMatchObject({ ok: false, reason: 'untrusted' })
})
