import { X509Certificate } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { systemRandom } from '../../../src/base/system.ts'
import { legAuthority } from '../../../src/gateway/leg-authority.ts'
import { issue } from '../../../src/identity/index.ts'
import { testAuthority } from '../../kit/authority.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { OpensslLab } from '../../kit/openssl.ts'

const lab = new OpensslLab()
const folder = mkdtempSync(join(tmpdir(), 'isthmus-authority-'))
afterAll(() => {
  lab.dispose()
  rmSync(folder, { recursive: true })
})

const DAY = 86_400_000
const clock = new VirtualClock(Date.now())
let count = 0
const fresh = () => join(folder, `${++count}`, 'isthmus-authority')
const at = (directory: string, when = clock) =>
  legAuthority({ directory, limits: defaultLimits, clock: when, random: systemRandom })
const modeOf = (path: string) => statSync(path).mode & 0o777

function made(directory = fresh()) {
  const result = at(directory)
  if ('problem' in result) throw new Error(result.problem)
  return { ...result, directory, certificate: join(directory, 'ca.pem'), key: join(directory, 'ca.key') }
}
function problemOf(result: ReturnType<typeof at>): string {
  return 'problem' in result ? result.problem : 'none'
}

describe('the authority towards a local server', () => {
  it('is made once, its key for its owner alone, and is the same afterwards', () => {
    const { authority, path, directory, certificate, key } = made()
    expect([modeOf(directory), modeOf(certificate), modeOf(key)]).toEqual([0o700, 0o644, 0o600])
    expect(path).toBe(certificate)
    expect(readdirSync(directory).sort()).toEqual(['ca.key', 'ca.pem'])
    const again = made(directory)
    expect(again.authority.certificatePem).toBe(authority.certificatePem)
    expect(again.authority.keyPem).toBe(authority.keyPem)
    expect(made().authority.certificatePem).not.toBe(authority.certificatePem)
  })

  it('lasts for ten years and certifies hosts only; openssl accepts what it signs', () => {
    const { authority, certificate } = made()
    const read = new X509Certificate(authority.certificatePem)
    expect(read.ca).toBe(true)
    expect(Math.round((Date.parse(read.validTo) - clock.wallMs()) / DAY)).toBe(3650)
    const leaf = issue(authority, {
      dnsNames: ['montague.example'],
      ekus: ['serverAuth', 'clientAuth'],
      notBeforeMs: Date.now() - DAY / 24,
      notAfterMs: Date.now() + DAY,
      serial: systemRandom.bytes(16),
    })
    const path = lab.write('leaf.pem', leaf.certificatePem)
    expect(
      lab.run('verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', certificate, path),
    ).toContain('OK')
    const text = lab.run('x509', '-in', certificate, '-noout', '-text')
    expect(text).toMatch(/X509v3 Basic Constraints: critical\s+CA:TRUE, pathlen:0/)
  })

  it('is refused where its key is open to others', () => {
    const { directory, key } = made()
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(key, mode)
      expect(problemOf(at(directory))).toContain(`${key} is open to others than its owner (chmod 600)`)
    }
    chmodSync(key, 0o400)
    expect(problemOf(at(directory))).toBe('none')
  })

  it('is refused in a directory that others may write to', () => {
    const { directory } = made()
    chmodSync(directory, 0o770)
    expect(problemOf(at(directory))).toBe(`${directory} is writable by others (chmod 700)`)
  })

  it('is never made anew where one half is lost', () => {
    for (const half of ['ca.pem', 'ca.key']) {
      const { directory } = made()
      rmSync(join(directory, half))
      expect(problemOf(at(directory))).toContain(`is there without ${join(directory, half)}`)
      expect(existsSync(join(directory, half))).toBe(false)
    }
  })

  it('is refused where the two do not fit, cannot be read, or are something else', () => {
    const { directory, certificate, key } = made()
    const [certificatePem, keyPem] = [readFileSync(certificate), readFileSync(key)]
    writeFileSync(key, made().authority.keyPem)
    expect(problemOf(at(directory))).toBe(
      `${key}: expected the private key of the certificate, got the key of another one`,
    )
    writeFileSync(key, '')
    expect(problemOf(at(directory))).toContain(`${key}: expected a private key in PEM`)
    writeFileSync(key, keyPem)
    writeFileSync(certificate, 'text')
    expect(problemOf(at(directory))).toBe(`${certificate}: expected a certificate in PEM, got no certificate`)
    const leaf = testAuthority().issue({ dns: ['capulet.example'] })
    writeFileSync(certificate, leaf.leafPem)
    writeFileSync(key, leaf.keyPem)
    expect(problemOf(at(directory))).toBe(`${certificate} is not an authority`)
    const rsa = lab.make({
      subject: '/CN=RSA',
      key: lab.key('rsa', 'RSA-2048'),
      extensions: ['basicConstraints=critical,CA:TRUE'],
    })
    writeFileSync(certificate, rsa.pem)
    writeFileSync(key, rsa.key.pem)
    expect(problemOf(at(directory))).toBe(`${certificate} has no P-256 key`)
    writeFileSync(certificate, certificatePem)
    writeFileSync(key, keyPem)
    expect(problemOf(at(directory))).toBe('none')
  })

  it('is refused once what it would sign outlives it, and before its time', () => {
    const { directory, certificate } = made()
    const later = new VirtualClock(clock.wallMs() + 3650 * DAY - defaultLimits.legCertificateMs - 60_000)
    expect(problemOf(at(directory, later))).toBe('none')
    later.advance(120_000)
    expect(problemOf(at(directory, later))).toContain(`${certificate} ends on `)
    expect(problemOf(at(directory, new VirtualClock(clock.wallMs() - DAY)))).toContain('is the clock right?')
  })

  it('says what stands in the way', () => {
    const directory = fresh()
    mkdirSync(join(directory, '..'), { recursive: true })
    writeFileSync(directory, 'a file')
    expect(problemOf(at(directory))).toContain(`${directory} cannot be made: EEXIST`)
    expect(problemOf(at(join(directory, 'below')))).toContain('cannot be made: ENOTDIR')
  })

  it('is made where a process was killed at it before', () => {
    const directory = fresh()
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(join(directory, 'ca.key.new'), 'half a k', { mode: 0o666 })
    const { key } = made(directory)
    expect(modeOf(key)).toBe(0o600)
    expect(readdirSync(directory).sort()).toEqual(['ca.key', 'ca.pem'])
  })
})
