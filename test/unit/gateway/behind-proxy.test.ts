import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/gateway/config/load.ts'
import { renderProblems } from '../../../src/gateway/config/problem.ts'
import { type Gateway, startGateway } from '../../../src/gateway/gateway.ts'
import { createLogger } from '../../../src/gateway/log.ts'

// A gateway from its file to its answers, where the proxy of a platform ends TLS. The proxy is us.

let folder: string
let lines: string[]
let gateway: Gateway | null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-behind-'))
  lines = []
  gateway = null
})
afterEach(async () => {
  await gateway?.stop()
  rmSync(folder, { recursive: true })
})

/**
 * @param listen lines of the listener
 * @param path where peers come
 */
async function serve(
  listen: string,
  environment: Record<string, string> = {},
  path = '/s2s',
): Promise<Gateway> {
  const file = join(folder, 'isthmus.toml')
  writeFileSync(
    file,
    `dialback_secret = "${'c'.repeat(32)}"
[[listen]]
${listen}
tls = false
[[domain]]
name = "capulet.example"
url = "wss://capulet.example${path}"
host = "embedded"
[admin]
socket = "off"
`,
  )
  const loaded = loadConfig(file, environment)
  if (!loaded.ok) throw new Error(renderProblems(file, loaded.problems))
  expect(loaded.warnings).toEqual([])
  const logger = createLogger({ level: 'info', format: 'json' }, { write: line => lines.push(line) })
  const user = { uid: process.getuid?.() ?? 0, home: folder, environment: {} }
  gateway = await startGateway(loaded.config, { logger, user, version: '0' })
  return gateway
}

const UPGRADE = {
  host: 'capulet.example',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'xmpp',
}
const HTTPS = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '192.0.2.7' }

type At = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** The status of the answer; 101 too. */
function statusOf(at: At, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...at, path, headers: { host: 'capulet.example', ...headers }, agent: false })
    asked.on('response', ({ statusCode = 0 }) => {
      asked.destroy()
      resolve(statusCode)
    })
    asked.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve(101)
    })
    asked.on('error', reject)
    asked.end()
  })
}

function logged(message: string): Record<string, unknown>[] {
  return lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === message)
}

describe('a gateway behind a proxy', () => {
  it('answers on the port of the environment, and only for https', async () => {
    const listen = 'address = "127.0.0.1:$' + '{PORT}"\ntrusted_proxies = ["127.0.0.0/8"]'
    const { federation } = await serve(listen, { PORT: '0' })
    const at = { host: '127.0.0.1', port: federation.listening[0]?.port ?? 0 }
    expect(await statusOf(at, '/s2s', {})).toBe(403)
    expect(await statusOf(at, '/s2s', UPGRADE)).toBe(403)
    expect(await statusOf(at, '/s2s', { ...UPGRADE, ...HTTPS, 'x-forwarded-proto': 'http' })).toBe(403)
    expect(await statusOf(at, '/s2s', HTTPS)).toBe(426)
    expect(await statusOf(at, '/.well-known/host-meta.json', HTTPS)).toBe(200)
    expect(await statusOf(at, '/s2s', { ...UPGRADE, ...HTTPS })).toBe(101)
    // There is no certificate, and nobody misses it.
    expect(logged('certificate loaded')).toEqual([])
    expect(logged('certificate problem')).toEqual([])
  })

  it('answers nobody else', async () => {
    const { federation } = await serve('address = "127.0.0.1:0"\ntrusted_proxies = ["10.0.0.0/8"]')
    const at = { host: '127.0.0.1', port: federation.listening[0]?.port ?? 0 }
    expect(await statusOf(at, '/s2s', { ...UPGRADE, ...HTTPS })).toBe(403)
  })

  it('answers over a unix socket, to whom shows the secret', async () => {
    const secret = 'm'.repeat(32)
    await serve(`address = "unix:front.sock"\nproxy_secret = "${secret}"`)
    const at = { socketPath: join(folder, 'front.sock') }
    expect(await statusOf(at, '/s2s', HTTPS)).toBe(403)
    expect(await statusOf(at, '/s2s', { ...HTTPS, 'x-isthmus-proxy-secret': secret })).toBe(426)
    expect(lines.join('')).not.toContain(secret)
  })

  it('reads no certificate again where there is none', async () => {
    const running = await serve('address = "127.0.0.1:0"\ntrusted_proxies = ["127.0.0.0/8"]')
    await running.reload()
    expect(logged('certificate problem')).toEqual([])
  })

  it('takes no peer past the proxy where peers come to the path of health checks', async () => {
    const { federation } = await serve(
      'address = "127.0.0.1:0"\ntrusted_proxies = ["192.0.2.0/24"]',
      {},
      '/healthz',
    )
    const at = { host: '127.0.0.1', port: federation.listening[0]?.port ?? 0 }
    expect(await statusOf(at, '/healthz', { ...UPGRADE, ...HTTPS })).toBe(403)
  })

  it('keeps a connection for longer than proxies do, so that none sends a request into one that ends', async () => {
    const { federation } = await serve('address = "127.0.0.1:0"\ntrusted_proxies = ["127.0.0.0/8"]')
    const agent = new Agent({ keepAlive: true })
    const fields = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
      const at = { host: '127.0.0.1', port: federation.listening[0]?.port ?? 0 }
      const headers = { host: 'capulet.example', ...HTTPS }
      request({ ...at, path: '/healthz', headers, agent }, answer => resolve(answer.headers))
        .on('error', reject)
        .end()
    })
    agent.destroy()
    expect(fields['keep-alive']).toBe('timeout=620')
  })
})
