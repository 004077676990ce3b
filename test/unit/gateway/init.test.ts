import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../src/gateway/config/parse.ts'
import type { ConfigFile } from '../../../src/gateway/config/schema.ts'
import { type InitAnswers, SERVERS, type ServerName } from '../../../src/gateway/init/answers.ts'
import { type InitFiles, initFiles } from '../../../src/gateway/init/init.ts'
import { type Domain, parseDomain } from '../../../src/xmpp/index.ts'

function name(text: string): Domain {
  const domain = parseDomain(text)
  if (domain === null) throw new TypeError(text)
  return domain
}

const SECRET = 'two dozen characters, as it were'
const base = { domain: name('capulet.example') }
const MACHINE = { resolvers: ['192.0.2.53:53'], secret: SECRET }

function files(server: ServerName, more: Partial<InitAnswers> = {}): InitFiles {
  const init = initFiles({ ...base, server, ...more }, MACHINE)
  if (!init.ok) throw new Error(init.details.join('\n'))
  return init.files
}

function config(server: ServerName, more: Partial<InitAnswers> = {}): ConfigFile {
  const parsed = parseConfig(files(server, more).config, {})
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.file
}

function text(server: ServerName, more: Partial<InitAnswers> = {}): string {
  return files(server, more)
    .server.map(part => part.text)
    .join('')
}

const openfire = { remote: [name('montague.example')] }

describe('the configuration', () => {
  it.each(SERVERS)('%s: says who answers for the domain', server => {
    const file = config(server, server === 'openfire' ? openfire : {})
    expect(file.domain).toEqual([
      expect.objectContaining({
        name: 'capulet.example',
        also: [],
        url: 'wss://capulet.example/s2s',
        certificate: 'capulet.example.pem',
        key: 'capulet.example.key',
        host: server === 'component' ? 'component' : 'server',
      }),
    ])
    expect(file.listen).toEqual([{ address: '[::]:443', tls: true }])
  })

  it('takes every answer', () => {
    const file = config('prosody', {
      also: [name('rooms.capulet.example'), name('upload.capulet.example')],
      url: 'wss://gate.capulet.example:8443/s2s',
      certificate: 'a "quoted" name.pem',
      key: 'k.pem',
      serverAddress: '127.0.0.1:5270',
      serverListen: ['127.0.0.1:7001'],
      serverPin: 'AB'.repeat(32),
      dnsListen: '127.0.0.1:7002',
      dnsUpstream: ['192.0.2.1:53', '[2001:db8::1]:53'],
    })
    expect(file.listen[0]?.address).toBe('[::]:8443')
    expect(file.domain[0]).toMatchObject({
      also: ['rooms.capulet.example', 'upload.capulet.example'],
      url: 'wss://gate.capulet.example:8443/s2s',
      certificate: 'a "quoted" name.pem',
      key: 'k.pem',
      server: {
        address: '127.0.0.1:5270',
        listen: ['127.0.0.1:7001'],
        security: 'tls',
        pin: 'ab'.repeat(32),
      },
    })
    expect(file.domain[0]?.server?.ca).toBeUndefined()
    expect(file.steering).toEqual({
      listen: '127.0.0.1:7002',
      upstream: ['192.0.2.1:53', '[2001:db8::1]:53'],
      steer: 'websocket-only',
    })
    expect(config('prosody', { listen: ['127.0.0.1:1', '[::1]:1'] }).listen).toHaveLength(2)
  })

  it.each<[string, ServerName, Partial<InitAnswers>, string, string | undefined]>([
    // A server that others still reach over TCP stays strict.
    ['reaches others over TCP', 'prosody', {}, 'tls', 'websocket-only'],
    ['does not', 'prosody', { tcpEgress: false }, 'plaintext', undefined],
    ['does not, but asks us', 'prosody', { tcpEgress: false, steering: 'dns' }, 'plaintext', 'all'],
    ['reaches others over TCP', 'ejabberd', { tcpEgress: true }, 'tls', 'websocket-only'],
    ['does not', 'ejabberd', { tcpEgress: false }, 'plaintext', 'all'],
    ['does not, and is strict', 'ejabberd', { tcpEgress: false, security: 'tls' }, 'tls', 'all'],
    ['reaches others over TCP', 'jabberd2', {}, 'plaintext', 'websocket-only'],
    ['reaches others over TCP', 'openfire', openfire, 'plaintext', undefined],
  ])('a server that %s: %s %o is %s, steered %s', (_, server, more, security, steer) => {
    const file = config(server, more)
    expect(file.domain[0]?.server?.security).toBe(security)
    expect(file.steering?.steer).toBe(steer)
  })

  it('a component’s secret is in both parts', () => {
    expect(config('component').domain[0]?.component).toEqual({
      listen: '127.0.0.1:5347',
      secret: SECRET,
      second: 'refuse',
      hold: 0,
    })
    expect(text('component')).toBe(
      `domain = capulet.example\nhost = 127.0.0.1\nport = 5347\nsecret = ${SECRET}\n`,
    )
    expect(text('component', { componentListen: 'unix:/run/c.sock' })).toContain('socket = /run/c.sock\n')
  })

  it('a secret from the environment stays there', () => {
    const secret = '$' + '{SECRET}'
    expect(files('component', { componentSecret: secret }).config).toContain(`secret = "${secret}"`)
  })
})

describe('TLS that ends at a proxy in front', () => {
  const ENVIRONMENT = { PORT: '8443', DIALBACK_SECRET: 'a secret of two dozen characters' }
  const behind = (server: ServerName, more: Partial<InitAnswers> = {}): ConfigFile => {
    const parsed = parseConfig(files(server, { tls: 'proxy', ...more }).config, ENVIRONMENT)
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
    return parsed.file
  }

  it.each(SERVERS)('%s: no certificate, and a secret that lasts', server => {
    const file = behind(server, server === 'openfire' ? openfire : {})
    expect(file.dialback_secret).toBe(ENVIRONMENT.DIALBACK_SECRET)
    expect(file.domain[0]).toMatchObject({ name: 'capulet.example', url: 'wss://capulet.example/s2s' })
    expect(file.domain[0]).not.toHaveProperty('certificate')
    expect(file.domain[0]).not.toHaveProperty('key')
    expect(file.listen).toEqual([
      {
        address: '0.0.0.0:8443',
        tls: false,
        trusted_proxies: [
          '127.0.0.0/8',
          '10.0.0.0/8',
          '172.16.0.0/12',
          '192.168.0.0/16',
          '100.64.0.0/10',
          '169.254.0.0/16',
          'fc00::/7',
        ],
      },
    ])
  })

  it('a certificate is for those that we dial', () => {
    const some = behind('prosody', { certificate: 'c.pem' }).domain[0]
    expect(some).toMatchObject({ certificate: 'c.pem', key: 'capulet.example.key' })
    const { config, notes } = files('prosody', { tls: 'proxy', certificate: 'c.pem' })
    expect(config).toContain('# Shown to the peers that we dial')
    expect(notes.join()).toContain('is shown c.pem')
    expect(behind('prosody', { key: 'k.pem' }).domain[0]?.certificate).toBe('capulet.example.pem')
    expect(files('prosody').config).not.toContain('Shown to')
  })

  it.each<[string, Partial<InitAnswers>, readonly string[], readonly string[]]>([
    ['on this machine', { trustedProxy: ['127.0.0.0/8', '::1/128'] }, ['127.0.0.1:8080'], []],
    ['on this machine, IPv6', { trustedProxy: ['::1/128'] }, ['[::1]:8080'], []],
    ['elsewhere', { trustedProxy: ['127.0.0.0/8', '10.0.0.0/8'] }, ['0.0.0.0:8443'], []],
    ['everywhere', { trustedProxy: ['0.0.0.0/0'] }, ['0.0.0.0:8443'], []],
    [
      'on this machine, as the listener is',
      { listen: ['[::1]:81'] },
      ['[::1]:81'],
      ['127.0.0.0/8', '::1/128'],
    ],
  ])('%s: it is answered there', (_, more, listen, trusted) => {
    const file = behind('prosody', more)
    expect(file.listen.map(({ address }) => address)).toEqual(listen)
    expect(file.listen[0]?.trusted_proxies).toEqual(more.trustedProxy ?? trusted)
  })

  it('says why it listens where it does', () => {
    const told = (more: Partial<InitAnswers>) => files('prosody', { tls: 'proxy', ...more }).config
    expect(told({})).toContain('the platform says in PORT')
    expect(told({})).toContain('Narrow it to what docs/operations/hosting.md has')
    expect(told({ trustedProxy: ['127.0.0.0/8'] })).toContain('from elsewhere nobody gets here past it')
    expect(told({ trustedProxy: ['127.0.0.0/8'] })).not.toContain('Narrow it')
    expect(told({ listen: ['10.0.0.2:80'] })).toContain('it is on another machine.\n')
  })

  it('a unix socket needs no addresses', () => {
    const [listen] = behind('prosody', { listen: ['unix:/run/isthmus/front.sock'] }).listen
    expect(listen).toEqual({ address: 'unix:/run/isthmus/front.sock', tls: false })
    const both = behind('prosody', { listen: ['unix:/run/i.sock', '127.0.0.1:81'] }).listen
    expect(both.map(({ trusted_proxies }) => trusted_proxies?.length)).toEqual([undefined, 2])
    const notes = files('prosody', { tls: 'proxy', listen: ['unix:/run/i.sock'] }).notes.join()
    expect(notes).not.toContain('is believed')
  })

  it('a variable in an address is one', () => {
    const address = ['127.0.0.1:$', '{OTHER}'].join('')
    expect(files('prosody', { tls: 'proxy', listen: [address] }).config).toContain(`address = "${address}"`)
  })

  it('what is proven how, and where the rest is', () => {
    const more = {
      tls: 'proxy',
      also: [name('rooms.capulet.example')],
      url: 'wss://gate.example:8443/s2s',
    } as const
    const notes = files('prosody', more).notes.join('\n')
    expect(notes).toContain('they prove themselves by dialback')
    expect(notes).toContain('Whom we dial finds out about us in the same way')
    expect(notes).toContain('must be for capulet.example, rooms.capulet.example, gate.example')
    expect(notes).toContain('on port 8443')
    for (const place of ['docs/operations/hosting.md', 'deploy/nginx', 'deploy/haproxy', 'DIALBACK_SECRET'])
      expect(notes).toContain(place)
    expect(notes).not.toContain('.pem')
    expect(files('prosody').notes.join()).not.toContain('dialback')
  })

  it.each(['prosody', 'ejabberd'] as const)('%s is told where TLS of its users ends', server => {
    const http = 'http://127.0.0.1:5280'
    expect(text(server, { http })).toContain('TLS ends there')
    expect(text(server, { http, tls: 'proxy' })).toContain('TLS ends at the proxy in front')
  })
})

describe('what the server needs', () => {
  it('Prosody without TCP: its resolver answers by itself', () => {
    const lines = text('prosody', { tcpEgress: false, serverListen: ['127.0.0.1:7001'] })
    expect(lines).toContain('["local-zone:"] = ". redirect";')
    // The value must not be quoted inside.
    expect(lines).toContain('["local-data:"] = ". 3600 IN SRV 0 0 7001 localhost.";')
    expect(lines).toContain('s2s_interfaces = { "127.0.0.1" }\ns2s_ports = { 5269 }\n')
    expect(lines).toContain('s2s_require_encryption = false\ns2s_secure_auth = false\n')
  })

  it('Prosody with TCP: stays strict, and asks our responder', () => {
    const lines = text('prosody', { roots: '/tmp/a "b".pem' })
    expect(lines).toContain('ssl = { cafile = "/tmp/a \\"b\\".pem" }')
    expect(lines).toContain('s2s_require_encryption = true\ns2s_secure_auth = true\n')
    expect(lines).not.toContain('s2s_interfaces')
    expect(lines).toContain('forward = { "127.0.0.1@15353" }')
  })

  it('Prosody with the module', () => {
    const some = text('prosody', { steering: 'module', remote: [name('montague.example')] })
    expect(some).toContain(
      'isthmus_gateway = { "127.0.0.1", 15269 }\nisthmus_domains = { "montague.example" }\n',
    )
    expect(some).not.toContain('unbound')
    const all = text('prosody', { steering: 'module', tcpEgress: false, serverListen: ['[::1]:7001'] })
    expect(all).toContain('isthmus_gateway = { "::1", 7001 }\n')
    expect(all).not.toContain('isthmus_domains =')
  })

  it('Prosody: what mod_limits takes by itself would be too little', () => {
    expect(text('prosody')).toContain('s2sin = { rate = "10mb/s" }')
  })

  it('ejabberd: its resolver, and a file that is included', () => {
    const { server } = files('ejabberd', { security: 'plaintext', dnsListen: '[::1]:7002' })
    expect(server.map(({ file, place }) => `${file}: ${place}`)).toEqual([
      '/etc/ejabberd/inetrc: the whole file',
      '/etc/ejabberd/isthmus.yml: a file of its own',
      '/etc/ejabberd/ejabberd.yml: at the top level',
    ])
    const [inetrc, own, main] = server.map(part => part.text)
    expect(inetrc).toMatch(/^\{resolv_conf, ""\}\.$/m)
    expect(inetrc).toContain('{nameserver, {0,0,0,0,0,0,0,1}, 7002}.\n')
    expect(own).toMatch(/^s2s_use_starttls: false$/m)
    expect(own).toMatch(/^s2s_max_retry_delay: 1$/m)
    expect(own).toContain('listen:\n  -\n    port: 5269\n    ip: "127.0.0.1"\n    module: ejabberd_s2s_in\n')
    expect(own).toContain('modules:\n  mod_s2s_dialback: {}\n')
    expect(main).toBe('include_config_file:\n  - /etc/ejabberd/isthmus.yml\n')
    // ejabberd does not start where an option stands twice.
    expect(server[2]?.note).toContain('mod_s2s_dialback')
  })

  it('ejabberd, strict: its roots are kept', () => {
    const { server } = files('ejabberd')
    expect(server[0]?.text).toContain('{nameserver, {127,0,0,1}, 15353}.')
    expect(server[1]?.text).toMatch(/^s2s_use_starttls: required$/m)
    expect(server[1]?.text).toMatch(/^ca_file: "\/etc\/ejabberd\/isthmus-roots\.pem"$/m)
    expect(server[1]?.note).toContain('cat /etc/ssl/certs/ca-certificates.crt isthmus-authority/ca.pem >')
    expect(server[1]?.text).toContain('ip: "::"')
    // Who comes over TCP may still need it.
    expect(server[1]?.text).toContain('  mod_s2s_dialback: {}\n')
  })

  it('one public port: WebSocket and BOSH of users', () => {
    const http = 'http://127.0.0.1:5280'
    const link = (path: string, kind: string) => ({ path, to: http, link: kind })
    expect(config('prosody', { http }).proxy).toEqual([
      link('/xmpp-websocket', 'websocket'),
      link('/http-bind', 'bosh'),
    ])
    const lines = text('prosody', { http, url: 'wss://app.example:8443/s2s' })
    expect(lines).toContain('http_interfaces = { "127.0.0.1" }\nhttp_ports = { 5280 }\nhttps_ports = {}\n')
    expect(lines).toContain('http_external_url = "https://app.example:8443/"\n')
    expect(config('ejabberd', { http }).proxy).toEqual([link('/ws', 'websocket'), link('/bosh', 'bosh')])
    expect(text('ejabberd', { http })).toContain(
      '    port: 5280\n    ip: "127.0.0.1"\n    module: ejabberd_http\n',
    )
    expect(text('ejabberd')).not.toContain('ejabberd_http')
    expect(text('prosody')).not.toContain('http_')
  })

  it('jabberd2: port 53', () => {
    expect(config('jabberd2').steering?.listen).toBe('127.0.0.1:53')
    expect(text('jabberd2')).toBe('<!-- <out-conn-reuse/> -->\nnameserver 127.0.0.1\n')
    expect(files('jabberd2').notes.join()).toContain('CAP_NET_BIND_SERVICE')
  })

  it('Openfire: named domains, or all; not tried', () => {
    expect(text('openfire', openfire)).toContain('dnsutil.dnsOverride = {montague.example,127.0.0.1:15269}\n')
    expect(text('openfire', { tcpEgress: false })).toContain('dnsutil.dnsOverride = {*,127.0.0.1:15269}\n')
    expect(files('openfire', openfire).server[0]?.note).toContain('have not tried')
  })
})

describe('what to know', () => {
  it.each(SERVERS.filter(server => server !== 'component'))('%s: the subdomains that need `also`', server => {
    const notes = files(server, server === 'openfire' ? openfire : {}).notes.join()
    for (const other of ['conference', 'rooms', 'upload', 'proxy'])
      expect(notes).toContain(`${other}.capulet.example`)
    expect(notes).toContain('`also`')
  })

  it('a component has no rooms of a server', () => {
    expect(files('component').notes.join()).not.toContain('conference.')
  })

  it('a server of another machine is none that init knows', () => {
    const answers = { serverAddress: '10.0.0.2:5269', tcpEgress: false }
    expect(initFiles({ ...base, server: 'prosody', ...answers }, MACHINE)).toMatchObject({ ok: false })
  })

  it('a secret that looks like a variable stays what it is', () => {
    const componentSecret = ['a secret with $', '{HOME} in it'].join('')
    expect(config('component', { componentSecret }).domain[0]?.component?.secret).toBe(componentSecret)
  })

  it('what becomes unreachable (DECISIONS 28)', () => {
    const unreachable = 'Unreachable from now on: every domain that is not on WebSocket.'
    expect(files('prosody', { tcpEgress: false }).notes.join()).toContain(unreachable)
    expect(files('ejabberd', { tcpEgress: false }).notes.join()).toContain(unreachable)
    expect(files('prosody').notes.join()).toContain('Nothing becomes unreachable')
    const plaintext = files('prosody', { security: 'plaintext' }).notes.join()
    expect(plaintext).toContain('servers that are not on WebSocket cannot open one')
    expect(plaintext).toContain('--security tls keeps it open')
  })
})

describe('answers that do not go together', () => {
  it.each<[string, ServerName, Partial<InitAnswers>]>([
    [
      '--steering: localzone takes every domain: it goes with --tcp-egress no',
      'prosody',
      { steering: 'localzone' },
    ],
    ['--steering: prosody has dns, localzone, module', 'prosody', { steering: 'property' }],
    ['--steering: nothing is steered with component', 'component', { steering: 'dns' }],
    ['--remote: name the domains that come to the gateway', 'openfire', {}],
    ['--remote: name the domains that come to the gateway', 'prosody', { steering: 'module' }],
    ['--remote: domains are listed for module and property only', 'prosody', openfire],
    ['--http: only the paths of prosody and ejabberd', 'jabberd2', { http: 'http://127.0.0.1:1' }],
    ['isthmus.toml: error at proxy[0].to', 'prosody', { http: 'https://127.0.0.1:1' }],
    ['--security: only plaintext is known to work with jabberd2', 'jabberd2', { security: 'tls' }],
    ['--security: plaintext has no use', 'prosody', { security: 'plaintext', serverCa: 'a.pem' }],
    ['--server-pin: one of', 'prosody', { serverPin: '0'.repeat(64), serverCa: 'a.pem' }],
    ['isthmus.toml: error at domain[0].url', 'prosody', { url: 'https://capulet.example' }],
    ['isthmus.toml: error at listen[0].address', 'prosody', { listen: ['localhost:1'] }],
    ['isthmus.toml: error at steering.upstream', 'prosody', { dnsUpstream: [] }],
    ['isthmus.toml: error at domain[0].component.secret', 'component', { componentSecret: '' }],
    ['--trusted-proxy: it goes with --tls proxy', 'prosody', { trustedProxy: ['10.0.0.0/8'] }],
    ['--listen: a unix socket goes with --tls proxy', 'prosody', { listen: ['unix:/run/i.sock'] }],
    [
      '--trusted-proxy: a unix socket has no use',
      'prosody',
      { tls: 'proxy', listen: ['unix:/run/i.sock'], trustedProxy: ['10.0.0.0/8'] },
    ],
    ['--roots: with plaintext', 'prosody', { tcpEgress: false, roots: 'roots.pem' }],
    [
      'isthmus.toml: error at listen[0].trusted_proxies[0]',
      'prosody',
      { tls: 'proxy', trustedProxy: ['10.0.0.1'] },
    ],
  ])('%s', (detail, server, more) => {
    const init = initFiles({ ...base, server, ...more }, MACHINE)
    expect(init.ok ? [] : init.details).toEqual([expect.stringContaining(detail)])
  })

  const useless: readonly [string, Partial<InitAnswers>, readonly ServerName[]][] = [
    ['--tcp-egress', { tcpEgress: true }, ['component']],
    ['--security', { security: 'plaintext' }, ['component']],
    ['--steering', { steering: 'dns' }, ['component', 'openfire']],
    ['--http', { http: 'http://127.0.0.1:5280' }, ['component', 'jabberd2', 'openfire']],
    ['--server-address', { serverAddress: '127.0.0.1:5269' }, ['component']],
    ['--server-listen', { serverListen: ['127.0.0.1:7001'] }, ['component']],
    ['--server-ca', { serverCa: 'ca.pem' }, ['component', 'jabberd2', 'openfire']],
    ['--server-pin', { serverPin: '0'.repeat(64) }, ['component', 'jabberd2', 'openfire']],
    ['--roots', { roots: 'roots.pem' }, ['component', 'jabberd2', 'openfire']],
    ['--remote', openfire, ['component', 'ejabberd', 'jabberd2']],
    ['--dns-listen', { dnsListen: '127.0.0.1:7002' }, ['component', 'openfire']],
    ['--dns-upstream', { dnsUpstream: ['192.0.2.1:53'] }, ['component', 'openfire']],
    [
      '--component-listen',
      { componentListen: '127.0.0.1:5347' },
      ['prosody', 'ejabberd', 'jabberd2', 'openfire'],
    ],
    ['--component-secret', { componentSecret: SECRET }, ['prosody', 'ejabberd', 'jabberd2', 'openfire']],
  ]
  const refusals = useless.flatMap(([flag, more, servers]) =>
    servers.map(server => [flag, server, more] as const),
  )
  it.each(refusals)('%s says nothing to %s', (flag, server, more) => {
    const listed = server === 'openfire' ? { remote: openfire.remote } : {}
    const init = initFiles({ ...base, server, ...listed, ...more }, MACHINE)
    expect(init.ok ? [] : init.details).toEqual([expect.stringMatching(`^${flag}: `)])
  })

  it.each(SERVERS)('%s takes every flag of the others', server => {
    for (const [flag, more, servers] of useless) {
      if (servers.includes(server)) continue
      const listed = server === 'openfire' ? openfire : {}
      const init = initFiles({ ...base, server, ...listed, ...more }, MACHINE)
      const named = (init.ok ? [] : init.details).filter(detail => detail.includes('has no use'))
      expect({ flag, named }).toEqual({ flag, named: [] })
    }
  })

  it('are all named at once, each flag once', () => {
    const answers = { server: 'openfire', serverCa: 'a.pem', serverPin: 'b', componentSecret: '' } as const
    const init = initFiles({ ...base, ...answers }, MACHINE)
    const flags = init.ok ? [] : init.details.map(detail => detail.slice(0, detail.indexOf(':')))
    expect(flags.toSorted()).toEqual(['--component-secret', '--remote', '--server-ca', '--server-pin'])
  })
})
