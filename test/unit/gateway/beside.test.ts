import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collide, reaches } from '../../../src/gateway/config/address.ts'
import { type Config, describeConfig } from '../../../src/gateway/config/config.ts'
import { type Loaded, loadConfig } from '../../../src/gateway/config/load.ts'
import { renderProblems } from '../../../src/gateway/config/problem.ts'
import { testAuthority } from '../../kit/authority.ts'

// What stands beside the gateway: [domain.server], [domain.component], [steering], [[proxy]].

const authority = testAuthority()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-beside-'))
  const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example', 'paris.example'] })
  writeFileSync(join(folder, 'ca.pem'), authority.caPem)
  writeFileSync(join(folder, 'c.pem'), certificatePem)
  writeFileSync(join(folder, 'words.pem'), 'words')
  writeFileSync(join(folder, 'c.key'), keyPem)
  chmodSync(join(folder, 'c.key'), 0o600)
})
afterAll(() => rmSync(folder, { recursive: true }))

const LISTEN = '[[listen]]\naddress = "127.0.0.1:443"\nclient_certificates = "request"'
const domain = (host: string, more = '', name = 'capulet.example') =>
  `[[domain]]\nname = "${name}"\nurl = "wss://${name}/s2s"\ncertificate = "c.pem"\nkey = "c.key"\nhost = "${host}"\n${more}`
const server = (more = '') => domain('server', `[domain.server]\naddress = "127.0.0.1:5269"\n${more}`)
const SECRET = 'a secret of two dozen characters'
const component = (more = '', name?: string) =>
  domain('component', `[domain.component]\nsecret = "${SECRET}"\n${more}`, name)

function load(...parts: string[]): Loaded {
  const path = join(folder, 'isthmus.toml')
  writeFileSync(path, ['[trust]\nca = ["ca.pem"]', ...parts].join('\n'))
  return loadConfig(path, {})
}

function loaded(...parts: string[]): Config {
  const result = load(...parts)
  if (!result.ok) throw new Error(renderProblems('isthmus.toml', result.problems))
  return result.config
}

function said(result: Loaded): string[] {
  return (result.ok ? result.warnings : result.problems).map(({ severity, path, expected, got }) =>
    [severity, path, expected, got].join(' | ').replaceAll(folder, ''),
  )
}

describe('what stands beside the gateway', () => {
  it('a server, with its defaults', () => {
    expect(loaded(LISTEN, server()).domains[0]?.host).toEqual({
      kind: 'server',
      address: { host: '127.0.0.1', port: 5269 },
      listen: [
        { host: '127.0.0.1', port: 15_269 },
        { host: '::1', port: 15_269 },
      ],
      allow: ['127.0.0.0/8', '::1/128'],
      security: { kind: 'plaintext' },
    })
  })

  it('a server over TLS: its directory and files are relative to the configuration', () => {
    const ca = loaded(LISTEN, server('security = "tls"\nca = "ca.pem"')).domains[0]?.host
    expect(ca?.kind === 'server' && ca.security).toEqual({
      kind: 'tls',
      ca: { path: join(folder, 'ca.pem'), pem: authority.caPem },
      pin: null,
      authority: join(folder, 'isthmus-authority'),
    })
    const hex = 'AB:'.repeat(31).concat('CD')
    const pin = loaded(LISTEN, server(`security = "tls"\npin = "${hex}"\nauthority = "/var/lib/a"`))
      .domains[0]
    expect(pin?.host.kind === 'server' && pin.host.security).toEqual({
      kind: 'tls',
      ca: null,
      pin: `${'ab'.repeat(31)}cd`,
      authority: '/var/lib/a',
    })
  })

  it('a component, over TCP and over a unix socket', () => {
    expect(loaded(LISTEN, component()).domains[0]?.host).toEqual({
      kind: 'component',
      listen: { host: '127.0.0.1', port: 5347 },
      secret: SECRET,
      second: 'refuse',
      holdMs: 0,
    })
    const more = 'listen = "unix:run/c.sock"\nsecond = "replace"\nhold = "90s"'
    expect(loaded(LISTEN, component(more)).domains[0]?.host).toMatchObject({
      listen: { path: join(folder, 'run/c.sock') },
      second: 'replace',
      holdMs: 90_000,
    })
  })

  it('components share a listener, and so do domains of one server', () => {
    expect(said(load(LISTEN, component(), component('', 'paris.example')))).toEqual([])
    const twice = server().replaceAll('capulet.example', 'paris.example')
    expect(said(load(LISTEN, server(), twice))).toEqual([])
  })

  it('steering and proxies', () => {
    const config = loaded(
      LISTEN,
      server(),
      '[steering]\nupstream = ["192.0.2.53:53", "[2001:db8::53]:53"]',
      '[[proxy]]\npath = "/xmpp-websocket"\nto = "http://127.0.0.1:5280/"\nlink = "websocket"',
      '[[proxy]]\npath = "/upload"\nto = "http://[::1]:80"',
    )
    expect(config.steering).toEqual({
      listen: { host: '127.0.0.1', port: 15_353 },
      upstream: [
        { host: '192.0.2.53', port: 53 },
        { host: '2001:db8::53', port: 53 },
      ],
      steer: 'websocket-only',
    })
    expect(config.proxies).toEqual([
      { path: '/xmpp-websocket', to: 'http://127.0.0.1:5280', link: 'websocket' },
      { path: '/upload', to: 'http://[::1]', link: null },
    ])
    const without = loaded(LISTEN, server())
    expect([without.steering, without.proxies]).toEqual([null, []])
  })

  it('is shown without secrets', () => {
    expect(JSON.stringify(describeConfig(loaded(LISTEN, component())))).not.toContain(SECRET)
    const tls = JSON.stringify(describeConfig(loaded(LISTEN, server('security = "tls"\nca = "ca.pem"'))))
    expect(tls).not.toContain('BEGIN')
    expect(tls).toContain(join(folder, 'ca.pem'))
    const [problem] = said(load(LISTEN, domain('component', '[domain.component]\nsecret = 20262026')))
    expect(problem).toBe('error | domain[0].component.secret | a secret | (a secret)')
  })

  const steering = (more = '') => `[steering]\nupstream = ["192.0.2.53:53"]\n${more}`
  const proxy = (path: string, to = 'http://127.0.0.1:5280') => `[[proxy]]\npath = "${path}"\nto = "${to}"`
  const off = LISTEN.replace('"request"', '"off"').replace(':443', ':8443')

  it.each<[string, string[], string[]]>([
    ['a server that is not described', [domain('server')], ['error | domain[0].server | a table | nothing']],
    [
      'a description of a server that nobody asks for',
      [domain('embedded', '[domain.server]\naddress = "127.0.0.1:5269"')],
      ['error | domain[0].host | "server" | "embedded"'],
    ],
    [
      'a component in the place of a server',
      [domain('server', `[domain.component]\nsecret = "${SECRET}"`)],
      ['error | domain[0].server | a table | nothing', 'error | domain[0].host | "component" | "server"'],
    ],
    [
      'addresses that are none',
      [server('listen = ["here"]\nallow = ["loopback"]').replace('127.0.0.1:5269', 'localhost:5269')],
      [
        'error | domain[0].server.address | ADDRESS:PORT | "localhost:5269"',
        'error | domain[0].server.listen[0] | ADDRESS:PORT | "here"',
        'error | domain[0].server.allow[0] | a CIDR block such as "127.0.0.0/8" | "loopback"',
      ],
    ],
    [
      'empty lists',
      [server('listen = []\nallow = []')],
      [
        'error | domain[0].server.listen | a list of ADDRESS:PORT | a list',
        'error | domain[0].server.allow | a list of CIDR blocks | a list',
      ],
    ],
    [
      'TLS without a way to know the server, or with two',
      [server('security = "tls"')],
      ["error | domain[0].server.ca | ca or pin, to know the server's certificate by | neither"],
    ],
    [
      'TLS with two ways to know the server',
      [server(`security = "tls"\nca = "ca.pem"\npin = "${'0'.repeat(64)}"`)],
      ["error | domain[0].server.ca | ca or pin, to know the server's certificate by | both"],
    ],
    [
      'what only TLS uses',
      [server('ca = "ca.pem"\nauthority = "a"')],
      [
        'error | domain[0].server.ca | security = "tls" beside it | "plaintext"',
        'error | domain[0].server.authority | security = "tls" beside it | "plaintext"',
      ],
    ],
    [
      'authorities of the server that are none',
      [server('security = "tls"\nca = "words.pem"')],
      ['error | domain[0].server.ca | certificates in PEM | the text contains no PEM certificate'],
    ],
    [
      'a fingerprint that is none',
      [server('security = "tls"\npin = "sha256:00"')],
      ['error | domain[0].server.pin | a SHA-256 fingerprint | "sha256:00"'],
    ],
    [
      'plaintext that leaves the machine: warnings',
      [
        server('listen = ["[::]:15269"]\nallow = ["10.0.0.0/8", "127.0.0.0/7"]').replace(
          '127.0.0.1',
          '10.0.0.1',
        ),
      ],
      [
        'warning | domain[0].server.address | a loopback address | "10.0.0.1:5269"',
        'warning | domain[0].server.listen[0] | a loopback address | "[::]:15269"',
        'warning | domain[0].server.allow[0] | loopback addresses only | "10.0.0.0/8"',
        'warning | domain[0].server.allow[1] | loopback addresses only | "127.0.0.0/7"',
      ],
    ],
    [
      'a server that would be ourselves',
      [server('listen = ["0.0.0.0:5269"]')],
      [
        'error | domain[0].server.address | the address of the server | "127.0.0.1:5269"',
        'warning | domain[0].server.listen[0] | a loopback address | "0.0.0.0:5269"',
      ],
    ],
    [
      'a server at no port',
      [server().replace(':5269', ':0')],
      ['error | domain[0].server.address | a port that can be dialled | 0'],
    ],
    [
      'two servers at one listener',
      [server(), server().replaceAll('capulet', 'paris').replace(':5269', ':5270')],
      [
        'error | domain[1].server.listen[0] | an address that stands once | "127.0.0.1:15269"',
        'error | domain[1].server.listen[1] | an address that stands once | "[::1]:15269"',
      ],
    ],
    [
      'listeners of every kind in each other’s way',
      [
        server('listen = ["127.0.0.1:443"]'),
        component('listen = "127.0.0.1:15353"', 'paris.example'),
        steering(),
      ],
      [
        'error | domain[0].server.listen[0] | an address that stands once | "127.0.0.1:443"',
        'error | steering.listen | an address that stands once | "127.0.0.1:15353"',
      ],
    ],
    [
      'two secrets at one listener',
      [component(), component('', 'paris.example').replace(SECRET, SECRET.toUpperCase())],
      ['error | domain[1].component.listen | an address that stands once | "127.0.0.1:5347"'],
    ],
    [
      'a listener that stands twice in one list',
      [server('listen = ["[::1]:15269", "[0::1]:15269"]')],
      ['error | domain[0].server.listen[1] | an address that stands once | "[0::1]:15269"'],
    ],
    [
      'a component at the admin socket',
      [component('listen = "unix:a.sock"'), '[admin]\nsocket = "a.sock"'],
      ['error | admin.socket | an address that stands once | "/a.sock"'],
    ],
    [
      'a component without a secret',
      [component().replace(SECRET, '')],
      ['error | domain[0].component.secret | a secret | ""'],
    ],
    [
      'a component whose secret is short, in the open: warnings',
      [component('listen = "10.0.0.1:5347"').replace(SECRET, 'juliet')],
      [
        'warning | domain[0].component.secret | at least 16 characters | 6',
        'warning | domain[0].component.listen | a loopback address | "10.0.0.1:5347"',
      ],
    ],
    [
      'a component nowhere',
      [component('listen = "unix:"\nhold = "-1s"')],
      [
        'error | domain[0].component.listen | ADDRESS:PORT, or "unix:PATH" | "unix:"',
        'error | domain[0].component.hold | a duration | "-1s"',
      ],
    ],
    [
      'a socket whose name is too long',
      [component(`listen = "unix:/${'a'.repeat(107)}"`)],
      ['error | domain[0].component.listen | a path of at most 107 bytes | 108 bytes'],
    ],
    [
      'steering without an upstream',
      [server(), '[steering]\nupstream = []'],
      ['error | steering.upstream | a list of ADDRESS:PORT, at least one | a list'],
    ],
    [
      'steering to ourselves, for everybody',
      [server(), '[steering]\nlisten = "0.0.0.0:15353"\nupstream = ["127.0.0.1:15353", "192.0.2.53:0"]'],
      [
        'error | steering.upstream[0] | a resolver other than this one | "127.0.0.1:15353"',
        'error | steering.listen | a loopback address | "0.0.0.0:15353"',
        'error | steering.upstream[1] | a port that can be asked | 0',
      ],
    ],
    [
      'steering of no server, of everything: warnings (DECISIONS 28)',
      [domain('embedded'), steering('steer = "all"')],
      [
        'warning | steering | a domain with host = "server" | none',
        'warning | steering.steer | "websocket-only" | "all": domains that are not on WebSocket cannot be reached',
      ],
    ],
    [
      'steering of two servers: a warning',
      [
        server(),
        server('listen = ["127.0.0.1:15270"]').replaceAll('capulet', 'paris').replace(':5269', ':5270'),
        steering(),
      ],
      ['warning | steering | one [domain.server] listen for all | 2 of them'],
    ],
    [
      'a browser’s path where certificates are asked for: a warning (DECISIONS 29)',
      [server(), off, proxy('/ws')],
      ['warning | listen[0].client_certificates | "off" on a listener that browsers come to | "request"'],
    ],
    [
      'paths that are taken',
      [
        server(),
        ...['/s2s/', '/healthz', '/.well-known/host-meta', '/upload', '/upload/', '/'].map(path =>
          proxy(path),
        ),
      ],
      [
        'error | proxy[0].path | a path that is not taken | "/s2s/"',
        'error | proxy[1].path | a path that is not our own | "/healthz"',
        'error | proxy[2].path | a path that is not our own | "/.well-known/host-meta"',
        'error | proxy[4].path | a path that is not taken | "/upload/"',
        'warning | listen[0].client_certificates | "off" on a listener that browsers come to | "request"',
      ],
    ],
    [
      'paths that are none',
      ['ws', '/a?b', '/a%2fb', '/a/../b', '//a', '/./a'].map(path => proxy(path)),
      ['ws', '/a?b', '/a%2fb', '/a/../b', '//a', '/./a'].map(
        (path, index) => `error | proxy[${index}].path | a path that begins with / | "${path}"`,
      ),
    ],
    [
      'targets that are none',
      [
        '127.0.0.1:5280',
        'https://127.0.0.1:1',
        'http://10.0.0.1:1/a',
        'http://paris.example',
        'http://u@[::1]:1',
      ].map(to => proxy('/a', to)),
      [
        '127.0.0.1:5280',
        'https://127.0.0.1:1',
        'http://10.0.0.1:1/a',
        'http://paris.example',
        'http://u@[::1]:1',
      ].map((to, index) => `error | proxy[${index}].to | http://ADDRESS:PORT | "${to}"`),
    ],
    [
      'a proxied path that leads back here',
      [server(), off, proxy('/a', 'http://localhost:8443')],
      [
        `error | proxy[0].to | the server's HTTP port | "127.0.0.1:8443"`,
        'warning | listen[0].client_certificates | "off" on a listener that browsers come to | "request"',
      ],
    ],
  ])('%s', (_, more, expected) => {
    expect(said(load(LISTEN, ...more))).toEqual(expected)
  })

  it('a proxied path through which nobody comes: a warning', () => {
    const noUrl = domain('embedded').replace(/^url.*$/m, '')
    expect(said(load(noUrl, proxy('/a')))).toEqual([
      'warning | proxy | a [[listen]] through which somebody comes | none',
    ])
  })
})

describe('addresses that are the same', () => {
  const at = (host: string, port = 1) => ({ host, port })
  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '127.0.0.2', false],
    ['0.0.0.0', '127.0.0.2', true],
    ['::', '127.0.0.2', true],
    ['0.0.0.0', '::1', false],
    ['::1', '0:0:0:0:0:0:0:1', true],
  ])('listeners at %s and %s collide: %s', (a, b, expected) => {
    expect([collide(at(a), at(b)), collide(at(b), at(a))]).toEqual([expected, expected])
    expect(collide(at(a, 1), at(b, 2))).toBe(false)
    expect(collide(at(a, 0), at(b, 0))).toBe(false)
  })

  it.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['127.0.0.1', '0.0.0.0', true],
    ['::1', '::', true],
    ['0.0.0.0', '::', true],
    // It may be another machine's.
    ['10.0.0.1', '0.0.0.0', false],
    ['10.0.0.1', '10.0.0.1', true],
  ])('a connection to %s ends at %s: %s', (target, listen, expected) => {
    expect(reaches(at(target), at(listen))).toBe(expected)
  })
})
