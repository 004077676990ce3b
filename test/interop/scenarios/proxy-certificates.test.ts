import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { testAuthority } from '../../kit/authority.ts'
import { authority, frontDomain, LOOPBACK, type TestFront, testFront } from '../../kit/fronts.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { Program } from '../../kit/servers/process.ts'
import { rawTls, upgradeRequest } from '../../kit/wire.ts'

// Real proxies that come to a listener by TLS and prove themselves there with a certificate of their own (`proxy_ca`), while
// they hand on the certificates of their clients.

const proxies = testAuthority()
const edge = proxies.issue({ dns: ['edge.example'], ekus: ['clientAuth'] })
const CAPULET = authority.issue({ dns: ['capulet.example'] })
const [LEAF = new Uint8Array()] = CAPULET.chainDer

const closing: (() => unknown)[] = []
afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

let test: TestFront
/** of the proxies, with their certificate and without */
let ports: Readonly<Record<'nginx' | 'haproxy', readonly [proven: number, unproven: number]>>

beforeAll(async () => {
  const listen = (certificate: 'nginx' | 'rfc9440') => ({
    ...LOOPBACK,
    proxy: {
      trusted: ['127.0.0.0/8'],
      fields: 'x-forwarded',
      hops: 1,
      tls: true,
      ca: proxies.caPem,
      secret: null,
      certificate,
    } as const,
  })
  test = await testFront({
    listen: [listen('nginx'), listen('rfc9440')],
    domains: [frontDomain('montague.example')],
  })
  closing.push(() => test.front.close())
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-proxies-'))
  closing.push(() => rmSync(folder, { recursive: true }))
  const shown = authority.issue({ dns: ['montague.example'] })
  for (const [name, text] of [
    ['public.pem', shown.certificatePem + shown.keyPem],
    ['edge.pem', edge.certificatePem + edge.keyPem],
    ['ca.pem', authority.caPem],
  ] as const)
    writeFileSync(join(folder, name), text, { mode: 0o600 })
  const [one = 0, two = 0, three = 0, four = 0] = await takePorts(4)
  ports = { nginx: [one, two], haproxy: [three, four] }
  const [behindNginx = 0, behindHaproxy = 0] = test.front.listening.map(({ port }) => port)
  await run(folder, 'nginx', nginxConf(folder, [one, two], behindNginx), ports.nginx)
  await run(folder, 'haproxy', haproxyConf(folder, [three, four], behindHaproxy), ports.haproxy)
})

async function run(folder: string, program: 'nginx' | 'haproxy', text: string, on: readonly number[]) {
  const own = join(folder, program)
  mkdirSync(own)
  const file = join(own, 'conf')
  writeFileSync(file, text)
  const args = program === 'nginx' ? ['-p', own, '-c', file, '-e', 'error.log'] : ['-db', '-f', file]
  const log = join(own, program === 'nginx' ? 'error.log' : 'out.log')
  const running = new Program({ name: program, program, args, folder: own, ports: on, log })
  closing.push(() => running.stop())
  await running.start()
}

function nginxConf(folder: string, [proven = 0, unproven = 0]: readonly number[], behind: number): string {
  const server = (port: number, own: string) => `
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate     ${folder}/public.pem;
    ssl_certificate_key ${folder}/public.pem;
    ssl_verify_client   optional_no_ca;
    ssl_session_tickets off;
    ssl_session_cache   off;
    proxy_http_version 1.1;
    proxy_set_header Host              $http_host;
    proxy_set_header Upgrade           $http_upgrade;
    proxy_set_header Connection        upgrade;
    proxy_set_header X-Forwarded-For   $remote_addr;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
    proxy_ssl_verify on;
    proxy_ssl_verify_depth 2;
    proxy_ssl_trusted_certificate ${folder}/ca.pem;
    proxy_ssl_name montague.example;
    ${own}
    location / { proxy_pass https://127.0.0.1:${behind}; }
    error_page 495 = @shown;
    location @shown { proxy_pass https://127.0.0.1:${behind}; }
  }`
  const shows = `proxy_ssl_certificate ${folder}/edge.pem; proxy_ssl_certificate_key ${folder}/edge.pem;`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `  ${name}_temp_path ${folder}/nginx/${name};`,
  )
  return `
daemon off;
user root;
worker_processes 1;
pid ${folder}/nginx/pid;
events {}
http {
  access_log off;
${temporary.join('\n')}
${server(proven, shows)}
${server(unproven, '')}
}
`
}

function haproxyConf(folder: string, [proven = 0, unproven = 0]: readonly number[], behind: number): string {
  const proxy = (name: string, port: number, own: string) => `
listen ${name}
    bind 127.0.0.1:${port} ssl crt ${folder}/public.pem no-tls-tickets verify optional ca-file ${folder}/ca.pem ca-ignore-err all crt-ignore-err all
    http-request set-header X-Forwarded-For   %[src]
    http-request set-header X-Forwarded-Proto https
    http-request del-header Client-Cert
    http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }
    server isthmus 127.0.0.1:${behind} ssl ${own} sni str(montague.example) verify required verifyhost montague.example ca-file ${folder}/ca.pem
`
  return `
global
    log stdout format raw daemon notice
    tune.ssl.cachesize 0
defaults
    mode http
    log global
    option http-server-close
    timeout http-request 10s
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
${proxy('proven', proven, `crt ${folder}/edge.pem`)}
${proxy('unproven', unproven, '')}
`
}

const shownByCapulet = { cert: CAPULET.certificatePem, key: CAPULET.keyPem }

it.each(['nginx', 'haproxy'] as const)(
  '[CT-31] %s hands on what its clients show, and is believed by its own certificate',
  async name => {
    const raw = await rawTls(ports[name][0], shownByCapulet)
    raw.write(upgradeRequest({ lines: ['X-Forwarded-For: 203.0.113.1', 'Client-Cert: :AAAA:'] }))
    expect((await raw.head())?.status).toBe(101)
    const { facts } = test.arrivals.at(-1)?.transport ?? {}
    expect(facts).toMatchObject({ proxied: true, remoteAddress: '127.0.0.1' })
    expect(facts?.tls?.nodeVerdict).toBe('forwarded')
    expect(facts?.tls?.chain.map(der => Buffer.from(der).toString('hex'))).toEqual([
      Buffer.from(LEAF).toString('hex'),
    ])
    raw.destroy()
  },
)

it.each(['nginx', 'haproxy'] as const)('[CT-31] %s hands on nothing where nothing is shown', async name => {
  const raw = await rawTls(ports[name][0])
  raw.write(upgradeRequest())
  expect((await raw.head())?.status).toBe(101)
  expect(test.arrivals.at(-1)?.transport.facts).toMatchObject({ proxied: true, tls: null })
  raw.destroy()
})

it.each(['nginx', 'haproxy'] as const)('[CT-31] %s is not answered without its certificate', async name => {
  const before = test.arrivals.length
  const raw = await rawTls(ports[name][1], shownByCapulet)
  raw.write(upgradeRequest())
  expect((await raw.head())?.status).toBe(403)
  expect(test.arrivals).toHaveLength(before)
  raw.destroy()
})
