import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { checkPath, createTrustStore, readPemCertificates } from '../../../src/identity/index.ts'
import { testAuthority } from '../../kit/authority.ts'

const authority = testAuthority()
const { chainDer } = authority.issue({ dns: ['capulet.example'] })
const [leaf = new Uint8Array()] = chainDer
const check = (chain: readonly Uint8Array[], sources: Parameters<typeof createTrustStore>[0]) => {
  const result = checkPath(chain, createTrustStore(sources), Date.now(), defaultLimits)
  return result.ok ? result.path.length : result.reason
}

describe('a trust store', () => {
  it('reads all of Node’s own roots', () => {
    const store = createTrustStore({ roots: rootCertificates })
    expect(store.problems).toEqual([])
    expect(rootCertificates.length).toBeGreaterThan(100)
  })

  it('completes a chain from its intermediates, and ends only at its roots', () => {
    const { caPem, signer } = authority
    expect(check(chainDer, { roots: [caPem] })).toBe(3)
    expect(check([leaf], { roots: [caPem] })).toBe('untrusted')
    expect(check([leaf], { roots: [caPem], intermediates: [signer.certificatePem] })).toBe(3)
    expect(check([leaf], { roots: [`${caPem}${signer.certificatePem}`] })).toBe(3)
    expect(check(chainDer, { roots: [], intermediates: [caPem, signer.certificatePem] })).toBe('untrusted')
    expect(check(chainDer, { roots: [signer.certificatePem] })).toBe('untrusted')
    expect(check(chainDer, { roots: [] })).toBe('untrusted')
  })

  it('leaves out what cannot be read, and says so', () => {
    const broken = authority.caPem.replace(/.{8}\n-----END/, '\n-----END')
    const store = createTrustStore({
      roots: ['', authority.caPem, broken, 'text'],
      intermediates: ['-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----'],
    })
    expect(store.problems).toEqual([
      'trusted authority 1: the text contains no PEM certificate',
      'trusted authority 3: certificate 1 is malformed in its outer structure',
      'trusted authority 4: the text contains no PEM certificate',
      'intermediate 1: certificate 1 of the PEM text is not base64',
    ])
    expect(checkPath(chainDer, store, Date.now(), defaultLimits)).toMatchObject({ ok: true })
  })
})

describe('authorities remembered', () => {
  const DAY_MS = 24 * 3_600_000
  const [, intermediate = new Uint8Array()] = chainDer
  const storeThatRemembers = () => {
    const store = createTrustStore({ roots: [authority.caPem] })
    expect(checkPath(chainDer, store, Date.now(), defaultLimits)).toMatchObject({ ok: true })
    return store
  }

  it('are those of proven paths, never the peer’s own certificate, never those of a refused one', () => {
    const store = storeThatRemembers()
    expect(store.remembered.find(intermediate)?.certificate.der).toEqual(intermediate)
    expect(store.remembered.find(leaf)).toBeUndefined()
    const strangers = testAuthority().issue({ dns: ['capulet.example'] }).chainDer
    expect(checkPath(strangers, store, Date.now(), defaultLimits)).toMatchObject({ ok: false })
    expect(store.remembered.find(strangers[1] ?? leaf)).toBeUndefined()
  })

  it('are one object in later paths', () => {
    const store = storeThatRemembers()
    const second = authority.issue({ dns: ['montague.example'] }).chainDer
    const result = checkPath(second, store, Date.now(), defaultLimits)
    expect(result.ok && result.path[1]).toBe(store.remembered.find(intermediate)?.certificate)
  })

  it('prove nothing by themselves: signature, dates and presence are asked anew', () => {
    const store = storeThatRemembers()
    const now = Date.now()
    const judged = (chain: readonly Uint8Array[], nowMs = now) => {
      const result = checkPath(chain, store, nowMs, defaultLimits)
      return result.ok || result.reason
    }
    const forged = leaf.slice()
    forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1
    expect(judged([forged, intermediate])).toBe('bad-signature')
    expect(judged([leaf])).toBe('untrusted')
    const longLived = authority.issue({ dns: ['capulet.example'], notAfterMs: now + 90 * DAY_MS }).chainDer
    expect(judged(longLived)).toBe(true)
    expect(judged(longLived, now + 60 * DAY_MS)).toBe('expired')
  })

  it('are few', () => {
    const store = storeThatRemembers()
    const [known] = [store.remembered.find(intermediate)]
    if (known === undefined) throw new Error('not remembered')
    for (let count = 0; count < defaultLimits.rememberedAuthorities; count++) {
      const certificate = { ...known.certificate, der: Uint8Array.of(count) }
      store.remembered.add({ ...known, certificate })
    }
    expect(store.remembered.find(intermediate)).toBeUndefined()
    expect(store.remembered.find(Uint8Array.of(0))).toBeDefined()
  })
})

describe('PEM texts', () => {
  const block = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  it.each([
    ['a block', block, 1],
    ['two', block + block, 2],
    ['CRLF and text around', `subject: x\r\n${block.replaceAll('\n', '\r\n')}\r\nmore`, 1],
    ['one line', '-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----', 1],
    ['a key before it', `-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n${block}`, 1],
  ])('%s', (_title, text, count) => {
    expect(readPemCertificates(text)).toEqual({
      ok: true,
      certificates: Array.from({ length: count }, () => Buffer.of(0, 0, 0)),
    })
  })
  it.each([
    ['nothing', '', 'the text contains no PEM certificate'],
    [
      'a key only',
      '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----',
      'the text contains no PEM certificate',
    ],
    ['no end', block.slice(0, 40), 'certificate 1 of the PEM text has no end line'],
    [
      'the second without an end',
      block + block.slice(0, 40),
      'certificate 2 of the PEM text has no end line',
    ],
    ['an empty block', block.replace('AAAA', ''), 'certificate 1 of the PEM text is not base64'],
    ['bad characters', block.replace('AAAA', 'AA*A'), 'certificate 1 of the PEM text is not base64'],
    ['a bad length', block.replace('AAAA', 'AAAAA'), 'certificate 1 of the PEM text is not base64'],
    ['padding within', block.replace('AAAA', 'AA==AAAA'), 'certificate 1 of the PEM text is not base64'],
    [
      'a lost end line',
      block.replace('-----END CERTIFICATE-----\n', '') + block,
      'certificate 1 of the PEM text is not base64',
    ],
  ])('%s: refused', (_title, text, detail) => {
    expect(readPemCertificates(text)).toEqual({ ok: false, detail })
  })
})
