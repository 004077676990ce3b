import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { describeConfig } from '../../../src/gateway/config/config.ts'
import { type Loaded, loadConfig } from '../../../src/gateway/config/load.ts'
import { renderProblems } from '../../../src/gateway/config/problem.ts'
import { testAuthority } from '../../kit/authority.ts'

const authority = testAuthority()
const names = ['capulet.example', 'rooms.capulet.example']
const capulet = authority.issue({ dns: names })
const other = authority.issue({ dns: ['paris.example'] })
const DAY_MS = 86_400_000

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-load-'))
  file('ca.pem', authority.caPem)
  file('capulet.pem', capulet.certificatePem)
  file('capulet.key', capulet.keyPem, 0o600)
  file('other.pem', other.certificatePem)
  file('other.key', other.keyPem, 0o600)
  file('open.key', capulet.keyPem, 0o644)
  file('empty.pem', '')
  file('words.pem', 'not a certificate')
  file('broken.pem', '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string, mode = 0o644): string {
  writeFileSync(join(folder, name), text)
  chmodSync(join(folder, name), mode)
  return join(folder, name)
}

const parts = {
  listen: '[[listen]]\naddress = "127.0.0.1:8443"',
  trust: '[trust]\nca = ["ca.pem"]',
  domain: [
    '[[domain]]',
    'name = "capulet.example"',
    'also = ["rooms.capulet.example"]',
    'url = "wss://capulet.example:8443/s2s"',
    'certificate = "capulet.pem"',
    'key = "capulet.key"',
    'host = "embedded"',
  ].join('\n'),
  more: '',
}

/** A configuration that is right but for what `change` says. */
function load(change: Partial<typeof parts> = {}, nowMs = Date.now()): Loaded {
  const path = file('isthmus.toml', Object.values({ ...parts, ...change }).join('\n'))
  return loadConfig(path, {}, nowMs)
}

/** 'severity path: expected, got, hint' of each problem */
function said(loaded: Loaded): string[] {
  return (loaded.ok ? loaded.warnings : loaded.problems).map(({ severity, path, expected, got }) =>
    [severity, path, expected, got].join(' | ').replaceAll(folder, ''),
  )
}

describe('loadConfig', () => {
  it('reads the files that it names, relative to itself', () => {
    const loaded = load({ more: '[limits]\nstanza_bytes = "64KiB"\ndrain = "3s"' })
    if (!loaded.ok) throw new Error(renderProblems('isthmus.toml', loaded.problems))
    expect(loaded.warnings).toEqual([])
    const { config } = loaded
    expect(config.domains[0]?.identity?.certificate).toEqual({
      path: join(folder, 'capulet.pem'),
      pem: capulet.certificatePem,
    })
    expect(config.trust.ca[0]?.pem).toBe(authority.caPem)
    expect(config.limits).toEqual({ ...defaultLimits, stanzaBytes: 65_536, drainMs: 3_000 })
    expect(config.admin.socket).toBeNull()
  })

  it('places the admin socket relative to itself too', () => {
    const loaded = load({ more: '[admin]\nsocket = "run/a.sock"' })
    expect(loaded.ok && loaded.config.admin.socket).toBe(join(folder, 'run/a.sock'))
    const off = load({ more: '[admin]\nsocket = "off"' })
    expect(off.ok && off.config.admin.socket).toBe('off')
  })

  it('shows a configuration without its keys', () => {
    const loaded = load()
    if (!loaded.ok) throw new Error('refused')
    const text = JSON.stringify(describeConfig(loaded.config))
    expect(text).toContain('capulet.key (redacted)')
    expect(text).not.toContain('PRIVATE KEY')
    expect(text).not.toContain('BEGIN')
  })

  const domain = (change: Record<string, string>) =>
    Object.entries(change).reduce(
      (text, [key, value]) => text.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = ${value}`),
      parts.domain,
    )

  it.each<[string, Partial<typeof parts>, string[]]>([
    [
      'files that are not there, all of them',
      { trust: '[trust]\nca = ["no.pem"]', domain: domain({ certificate: '"no.pem"', key: '"no.key"' }) },
      [
        'error | trust.ca[0] | a readable file | no such file',
        'error | domain[0].certificate | a readable file | no such file',
        'error | domain[0].key | a readable file | no such file',
      ],
    ],
    [
      'a directory and an empty file',
      { trust: '[trust]\nca = ["."]', domain: domain({ certificate: '"empty.pem"' }) },
      [
        'error | trust.ca[0] | a readable file | a directory',
        'error | domain[0].certificate | a file in PEM | an empty file',
      ],
    ],
    [
      'authorities that are none',
      { trust: '[trust]\nca = ["words.pem"]\nintermediates = ["broken.pem"]' },
      [
        'error | trust.ca[0] | certificates in PEM | the text contains no PEM certificate',
        expect.stringMatching(
          /^error \| trust\.intermediates\[0] \| certificates in PEM \| certificate 1 is malformed/,
        ),
        expect.stringMatching(/^warning \| domain\[0].certificate/),
      ],
    ],
    [
      'a certificate that is none',
      { domain: domain({ certificate: '"words.pem"' }) },
      ['error | domain[0].certificate | a certificate in PEM | no certificate'],
    ],
    [
      'a certificate that cannot be read',
      { domain: domain({ certificate: '"broken.pem"' }) },
      [
        'error | domain[0].certificate | a certificate in PEM | a certificate that cannot be read',
        expect.stringMatching(/^warning \| domain\[0].certificate/),
      ],
    ],
    [
      'the key of another certificate',
      { domain: domain({ key: '"other.key"' }) },
      ['error | domain[0].key | the private key of the certificate | the key of another one'],
    ],
    [
      'certificate and key in each other’s place',
      { domain: domain({ certificate: '"capulet.key"', key: '"capulet.pem"' }) },
      [
        'error | domain[0].certificate | a certificate in PEM | no certificate',
        'warning | domain[0].key | a file that only its owner reads | mode 0644',
      ],
    ],
    [
      'a key that others can read: a warning',
      { domain: domain({ key: '"open.key"' }) },
      ['warning | domain[0].key | a file that only its owner reads | mode 0644'],
    ],
    [
      'a certificate for another name: a warning, because serving starts (DECISIONS 17)',
      { domain: domain({ certificate: '"other.pem"', key: '"other.key"' }) },
      [
        "warning | domain[0].certificate | a chain that peers accept for capulet.example | name-mismatch: none of the certificate's names is capulet.example",
        "warning | domain[0].certificate | a chain that peers accept for rooms.capulet.example | name-mismatch: none of the certificate's names is rooms.capulet.example",
      ],
    ],
    [
      'an authority that is not trusted here: a warning, once',
      { trust: '' },
      [
        expect.stringMatching(
          /^warning \| domain\[0].certificate \| a chain that peers accept for capulet\.example, rooms\.capulet\.example \| untrusted: /,
        ),
      ],
    ],
    ['no domain', { domain: '' }, ['error | domain | at least one [[domain]] | none']],
    [
      'a domain that stands twice',
      { domain: domain({ also: '["capulet.example"]' }) },
      ['error | domain[0].also[0] | a domain that stands once | "capulet.example"'],
    ],
    [
      'an address that stands twice',
      { listen: `${parts.listen}\n${parts.listen}` },
      ['error | listen[1].address | an address that stands once | "127.0.0.1:8443"'],
    ],
    [
      'a listener that nobody would come to',
      { domain: parts.domain.replace(/^url = .*$/m, '') },
      ['error | domain[0].url | a wss URL on at least one domain | none'],
    ],
    [
      'a url whose port nobody listens on: a warning',
      { domain: domain({ url: '"wss://capulet.example/s2s"' }) },
      ['warning | domain[0].url | a port that is listened on, not 443 | [[listen]] on 8443'],
    ],
    [
      'no listener that asks for certificates',
      { listen: `${parts.listen}\nclient_certificates = "off"` },
      [],
    ],
    [
      'an endpoint of a domain that is served here',
      { more: '[[endpoint]]\ndomain = "rooms.capulet.example"\nurl = "wss://127.0.0.1:1/"' },
      ['error | endpoint[0].domain | a remote domain | "rooms.capulet.example"'],
    ],
    [
      'limits that contradict each other',
      {
        more: '[limits]\nstanza_bytes = "10000B"\npre_auth_stanza_bytes = "20000B"\nconnect = "2m"\nmax_stream_age = "20ms"',
      },
      [
        'error | limits.pre_auth_stanza_bytes | at most limits.stanza_bytes | more',
        'error | limits.connect | at most limits.attempt | more',
        'error | limits.max_stream_age | 0ms for none, or at least 1s | 20 ms',
      ],
    ],
  ])('%s', (_, change, expected) => {
    expect(said(load(change))).toEqual(expected)
  })

  it('warns of a certificate that has expired', () => {
    const loaded = load({}, Date.now() + 2 * DAY_MS)
    expect(loaded.ok).toBe(true)
    expect(said(loaded)).toEqual([expect.stringContaining('| expired: ')])
  })

  it('knows a key that TLS itself refuses', () => {
    // OpenSSL's level 1 wants 1024 bits.
    const made = ['-keyout', join(folder, 'small.key'), '-out', join(folder, 'small.pem')]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:512', '-nodes', '-subj', '/CN=small', ...made], {
      stdio: 'pipe',
    })
    chmodSync(join(folder, 'small.key'), 0o600)
    const loaded = load({ domain: domain({ certificate: '"small.pem"', key: '"small.key"' }) })
    expect(said(loaded)[0]).toMatch(
      /^error \| domain\[0].certificate \| a chain and key that TLS accepts \| .*too small/,
    )
  })
})
