import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../../src/base/index.ts'
import { askCheck, askStatus } from '../../../src/gateway/admin-client.ts'
import type { Config } from '../../../src/gateway/config/config.ts'
import { type Gateway, startGateway } from '../../../src/gateway/gateway.ts'
import { createLogger } from '../../../src/gateway/log.ts'
import { testAuthority } from '../../kit/authority.ts'
import { domain } from '../../kit/fronts.ts'

const authority = testAuthority()
const never = new AbortController().signal

let folder: string
let lines: string[]
let gateway: Gateway | null
const user = () => ({ uid: process.getuid?.() ?? 0, home: folder, environment: {} })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-gateway-'))
  lines = []
  gateway = null
})
afterEach(async () => {
  await gateway?.stop()
  rmSync(folder, { recursive: true })
})

function configuration(more: Partial<Config> = {}): Config {
  const { certificatePem, keyPem } = authority.issue({ dns: ['capulet.example'] })
  return {
    path: join(folder, 'isthmus.toml'),
    listen: [{ address: '127.0.0.1:0', clientCertificates: 'request', proxy: null }],
    trust: { ca: [{ path: join(folder, 'ca.pem'), pem: authority.caPem }], intermediates: [] },
    network: { allowPrivate: [], connect: {} },
    dialback: 'verified-tls',
    dialbackSecret: null,
    bidi: null,
    streamManagement: true,
    domains: [
      {
        name: domain('capulet.example'),
        also: [],
        url: 'wss://capulet.example/s2s',
        ips: ['127.0.0.1'],
        identity: {
          certificate: { path: join(folder, 'c.pem'), pem: certificatePem },
          key: { path: join(folder, 'c.key'), pem: keyPem },
        },
        reachable: true,
        host: { kind: 'embedded' },
      },
    ],
    steering: null,
    proxies: [],
    endpoints: [],
    log: { level: 'info', format: 'json' },
    admin: { socket: join(folder, 'a.sock') },
    limits: defaultLimits,
    ...more,
  }
}

async function start(config: Config): Promise<Gateway> {
  const logger = createLogger({ level: 'info', format: 'json' }, { write: line => lines.push(line) })
  gateway = await startGateway(config, { logger, user: user(), version: '0' })
  return gateway
}

const logged = () => lines.map(line => JSON.parse(line)).map(({ msg }) => msg)

describe('startGateway', () => {
  it('listens, says so once, and tells its state over the admin socket', async () => {
    const { federation, adminPath } = await start(configuration())
    expect(logged()).toEqual(['listening', 'certificate loaded', 'admin socket'])
    const at = { paths: [adminPath ?? ''], user: user() }
    expect(await askStatus(at, never)).toEqual({
      ok: true,
      value: {
        version: '0',
        pid: process.pid,
        config: join(folder, 'isthmus.toml'),
        startedAt: expect.any(String),
        listening: federation.listening,
        domains: ['capulet.example'],
        account: {
          accepted: 0,
          delivered: 0,
          bounced: 0,
          dropped: 0,
          inDoubt: 0,
          resent: 0,
          ambiguous: 0,
          held: 0,
        },
      },
    })
  })

  it('walks for the command, and says why it cannot', async () => {
    const { adminPath } = await start(configuration())
    const at = { paths: [adminPath ?? ''], user: user() }
    const options = { signal: never, onStage: () => {} }
    const asked = await askCheck(at, { remote: 'montague.example', local: 'paris.example' }, options)
    expect(asked).toEqual({ ok: false, detail: 'not a domain of ours: paris.example' })
  })

  it('serves without an admin socket where there is no safe place for one', async () => {
    const { adminPath } = await start(configuration({ admin: { socket: '/dev/null/a.sock' } }))
    expect(adminPath).toBeNull()
    expect(logged().at(-1)).toContain('no admin socket')
  })

  it('ends with its address free and its socket gone, as often as it is asked', async () => {
    const running = await start(configuration())
    const port = running.federation.listening[0]?.port ?? 0
    await Promise.all([running.stop(), running.stop()])
    expect(logged().slice(-2)).toEqual(['stopping', 'stopped'])
    await expect(reach({ host: '127.0.0.1', port })).rejects.toThrow('ECONNREFUSED')
    await expect(reach({ path: running.adminPath ?? '' })).rejects.toThrow('ENOENT')
  })

  it('rejects, with nothing left listening, where an address cannot be had', async () => {
    const first = await start(configuration())
    const address = `127.0.0.1:${first.federation.listening[0]?.port}`
    const second = configuration({
      listen: [{ address, clientCertificates: 'request', proxy: null }],
      admin: { socket: 'off' },
    })
    await expect(start(second)).rejects.toThrow('EADDRINUSE')
    gateway = first
  })
})

function reach(at: { host: string; port: number } | { path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(at, () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}
