import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readOptions } from '../../../src/federation/index.ts'
import { type Config, describeConfig } from '../../../src/gateway/config/config.ts'
import { type Loaded, loadConfig } from '../../../src/gateway/config/load.ts'
import { renderProblems } from '../../../src/gateway/config/problem.ts'
import { federationOptions } from '../../../src/gateway/gateway.ts'
import { testAuthority } from '../../kit/authority.ts'

// Where TLS ends before us: `tls = false` and what it needs, what then proves whom, and domains without a certificate.

const authority = testAuthority()

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-front-'))
  const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example'] })
  for (const [name, text] of Object.entries({
    'ca.pem': authority.caPem,
    'c.pem': certificatePem,
    'c.key': keyPem,
  })) {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), 0o600)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

const SECRET = 'c'.repeat(32)
const PAIR = 'certificate = "c.pem"\nkey = "c.key"'
/** A proxy that comes by TLS, and one that shows a certificate there. */
const WITHIN_TLS = 'address = "127.0.0.1:8443"\ntrusted_proxies = ["10.0.0.0/8"]'
const MUTUAL = `${WITHIN_TLS}\nproxy_ca = "ca.pem"`
const FURTHER = '[[domain]]\nname = "paris.example"\nhost = "embedded"'
const DIALBACK_SECRET = `dialback_secret = "${SECRET}"`

/** Parts of a configuration behind a proxy in which nothing is wrong, each the lines of its section. */
const parts = {
  top: DIALBACK_SECRET,
  listen: 'address = "127.0.0.1:8080"\ntls = false\ntrusted_proxies = ["10.0.0.0/8"]',
  domain: 'url = "wss://capulet.example/s2s"',
  more: '',
}

function load(change: Partial<typeof parts> = {}, environment: Record<string, string> = {}): Loaded {
  const { top, listen, domain, more } = { ...parts, ...change }
  const text = [
    top,
    listen === '' ? '' : `[[listen]]\n${listen}`,
    '[trust]\nca = ["ca.pem"]',
    `[[domain]]\nname = "capulet.example"\nhost = "embedded"\n${domain}`,
    more,
  ].join('\n')
  writeFileSync(join(folder, 'isthmus.toml'), text)
  return loadConfig(join(folder, 'isthmus.toml'), environment)
}

function configOf(loaded: Loaded): Config {
  if (!loaded.ok) throw new Error(renderProblems('isthmus.toml', loaded.problems))
  return loaded.config
}

/** 'severity path: expected, got' of each problem */
function said(loaded: Loaded): string[] {
  return (loaded.ok ? loaded.warnings : loaded.problems).map(
    ({ severity, path, expected, got }) => `${severity} | ${path} | ${expected} | ${got}`,
  )
}

describe('a listener behind a proxy', () => {
  it('needs its addresses, and no certificate', () => {
    const loaded = load()
    expect(said(loaded)).toEqual([])
    const { listen, domains } = configOf(loaded)
    expect(listen).toEqual([
      {
        address: '127.0.0.1:8080',
        clientCertificates: 'request',
        proxy: {
          tls: false,
          trusted: ['10.0.0.0/8'],
          ca: null,
          forwarded: 'x-forwarded',
          hops: 1,
          certificate: null,
          secret: null,
        },
      },
    ])
    expect(domains).toMatchObject([{ identity: null, reachable: true }])
  })

  it('takes its port, and all else, from the environment', () => {
    const listen =
      'address = "0.0.0.0:$P"\ntls = "$T"\ntrusted_proxies = ["$N"]\nforwarded_hops = "$H"\nproxy_secret = "$S"'
    const environment = { P: '10000', T: 'false', N: 'fc00::/7', H: '2', S: SECRET }
    const loaded = load({ listen: listen.replace(/\$(\w)/g, '$${$1}') }, environment)
    expect(said(loaded)).toEqual([])
    expect(configOf(loaded).listen).toMatchObject([
      { address: '0.0.0.0:10000', proxy: { trusted: ['fc00::/7'], hops: 2, secret: SECRET } },
    ])
  })

  it('may be a unix socket, named relative to the file, where nobody needs to be named', () => {
    const loaded = load({ listen: 'address = "unix:run/front.sock"\ntls = false' })
    expect(said(loaded)).toEqual([])
    expect(configOf(loaded).listen[0]?.address).toBe(`unix:${join(folder, 'run/front.sock')}`)
  })

  it('reaches the library with all that it says', () => {
    const listen = `${parts.listen}\nforwarded = "forwarded"\nforwarded_hops = 3\nforwarded_certificate = "xfcc"\nproxy_secret = "${SECRET}"`
    const config = configOf(
      load({
        top: `dialback = "off"\nbidi = true\nstream_management = false\n${DIALBACK_SECRET}`,
        listen,
        domain: `${parts.domain}\n${PAIR}`,
      }),
    )
    expect(readOptions(federationOptions(config))).toMatchObject({
      listen: [
        {
          address: '127.0.0.1',
          port: 8080,
          unix: false,
          proxy: {
            trusted: ['10.0.0.0/8'],
            fields: 'forwarded',
            hops: 3,
            certificate: 'xfcc',
            secret: SECRET,
          },
        },
      ],
      domains: [{ identity: { certificate: expect.stringContaining('BEGIN') }, reachable: true }],
      dialback: null,
      bidi: true,
      streamManagement: false,
    })
    const mutual = configOf(load({ listen: MUTUAL, domain: `${parts.domain}\n${PAIR}` }))
    expect(readOptions(federationOptions(mutual))).toMatchObject({
      listen: [{ proxy: { tls: true, ca: authority.caPem, trusted: ['10.0.0.0/8'], secret: null } }],
    })
    const socket = configOf(load({ listen: 'address = "unix:run/front.sock"\ntls = false' }))
    expect(readOptions(federationOptions(socket))).toMatchObject({
      listen: [{ address: join(folder, 'run/front.sock'), unix: true }],
      domains: [{ identity: null }],
      dialback: { secret: SECRET },
      bidi: null,
      streamManagement: true,
    })
  })

  it('hides the path of no proxy behind warnings for ports, and asks no browser for a certificate', () => {
    const proxy = '[[proxy]]\npath = "/http-bind"\nto = "http://127.0.0.1:5280"'
    expect(said(load({ more: proxy }))).toEqual([])
    // The same where TLS ends here says both.
    const here = load({
      listen: 'address = "127.0.0.1:8443"',
      domain: `${parts.domain}\n${PAIR}`,
      more: proxy,
    })
    expect(said(here).map(line => line.split(' | ')[1])).toEqual([
      'listen[0].client_certificates',
      'domain[0].url',
    ])
  })
})

describe('what is wrong in front of a listener', () => {
  const behind = (...lines: string[]) => [parts.listen, ...lines].join('\n')
  it.each<[string, Partial<typeof parts>, string[]]>([
    [
      'a proxy that is nobody',
      { listen: 'address = "127.0.0.1:8080"\ntls = false' },
      ['error | listen[0].trusted_proxies | the addresses of the proxy | none'],
    ],
    [
      'a proxy that is nobody, said outright',
      { listen: 'address = "127.0.0.1:8080"\ntls = false\ntrusted_proxies = []' },
      ['error | listen[0].trusted_proxies | the addresses of the proxy | none'],
    ],
    [
      'keys of a proxy where there is none',
      {
        listen: [
          'address = "127.0.0.1:443"',
          'proxy_ca = "ca.pem"',
          'forwarded = "x-forwarded"',
          'forwarded_hops = 1',
          'forwarded_certificate = "nginx"',
          `proxy_secret = "${SECRET}"`,
        ].join('\n'),
        domain: `${parts.domain}\n${PAIR}`,
      },
      ['proxy_ca', 'forwarded', 'forwarded_hops', 'forwarded_certificate', 'proxy_secret'].map(
        key => `error | listen[0].${key} | trusted_proxies beside it | none`,
      ),
    ],
    [
      'a unix socket where TLS ends here',
      { listen: 'address = "unix:front.sock"', domain: `${parts.domain}\n${PAIR}` },
      ['error | listen[0].address | tls = false beside a unix socket | tls = true'],
    ],
    [
      'asking for certificates where TLS does not end here',
      { listen: behind('client_certificates = "request"') },
      ['error | listen[0].client_certificates | no proxy in front | tls = false'],
    ],
    [
      'a forwarded certificate of whoever has the address (DECISIONS 25)',
      { listen: behind('forwarded_certificate = "rfc9440"') },
      [
        'error | listen[0].forwarded_certificate | proxy_secret or proxy_ca beside it, or a unix socket | none',
      ],
    ],
    [
      'a forwarded certificate over a hop that proves itself',
      { listen: behind('forwarded_certificate = "rfc9440"', `proxy_secret = "${SECRET}"`) },
      [],
    ],
    [
      'a forwarded certificate over a unix socket',
      { listen: 'address = "unix:front.sock"\ntls = false\nforwarded_certificate = "alb"' },
      [],
    ],
    [
      'a forwarded certificate of a proxy that shows its own',
      { listen: `${MUTUAL}\nforwarded_certificate = "xfcc"`, domain: `${parts.domain}\n${PAIR}` },
      [],
    ],
    [
      'a proxy that shows its certificate, of anybody',
      { listen: MUTUAL.replace('10.0.0.0/8', '0.0.0.0/0'), domain: `${parts.domain}\n${PAIR}` },
      [],
    ],
    [
      'a proxy that comes by TLS, and is nobody',
      { listen: MUTUAL.replace('"10.0.0.0/8"', ''), domain: `${parts.domain}\n${PAIR}` },
      ['error | listen[0].trusted_proxies | the addresses of the proxy | none'],
    ],
    [
      'a proxy that comes by TLS and shows a secret',
      {
        listen: `${WITHIN_TLS}\nforwarded_certificate = "alb"\nproxy_secret = "${SECRET}"`,
        domain: `${parts.domain}\n${PAIR}`,
      },
      [],
    ],
    [
      'a forwarded certificate of whoever has the address, within TLS',
      { listen: `${WITHIN_TLS}\nforwarded_certificate = "alb"`, domain: `${parts.domain}\n${PAIR}` },
      [
        'error | listen[0].forwarded_certificate | proxy_secret or proxy_ca beside it, or a unix socket | none',
      ],
    ],
    [
      'a proxy that comes by TLS, for which there is no certificate',
      { listen: MUTUAL },
      ['error | domain[0].certificate | a certificate for the domain | none'],
    ],
    [
      'a certificate of a proxy that comes by plain HTTP',
      { listen: behind('proxy_ca = "ca.pem"') },
      ['error | listen[0].proxy_ca | tls = true beside it | tls = false'],
    ],
    [
      'the authority of a proxy that is none',
      {
        listen: MUTUAL.replace('ca.pem', 'c.key'),
        domain: `${parts.domain}\n${PAIR}`,
      },
      [expect.stringMatching(/^error \| listen\[0\]\.proxy_ca \| certificates in PEM/)],
    ],
    [
      'asking clients for certificates where the proxy shows its own',
      { listen: `${MUTUAL}\nclient_certificates = "request"`, domain: `${parts.domain}\n${PAIR}` },
      ['error | listen[0].client_certificates | no proxy in front | trusted_proxies'],
    ],
    [
      'a secret that can be guessed: a warning, without it',
      { listen: behind('proxy_secret = "hunter2"') },
      ['warning | listen[0].proxy_secret | at least 16 characters | 7'],
    ],
    [
      'everybody trusted: warnings',
      { listen: 'address = "[::]:8080"\ntls = false\ntrusted_proxies = ["0.0.0.0/0", "10.0.0.0/8", "::/0"]' },
      [
        'warning | listen[0].trusted_proxies[0] | the addresses of the proxy | "0.0.0.0/0"',
        'warning | listen[0].trusted_proxies[2] | the addresses of the proxy | "::/0"',
      ],
    ],
    [
      'everybody trusted who knows the secret',
      {
        listen: `address = "[::]:8080"\ntls = false\ntrusted_proxies = ["0.0.0.0/0"]\nproxy_secret = "${SECRET}"`,
      },
      [],
    ],
    [
      'TLS for a domain without a certificate',
      { listen: 'address = "127.0.0.1:443"' },
      ['error | domain[0].certificate | a certificate for the domain | none'],
    ],
    [
      'a socket that stands twice',
      { listen: 'address = "unix:a.sock"\ntls = false', more: '[admin]\nsocket = "a.sock"' },
      [expect.stringMatching(/^error \| admin\.socket \| an address that stands once \| ".*\/a\.sock"$/)],
    ],
    [
      'a socket whose name the system does not take',
      { listen: `address = "unix:/${'a'.repeat(107)}"\ntls = false` },
      ['error | listen[0].address | a path of at most 107 bytes | 108 bytes'],
    ],
    [
      'values that are none, and no secret among them',
      {
        top: 'dialback_secret = ""\nbidi = "yes"',
        listen: behind('forwarded_hops = 0', `proxy_secret = " ${SECRET}"`).replace('10.0.0.0/8', '10.0.0.0'),
      },
      [
        'error | dialback_secret | a secret | ""',
        'error | bidi | true or false | "yes"',
        'error | listen[0].trusted_proxies[0] | a CIDR block such as "10.0.0.0/8" | "10.0.0.0"',
        'error | listen[0].forwarded_hops | a number | 0',
        'error | listen[0].proxy_secret | a secret | (a secret)',
      ],
    ],
  ])('%s', (_, change, expected) => {
    expect(said(load(change))).toEqual(expected)
  })
})

describe('what proves whom', () => {
  it.each<[string, Partial<typeof parts>, string[]]>([
    [
      'no secret of dialback where deploys overlap: a warning',
      { top: '' },
      ['warning | dialback_secret | a secret that all gateways of the domain share | none'],
    ],
    [
      'a secret of dialback that can be guessed: a warning, without it',
      { top: 'dialback_secret = "hunter2"' },
      ['warning | dialback_secret | at least 16 characters | 7'],
    ],
    [
      'a further domain that only dials out and has no proof, told once',
      { listen: 'address = "127.0.0.1:443"', domain: `${parts.domain}\n${PAIR}`, more: FURTHER },
      ['error | domain[1].certificate | a certificate for the domain | none'],
    ],
    [
      'neither a certificate, nor dialback, nor a proxy, told once',
      { top: 'dialback = "off"', listen: 'address = "127.0.0.1:443"' },
      ['error | domain[0].certificate | a certificate for the domain | none'],
    ],
    [
      'a certificate without its key',
      { domain: `${parts.domain}\ncertificate = "c.pem"` },
      ['error | domain[0].key | a file | nothing'],
    ],
    [
      'a key without its certificate',
      { domain: `${parts.domain}\nkey = "c.key"` },
      ['error | domain[0].certificate | a file | nothing'],
    ],
    [
      'neither a certificate nor dialback; and no peer could prove itself: a warning',
      { top: 'dialback = "off"' },
      [
        'error | domain[0].certificate | a certificate for the domain | none',
        'warning | dialback | "verified-tls", or a listener that sees certificates of clients | "off", and no such listener',
      ],
    ],
    [
      'no dialback, and certificates forwarded',
      {
        top: 'dialback = "off"',
        listen: `${parts.listen}\nforwarded_certificate = "nginx"\nproxy_secret = "${SECRET}"`,
        domain: `${parts.domain}\n${PAIR}`,
      },
      [],
    ],
    [
      'no dialback, and certificates not asked for: a warning',
      {
        top: 'dialback = "off"',
        listen: 'address = "127.0.0.1:443"\nclient_certificates = "off"',
        domain: `${parts.domain}\n${PAIR}`,
      },
      [
        'warning | dialback | "verified-tls", or a listener that sees certificates of clients | "off", and no such listener',
      ],
    ],
    [
      'no dialback, and certificates asked for',
      {
        top: 'dialback = "off"',
        listen: 'address = "127.0.0.1:443"',
        domain: `${parts.domain}\n${PAIR}`,
      },
      [],
    ],
    ['a domain that only dials out, with a certificate', { top: '', listen: '', domain: PAIR }, []],
    [
      'a domain that only dials out and has no proof',
      { listen: '', domain: '' },
      ['error | domain[0].certificate | a certificate for the domain | none'],
    ],
    [
      'a domain that nobody can dial, and to which nothing would come back: a warning',
      { top: 'bidi = false', listen: '', domain: PAIR },
      ['warning | bidi | true, or nothing | false'],
    ],
    [
      'reachable nowhere',
      { listen: '', domain: `reachable = true\n${PAIR}` },
      ['error | domain[0].reachable | a url beside it | none'],
    ],
    [
      'unreachable where it says',
      { domain: `${parts.domain}\nreachable = false\n${PAIR}` },
      ['error | domain[0].reachable | no url beside it | "wss://capulet.example/s2s"'],
    ],
  ])('%s', (_, change, expected) => {
    expect(said(load(change))).toEqual(expected)
  })

  it('is not shown with the configuration', () => {
    const listen = `${parts.listen}\nproxy_secret = "${SECRET}"`
    const described = describeConfig(configOf(load({ listen })))
    expect(described).toMatchObject({
      dialbackSecret: '(redacted)',
      listen: [{ proxy: { secret: '(redacted)' } }],
      domains: [{ certificate: null, key: null }],
    })
    expect(JSON.stringify(described)).not.toContain(SECRET)
    expect(describeConfig(configOf(load({ top: '' })))).toMatchObject({
      dialbackSecret: null,
      listen: [{ proxy: { secret: null } }],
    })
  })
})
