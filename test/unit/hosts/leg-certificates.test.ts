import { X509Certificate } from 'node:crypto'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemClock, systemRandom } from '../../../src/base/system.ts'
import { LegCertificates } from '../../../src/hosts/leg-certificates.ts'
import { createAuthority } from '../../../src/identity/index.ts'
import {
  acceptTcp,
  createTlsContext,
  dialTcp,
  type TlsFacts,
  type Transport,
} from '../../../src/transport/index.ts'
import { type Domain, parseDomain } from '../../../src/xmpp/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { OpensslLab } from '../../kit/openssl.ts'
import { complianceLimits, Recorder } from '../../kit/transport-compliance.ts'

const lab = new OpensslLab()
afterAll(() => lab.dispose())

const DAY = 86_400_000
const domain = (text: string): Domain => {
  const parsed = parseDomain(text)
  if (parsed === null) throw new Error(text)
  return parsed
}
const capulet = domain('capulet.example')
const authority = createAuthority({
  commonName: 'Isthmus test',
  serial: systemRandom.bytes(16),
  pathLength: 0,
  notBeforeMs: Date.now() - DAY,
  notAfterMs: Date.now() + 3650 * DAY,
})
/** What a strict server has: its own certificate, and our authority as the only one it trusts. */
const serverAuthority = testAuthority()
const serverLeaf = serverAuthority.issue({ dns: ['capulet.example'] })
const serverContext = createTlsContext({
  identity: { certificate: serverLeaf.certificatePem, key: serverLeaf.keyPem },
  ca: [authority.certificatePem],
  roots: 'none',
})

function certificates(
  more: { clock?: VirtualClock; limits?: Partial<typeof defaultLimits>; ca?: string[] } = {},
) {
  return new LegCertificates({
    authority,
    ca: more.ca ?? [serverAuthority.caPem],
    limits: { ...defaultLimits, ...more.limits },
    clock: more.clock ?? systemClock,
    random: systemRandom,
    isLocal: asked => asked === capulet,
  })
}

const listener: Server = createServer()
await new Promise<void>(resolve => listener.listen(0, '127.0.0.1', resolve))
afterAll(() => void listener.close())

/** STARTTLS between a context of ours and the server's, which of them dials. */
async function meet(ours: ReturnType<LegCertificates['contextFor']>, weDial = true) {
  const accepted = new Promise<Transport>(resolve =>
    listener.once('connection', socket => resolve(acceptTcp(socket, complianceLimits, systemClock))),
  )
  const { port } = listener.address() as AddressInfo
  const dialled = await dialTcp({
    address: '127.0.0.1',
    port,
    limits: complianceLimits,
    clock: systemClock,
    signal: new AbortController().signal,
    tls: null,
  })
  if (!dialled.ok) throw new Error('not dialled')
  const [initiating, receiving] = [dialled.transport, await accepted]
  for (const transport of [initiating, receiving]) transport.attach(new Recorder())
  const [atInitiating, atReceiving] = await Promise.all([
    initiating.startTls?.({
      role: 'initiating',
      servername: 'capulet.example',
      secureContext: weDial ? ours : serverContext,
    }),
    receiving.startTls?.({
      role: 'receiving',
      secureContext: weDial ? serverContext : ours,
      requestCertificate: true,
    }),
  ])
  for (const transport of [initiating, receiving]) transport.abort()
  const [atServer, atUs] = (weDial ? [atReceiving, atInitiating] : [atInitiating, atReceiving]) as TlsFacts[]
  if (atServer?.chain === undefined || atUs?.chain === undefined) throw new Error('no TLS')
  return { atServer, atUs, leaf: new X509Certificate(atServer.chain[0] ?? new Uint8Array()) }
}

describe('certificates of the leg to a local server', () => {
  it('prove a remote domain to a server that trusts our authority only, whoever dials', async () => {
    const context = certificates().contextFor(domain('montague.example'))
    for (const weDial of [true, false]) {
      const { atServer, leaf } = await meet(context, weDial)
      expect(atServer.nodeVerdict).toBe('authorized')
      expect(leaf.subjectAltName).toBe('DNS:montague.example')
    }
  })

  it('show what Node says of the server, by the authorities given and no others', async () => {
    const remote = domain('montague.example')
    expect((await meet(certificates().contextFor(remote))).atUs.nodeVerdict).toBe('authorized')
    expect((await meet(certificates().contextFor(remote), false)).atUs.nodeVerdict).toBe('INVALID_PURPOSE')
    for (const weDial of [true, false]) {
      const { atUs } = await meet(certificates({ ca: [] }).contextFor(remote), weDial)
      // Of who comes to us Node names the purpose first, whatever else there is: identity judges.
      expect(atUs.nodeVerdict).toBe(weDial ? 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' : 'INVALID_PURPOSE')
    }
  })

  it('pass openssl for both purposes and hold one dNSName in A-labels, nothing else (DECISIONS 15)', async () => {
    const { leaf } = await meet(certificates().contextFor(domain('bücher.example')))
    const ca = lab.write('ca.pem', authority.certificatePem)
    const path = lab.write('leaf.pem', leaf.toString())
    for (const purpose of ['sslserver', 'sslclient']) {
      const said = lab.run(
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca],
        ...['-verify_hostname', 'xn--bcher-kva.example', path],
      )
      expect(said).toContain('OK')
    }
    const text = lab.run('x509', '-in', path, '-noout', '-text')
    expect(text).toMatch(/X509v3 Subject Alternative Name: *\n +DNS:xn--bcher-kva\.example\n/)
    expect(text).toMatch(
      /X509v3 Extended Key Usage: *\n +TLS Web Server Authentication, TLS Web Client Authentication\n/,
    )
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/)
    expect(text).not.toContain('othername')
  })

  it('are kept until two days before their end, and made anew then', () => {
    const clock = new VirtualClock(Date.now())
    const kept = certificates({ clock })
    const remote = domain('montague.example')
    const first = kept.contextFor(remote)
    clock.advance(5 * DAY - 1)
    expect(kept.contextFor(remote)).toBe(first)
    clock.advance(1)
    const second = kept.contextFor(remote)
    expect(second).not.toBe(first)
    // Somebody set the clock back before its beginning.
    clock.stepWall(-DAY)
    expect(kept.contextFor(remote)).not.toBe(second)
  })

  it('live for a week', async () => {
    const before = Date.now()
    const { leaf } = await meet(certificates().contextFor(domain('montague.example')))
    const lifeMs = Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)
    expect(lifeMs).toBe(defaultLimits.legCertificateMs + defaultLimits.legBackdateMs)
    expect(Date.parse(leaf.validFrom)).toBeLessThan(before)
  })

  it('share one key, and no serial number', async () => {
    const kept = certificates()
    const one = await meet(kept.contextFor(domain('montague.example')))
    const other = await meet(kept.contextFor(domain('verona.example')))
    expect(one.leaf.publicKey.equals(other.leaf.publicKey)).toBe(true)
    expect(one.leaf.publicKey.equals(new X509Certificate(authority.certificate).publicKey)).toBe(false)
    expect(one.leaf.serialNumber).not.toBe(other.leaf.serialNumber)
  })

  it('are no more than the limit: the least recently used goes', () => {
    const kept = certificates({ limits: { legCertificates: 2 } })
    const [a, b, c] = ['a.example', 'b.example', 'c.example'].map(domain) as [Domain, Domain, Domain]
    const first = kept.contextFor(a)
    const second = kept.contextFor(b)
    expect(kept.contextFor(a)).toBe(first)
    kept.contextFor(c)
    expect(kept.contextFor(a)).toBe(first)
    expect(kept.contextFor(b)).not.toBe(second)
  })

  it('are never for a local domain', () => {
    expect(() => certificates().contextFor(capulet)).toThrow(TypeError)
  })
})
