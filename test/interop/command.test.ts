import { chmodSync, readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePorts } from '../kit/command.ts'
import { type House, VeronaFiles } from '../kit/verona-files.ts'

// The built command, as an operator runs it: child processes, files, signals, exit codes.

let verona: VeronaFiles
beforeEach(async () => {
  verona = await VeronaFiles.create()
})
afterEach(() => verona.close())

interface Checked {
  readonly code: number | null
  readonly ok: boolean
  readonly by?: string
  readonly stages: readonly { name: string; ok: boolean; ms: number; detail: string; reason?: string }[]
  readonly proof: Readonly<Record<'out' | 'back', { method: string | null; seen: boolean; detail: string }>>
  /** names of the stages that went well, and of the last one where it did not */
  readonly passed: readonly string[]
  readonly failed: readonly string[]
}

async function check(...more: string[]): Promise<Checked> {
  const args = ['check', 'montague.example', '--config', 'capulet.toml', '--json', ...more]
  const { code, out } = await verona.run(...args)
  const said = JSON.parse(out)
  for (const stage of said.stages) {
    expect(stage).toEqual({
      name: expect.any(String),
      ok: expect.any(Boolean),
      ms: expect.any(Number),
      detail: expect.any(String),
      ...(stage.ok ? {} : { reason: expect.stringMatching(/^(?:peer|network|us)\.[a-z-]+$/) }),
    })
  }
  const proof = { method: said.proof.out.method, seen: expect.any(Boolean), detail: expect.any(String) }
  expect(said.proof).toEqual({ out: proof, back: { ...proof, method: said.proof.back.method } })
  const names = (ok: boolean) =>
    said.stages.flatMap((stage: Checked['stages'][number]) => (stage.ok === ok ? [stage.name] : []))
  return { ...said, code, passed: names(true), failed: names(false) }
}

const UP_TO_STREAM = [
  'discovery',
  'connect',
  'tls',
  'identity',
  'upgrade',
  'open',
  'features',
  'authentication',
]

describe('isthmus demo', () => {
  it.each([
    ['certificate', 'sasl-external', []],
    ['dialback', 'dialback', ['--no-client-certificates']],
  ])('--once --json: two streams proven by %s, all stanzas delivered', async (_, authentication, more) => {
    const { code, out, err } = await verona.run('demo', '--once', '--json', ...more)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const stream = (from: string, to: string) => ({
      from: `${from}.example`,
      to: `${to}.example`,
      transport: 'websocket',
      tls: 'TLSv1.3',
      authentication,
      setupMs: expect.any(Number),
    })
    const { stanzas, ...rest } = JSON.parse(out)
    expect(rest).toEqual({
      ok: true,
      streams: [stream('capulet', 'montague'), stream('montague', 'capulet')],
    })
    expect(stanzas.sent).toBeGreaterThan(2)
    expect(stanzas).toEqual({ sent: stanzas.sent, delivered: stanzas.sent, bounced: 0 })
  })

  it('--once shows each step and each word, without colour where nobody looks', async () => {
    const { code, out, err } = await verona.run('demo', '--once')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toContain('\u001b')
    expect(out).not.toContain('✗')
    for (const heading of ['capulet.example → montague.example', 'montague.example → capulet.example']) {
      expect(out.split('\n')).toContain(heading)
    }
    for (const step of ['discovery', 'identity', 'open', 'features', 'EXTERNAL', 'established']) {
      expect(out.match(new RegExp(`^  ✓ ${step} `, 'gm'))?.length).toBeGreaterThanOrEqual(2)
    }
    expect(out).toMatch(/^ {2}juliet@capulet\.example +\S/m)
    expect(out).toMatch(/^ {2}romeo@montague\.example +\S/m)
    expect(out).toContain('6 stanzas sent, 6 delivered, 0 bounced.')
  })

  it('--once --no-client-certificates: the same words, and who vouches for whom', async () => {
    const { code, out, err } = await verona.run('demo', '--once', '--no-client-certificates')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('No certificate of a client reaches them, as behind a proxy that ends TLS.')
    expect(out).not.toContain('✗')
    expect(out).not.toContain('EXTERNAL')
    for (const step of ['DIALBACK', 'call-back', 'established']) {
      expect(out.match(new RegExp(`^  ✓ ${step} `, 'gm'))).toHaveLength(2)
    }
    expect(out).toMatch(/^ {2}romeo@montague\.example +\S/m)
    expect(out).toContain('6 stanzas sent, 6 delivered, 0 bounced.')
  })

  it('--once --json --chaos: the connections are cut again and again, and everything arrives once', async () => {
    const { code, out, err } = await verona.run('demo', '--once', '--json', '--chaos')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { ok, cuts, streams, stanzas } = JSON.parse(out)
    expect(ok).toBe(true)
    expect(cuts).toBeGreaterThanOrEqual(3)
    // After each cut both are opened again.
    expect(streams).toHaveLength(2 * (1 + cuts))
    expect(stanzas.sent).toBeGreaterThan(200)
    expect(stanzas).toEqual({ sent: stanzas.sent, delivered: stanzas.sent, bounced: 0 })
  })

  it('--once --chaos shows each cut, and what was resumed', async () => {
    const { code, out, err } = await verona.run('demo', '--once', '--chaos')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).not.toContain('✗')
    expect(
      out.match(/^ {2}✂ cut \d+: \d+ stanzas sent so far, \d+ delivered$/gm)?.length,
    ).toBeGreaterThanOrEqual(3)
    expect(out.match(/^ {2}✓ \S+ → \S+: resumed, \d+ on their way again$/gm)?.length).toBeGreaterThanOrEqual(
      6,
    )
  })

  it('stays up until Ctrl-C', async () => {
    const demo = verona.start('demo')
    await demo.sees(({ out }) => (out.includes('until Ctrl-C') ? true : undefined))
    expect(demo.isRunning).toBe(true)
    demo.signal('SIGINT')
    expect(await demo.ended).toMatchObject({ code: 0, signal: null, err: '' })
  })
})

describe('isthmus check', () => {
  it('asks the gateway that runs with the configuration', async () => {
    await verona.serve('capulet')
    await verona.serve('montague')
    const checked = await check()
    expect(checked).toMatchObject({ code: 0, ok: true, by: 'running gateway', failed: [] })
    expect(checked.passed).toEqual([...UP_TO_STREAM, 'ping', 'reverse'])
    expect(checked.proof).toMatchObject({
      out: { method: 'sasl-external', seen: true },
      back: { method: 'sasl-external', seen: true },
    })
  })

  it('says who proves itself by dialback, as certificates do not get through', async () => {
    const blind = 'client_certificates = "off"'
    const toml = readFileSync(verona.path('montague.toml'), 'utf8')
    verona.write('montague.toml', toml.replace('client_certificates = "request"', blind))
    await verona.serve('montague')
    const { code, proof } = await check()
    expect(code).toBe(0)
    expect(proof).toMatchObject({
      out: {
        method: 'dialback',
        seen: true,
        detail: expect.stringContaining('no client certificate of ours'),
      },
      back: { method: 'sasl-external', seen: true },
    })
    const { out } = await verona.run('check', 'montague.example', '--config', 'capulet.toml')
    const [first, second] = out.trimEnd().split('\n').slice(-3)
    expect(first).toMatch(/^ {2}proof out +dialback: it offers no SASL EXTERNAL to us: /)
    expect(second).toMatch(/^ {2}proof back +SASL EXTERNAL: its certificate, dns-id montague\.example; /)
  })

  it('brings up the listener itself where none runs, and leaves nothing behind', async () => {
    const montague = await verona.serve('montague')
    for (let time = 0; time < 2; time++) {
      const checked = await check()
      expect(checked).toMatchObject({ code: 0, ok: true, by: 'own listener', failed: [] })
      expect(checked.passed).toEqual([...UP_TO_STREAM, 'ping', 'reverse'])
    }
    expect(montague.isRunning).toBe(true)
  })

  it('finds a domain by its host-meta', async () => {
    verona.configure('capulet', { endpoint: null })
    verona.configure('montague', { endpoint: null })
    await verona.serve('montague')
    const checked = await check()
    expect(checked).toMatchObject({ code: 0, ok: true })
    expect(checked.stages[0]?.detail).toMatch(/^host-meta.*wss:\/\/montague\.example:/)
  })

  it('walks as another of our domains', async () => {
    const way = `url = "wss://127.0.0.1:${verona.ports.capulet}/s2s"`
    verona.configure('montague', { more: `[[endpoint]]\ndomain = "rooms.capulet.example"\n${way}` })
    const montague = await verona.serve('montague')
    expect(await check('--from', 'rooms.capulet.example')).toMatchObject({ code: 0, ok: true })
    await montague.logs({ event: 'stream:established', remote: 'rooms.capulet.example', role: 'receiving' })
  })

  it('exits 5 where the certificate is for another name, which serving does not mind (DECISIONS 17)', async () => {
    verona.certify('montague', verona.authority.issue({ dns: ['paris.example'] }))
    const montague = await verona.serve('montague')
    const checked = await check()
    expect(checked).toMatchObject({ code: 5, ok: false, failed: ['identity'] })
    expect(checked.stages.at(-1)?.detail).toContain('paris.example')
    verona.configure('capulet', { endpoint: null })
    expect(await check()).toMatchObject({ code: 5, ok: false, failed: ['discovery'] })
    montague.signal('SIGTERM')
    expect((await montague.ended).err).toContain('name-mismatch')
  })

  it('exits 1 where the peer refuses our certificate: it is who it says it is', async () => {
    verona.certify('capulet', verona.authority.issue({ dns: ['paris.example'] }))
    await verona.serve('montague')
    const checked = await check()
    expect(checked).toMatchObject({ code: 1, ok: false })
    expect(checked.passed.slice(0, 5)).toEqual(UP_TO_STREAM.slice(0, 5))
  })

  it('exits 4 with nothing listening', async () => {
    expect(await check()).toMatchObject({ code: 4, ok: false, failed: ['connect'] })
    const { out } = await verona.run('check', 'montague.example', '--config', 'capulet.toml')
    expect(out).toMatch(/^✗ connect +\d+ ms {2}network\.unreachable: wss:/m)
    expect(out).toMatch(/^ {2}proof out +none: the walk ended before/m)
    expect(out).toMatch(/^ {2}proof back +not seen, could be SASL EXTERNAL: it did not come; /m)
    verona.configure('capulet', { endpoint: null })
    expect(await check()).toMatchObject({ code: 4, ok: false, failed: ['discovery'] })
  })

  it('a peer that cannot reach us is a stage of its own', async () => {
    const [nobody = 0] = await freePorts(1)
    verona.configure('montague', { endpoint: `wss://127.0.0.1:${nobody}/s2s` })
    verona.configure('capulet', { more: '[limits]\nping_answer = "2s"' })
    await verona.serve('montague')
    const checked = await check()
    expect(checked).toMatchObject({ code: 1, ok: false, failed: ['reverse'] })
    expect(checked.passed).toEqual([...UP_TO_STREAM, 'ping'])
    expect(checked.stages.at(-1)?.detail).toContain(`wss://capulet.example:${verona.ports.capulet}/s2s`)
  })

  it('shows its stages to a person as they come', async () => {
    await verona.serve('montague')
    const { code, out } = await verona.run('check', 'montague.example', '--config', 'capulet.toml')
    expect(code).toBe(0)
    const lines = out.trimEnd().split('\n')
    expect(lines.slice(0, -3).map(line => line.split(/\s+/).slice(0, 2).join(' '))).toEqual(
      [...UP_TO_STREAM, 'ping', 'reverse'].map(name => `✓ ${name}`),
    )
    expect(lines.at(-1)).toBe('capulet.example reaches montague.example (ok; by the own listener)')
  })
})

describe('isthmus serve', () => {
  it('has one line per established stream that names the proof, and one per refusal that names the rule', async () => {
    const capulet = await verona.serve('capulet')
    await verona.serve('montague')
    await check()
    expect(await capulet.logs({ event: 'stream:established', role: 'receiving' })).toMatchObject({
      level: 'info',
      local: 'capulet.example',
      remote: 'montague.example',
      authentication: 'sasl-external',
      proof: expect.stringContaining('montague.example'),
      tls: 'TLSv1.3',
    })
    await request(
      verona.ports.capulet,
      'POST /s2s HTTP/1.1\r\nHost: capulet.example\r\nContent-Length: 0\r\n\r\n',
    )
    expect(await capulet.logs({ event: 'connection:refused' })).toMatchObject({
      level: 'warn',
      reason: 'http',
      status: 405,
      address: '127.0.0.1',
      detail: 'an upgrade is a GET',
    })
  })

  it('SIGTERM: system-shutdown to every stream, and exit 0', async () => {
    const capulet = await verona.serve('capulet')
    const montague = await verona.serve('montague')
    expect((await check()).code).toBe(0)
    await capulet.logs({ event: 'stream:established', role: 'receiving' })
    capulet.signal('SIGTERM')
    expect(await capulet.ended).toMatchObject({ code: 0, signal: null, err: '' })
    expect(await montague.logs({ event: 'stream:ended', role: 'initiating' })).toMatchObject({
      established: true,
      reason: 'peer.reported',
      detail: expect.stringContaining('system-shutdown'),
    })
    expect(capulet.log().at(-1)).toMatchObject({ event: 'stopped', inDoubt: 0, held: 0 })
    // Its address and its admin socket are free again.
    await verona.serve('capulet')
  })

  it('SIGTERM: exit 0 within the drain budget, although a peer is silent', async () => {
    // What does not keep to the budget waits for ten minutes, which this test does not.
    verona.configure('capulet', { more: '[limits]\ndrain = "1s"\nclose = "10m"\ndead = "10m"' })
    const capulet = await verona.serve('capulet')
    const montague = await verona.serve('montague')
    expect((await check()).code).toBe(0)
    await capulet.logs({ event: 'stream:established', role: 'receiving' })
    montague.signal('SIGSTOP')
    capulet.signal('SIGTERM')
    expect(await capulet.ended).toMatchObject({ code: 0, signal: null, err: '' })
  })

  it.each<['file change' | 'SIGHUP', string]>([
    ['file change', '[limits]\ncertificate_settle = "50ms"'],
    ['SIGHUP', '[limits]\ncertificate_settle = "1h"\ncertificate_poll = "1h"'],
  ])('%s: new handshakes get the new certificate, streams are untouched', async (by, more) => {
    verona.configure('capulet', { more })
    const capulet = await verona.serve('capulet')
    await verona.serve('montague')
    expect((await check()).code).toBe(0)
    await capulet.logs({ event: 'stream:established', role: 'receiving' })
    const before = await fingerprint('capulet')

    const renewed = verona.issue('capulet')
    verona.certify('capulet', renewed)
    if (by === 'SIGHUP') capulet.signal('SIGHUP')
    await capulet.sees(command => loaded(command.log())[1])
    const after = await fingerprint('capulet')
    expect(after).not.toBe(before)
    expect(loaded(capulet.log()).map(line => line['sha256'])).toEqual([before, after])

    // The stream that stood still carries: its answer comes without another one.
    expect((await check()).code).toBe(0)
    const streams = capulet.log().filter(({ role }) => role === 'receiving')
    expect(streams.map(({ event }) => event)).toEqual(['stream:established'])
  })

  it.each<['file change' | 'SIGHUP', string]>([
    ['file change', '[limits]\ncertificate_settle = "50ms"'],
    ['SIGHUP', '[limits]\ncertificate_settle = "1h"\ncertificate_poll = "1h"'],
  ])('%s: a domain comes and goes, and a fault leaves all as it is', async (by, more) => {
    const paris = `[[domain]]
name = "paris.example"
certificate = "paris.pem"
key = "paris.key"
host = "embedded"
${more}`
    const { certificatePem, keyPem } = verona.authority.issue({ dns: ['paris.example'] })
    verona.write('paris.pem', certificatePem)
    verona.write('paris.key', keyPem)
    chmodSync(verona.path('paris.key'), 0o600)
    verona.configure('capulet', { more })
    const capulet = await verona.serve('capulet')
    await verona.serve('montague')
    expect((await check()).code).toBe(0)
    await capulet.logs({ event: 'stream:established', role: 'receiving' })
    const reread = (change: string) => {
      verona.configure('capulet', { more: change })
      if (by === 'SIGHUP') capulet.signal('SIGHUP')
    }

    reread(paris)
    const first = await capulet.logs({ event: 'reconfigured' })
    expect(first).toMatchObject({ level: 'info', added: ['paris.example'], removed: [] })
    expect((await check('--from', 'paris.example')).code).toBe(0)

    reread(`${paris}\n[[domain]]\nname = "paris.example"`)
    const twice = await capulet.logs({ event: 'reload:failed' })
    expect(twice['detail']).toContain('domain[2]')
    reread(`${paris}\ndrain = "1s"`)
    await capulet.sees(command => command.log().filter(({ event }) => event === 'reload:failed')[1])
    expect(capulet.log().filter(({ event }) => event === 'reload:failed')[1]).toMatchObject({
      level: 'error',
      detail: 'a restart is needed: changed: limits',
    })
    expect((await check('--from', 'paris.example')).code).toBe(0)

    reread(more)
    const last = await capulet.sees(
      command => command.log().filter(({ event }) => event === 'reconfigured')[1],
    )
    expect(last).toMatchObject({ added: [], removed: ['paris.example'] })
    const asParis = ['--config', 'capulet.toml', '--from', 'paris.example']
    expect((await verona.run('check', 'montague.example', ...asParis)).code).toBe(2)
    expect((await check()).code).toBe(0)
    const streams = capulet
      .log()
      .filter(({ role, local }) => role === 'receiving' && local === 'capulet.example')
    expect(streams.map(({ event }) => event)).toEqual(['stream:established'])
    capulet.signal('SIGTERM')
    expect(await capulet.ended).toMatchObject({ code: 0, err: '' })
  })

  it('says which address is in use, and exits 1', async () => {
    await verona.serve('capulet')
    const { code, err } = await verona.run('serve', '--config', 'capulet.toml')
    expect(code).toBe(1)
    expect(err).toContain(`127.0.0.1:${verona.ports.capulet} is in use`)
  })
})

describe('isthmus config and certificate', () => {
  it('check: nothing to say of a configuration that is right', async () => {
    expect(await verona.run('config', 'check', 'capulet.toml')).toEqual({
      code: 0,
      signal: null,
      out: 'capulet.toml: ok\n',
      err: '',
    })
    verona.write('bad.toml', '[[listen]]\naddress = 5')
    expect(await verona.run('config', 'check', 'bad.toml')).toMatchObject({ code: 3, out: '' })
  })

  it('sample: right, word for word, once its files are there', async () => {
    const { code, out } = await verona.run('config', 'sample')
    expect(code).toBe(0)
    verona.write('sample.toml', out)
    expect(await verona.run('config', 'check', 'sample.toml')).toMatchObject({ code: 0 })
  })

  it('host-meta: the files that the gateway itself serves', async () => {
    await verona.serve('capulet')
    for (const [format, file] of [
      ['json', 'host-meta.json'],
      ['xml', 'host-meta'],
    ] as const) {
      const args = ['config', 'host-meta', 'capulet.example', '--config', 'capulet.toml', '--format', format]
      const { code, out } = await verona.run(...args)
      expect(code).toBe(0)
      expect(out).toContain(`wss://capulet.example:${verona.ports.capulet}/s2s`)
      const get = `GET /.well-known/${file} HTTP/1.1\r\nHost: capulet.example\r\nConnection: close\r\n\r\n`
      const answer = await request(verona.ports.capulet, get)
      expect(answer).toMatch(/^HTTP\/1\.1 200 /)
      expect(answer.slice(answer.indexOf('\r\n\r\n') + 4).trimEnd()).toBe(out.trimEnd())
    }
  })

  it('certificate: accepted, refused, unreadable', async () => {
    const certificate = (domain: string, chain: string) =>
      verona.run('certificate', domain, '--chain', chain, '--ca', 'ca.pem', '--json')
    const accepted = await certificate('capulet.example', 'capulet.pem')
    expect(accepted.code).toBe(0)
    expect(JSON.parse(accepted.out)).toMatchObject({ ok: true, name: 'capulet.example', reason: null })
    const refused = await certificate('paris.example', 'capulet.pem')
    expect(refused.code).toBe(5)
    expect(JSON.parse(refused.out)).toMatchObject({ ok: false, name: null, reason: 'name-mismatch' })
    expect((await certificate('capulet.example', 'none.pem')).code).toBe(3)
  })

  it.each([
    ['no command', []],
    ['an unknown option', ['serve', '--port', '1']],
    ['a domain that is none', ['check', 'no domain']],
  ])('%s is a usage error', async (_, args) => {
    expect(await verona.run(...args)).toMatchObject({ code: 2, out: '' })
  })

  it('no configuration: exit 3', async () => {
    expect((await verona.run('serve', '--config', 'none.toml')).code).toBe(3)
    expect((await verona.run('check', 'montague.example', '--config', 'none.toml')).code).toBe(3)
  })
})

function loaded(log: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  return log.filter(({ event }) => event === 'certificate:loaded')
}

/** SHA-256 of the certificate that a house shows. */
function fingerprint(house: House): Promise<string> {
  return new Promise((resolve, reject) => {
    const host = { host: '127.0.0.1', port: verona.ports[house], servername: `${house}.example` }
    const socket = connect({ ...host, ca: verona.authority.caPem }, () => {
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      resolve(fingerprint256.replaceAll(':', '').toLowerCase())
    })
    socket.once('error', reject)
  })
}

/** What a house answers to these bytes. */
function request(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const host = { host: '127.0.0.1', port, servername: 'capulet.example' }
    const socket = connect({ ...host, ca: verona.authority.caPem }, () => socket.write(bytes))
    socket.setEncoding('utf8').on('data', text => {
      answer += text
    })
    socket.once('end', () => resolve(answer))
    socket.once('error', reject)
  })
}
