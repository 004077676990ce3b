import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterAll, describe, expect, it } from 'vitest'
import { loadAuthority } from '../../../src/identity/index.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'

const folder = mkdtempSync(join(tmpdir(), 'isthmus-mint-'))
afterAll(() => rmSync(folder, { recursive: true }))

const file = (name: string, text: string) => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })

const authority = testAuthority()
const leaf = authority.issue({
  dns: ['capulet.example', '*.capulet.example'],
  srv: ['_xmpp-server.capulet.example'],
  xmpp: ['capulet.example'],
  ekus: ['serverAuth', 'clientAuth'],
})

describe('minted certificates', () => {
  it('pass openssl as server and as client, with the names wanted', () => {
    const ca = file('ca.pem', authority.caPem)
    const chain = file('chain.pem', leaf.certificatePem)
    const cert = file('leaf.pem', leaf.leafPem)
    for (const purpose of ['sslserver', 'sslclient']) {
      const said = openssl(
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, '-untrusted', chain],
        ...['-verify_hostname', 'rooms.capulet.example', cert],
      )
      expect(said).toContain('OK')
    }
    const text = openssl('x509', '-in', cert, '-noout', '-text')
    expect(text).toContain('othername: XmppAddr::capulet.example')
    expect(text).toContain('othername: SRVName::_xmpp-server.capulet.example')
    expect(text).toContain('DNS:capulet.example, DNS:*.capulet.example')
    expect(text).toMatch(/X509v3 Key Usage: critical\s+Digital Signature\n/)
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:FALSE/)
  })

  it('serve and accept mutual TLS in Node', async () => {
    const facts = await handshake(leaf, leaf)
    expect(facts).toEqual({ server: null, client: null })
  })

  it('take constraints, path lengths and key identifiers as openssl reads them', () => {
    const constrained = testAuthority({ permitted: ['capulet.example'] })
    const ca = file('constrained.pem', constrained.caPem)
    const verify = (issued: TestCertificate) =>
      openssl(
        ...['verify', '-purpose', 'sslserver', '-CAfile', ca],
        ...['-untrusted', file('c-chain.pem', issued.certificatePem), file('c-leaf.pem', issued.leafPem)],
      )
    expect(verify(constrained.issue({ dns: ['a.capulet.example'] }))).toContain('OK')
    expect(() => verify(constrained.issue({ dns: ['montague.example'] }))).toThrow(
      /permitted subtree violation/,
    )
  })

  it('write times before and after 2050 in the right type', () => {
    const notAfterMs = Date.UTC(2051, 1, 3, 4, 5, 6)
    const long = authority.issue({ dns: ['a.example'], notBeforeMs: Date.UTC(2049, 11, 31), notAfterMs })
    const read = new X509Certificate(long.leafPem)
    expect(Date.parse(read.validTo)).toBe(notAfterMs)
    expect(Date.parse(read.validFrom)).toBe(Date.UTC(2049, 11, 31))
    expect(Buffer.from(long.chainDer[0] ?? []).includes(Buffer.from('20510203040506Z'))).toBe(true)
    expect(Buffer.from(long.chainDer[0] ?? []).includes(Buffer.from('491231000000Z'))).toBe(true)
  })

  it('put names in a critical extension where there is no subject', () => {
    const nameless = authority.issue({ xmpp: ['capulet.example'] })
    const text = openssl('x509', '-in', file('n.pem', nameless.leafPem), '-noout', '-text')
    expect(text).toContain('X509v3 Subject Alternative Name: critical')
    expect(text).toMatch(/Subject: *\n/)
  })

  it('keep a key that is given, and load an authority again', () => {
    const again = authority.issue({ dns: ['a.example'], keyPem: leaf.keyPem })
    expect(createPrivateKey(again.keyPem).equals(createPrivateKey(leaf.keyPem))).toBe(true)
    const loaded = loadAuthority(authority.signer)
    expect(Buffer.from(loaded.subject)).toEqual(Buffer.from(authority.signer.subject))
    expect(Buffer.compare(loaded.keyIdentifier, authority.signer.keyIdentifier)).toBe(0)
    expect(() => loadAuthority({ certificatePem: 'nothing', keyPem: leaf.keyPem })).toThrow(TypeError)
  })
})

function handshake(server: TestCertificate, client: TestCertificate) {
  return new Promise((resolve, reject) => {
    const listener = tls.createServer(
      { ...server.secureContextOptions, requestCert: true, rejectUnauthorized: false },
      socket => {
        socket.on('error', () => {})
        result.server = socket.authorizationError ?? null
        socket.end('x')
      },
    )
    const result: { server: unknown; client: unknown } = { server: undefined, client: undefined }
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      const port = typeof address === 'object' && address ? address.port : 0
      const socket = tls.connect({
        ...client.secureContextOptions,
        port,
        host: '127.0.0.1',
        servername: 'capulet.example',
        rejectUnauthorized: false,
      })
      socket.on('secureConnect', () => {
        result.client = socket.authorizationError ?? null
      })
      socket.on('error', reject)
      socket.on('close', () => listener.close(() => resolve(result)))
      socket.resume()
    })
  })
}
