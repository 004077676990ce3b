import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, defaultLimits } from '../../../src/base/index.ts'
import { systemClock } from '../../../src/base/system.ts'
import { CertificateWatch } from '../../../src/gateway/certificates.ts'
import type { DomainConfig } from '../../../src/gateway/config/config.ts'
import { type TestCertificate, testAuthority } from '../../kit/authority.ts'
import { VirtualClock } from '../../kit/clock.ts'
import { domain } from '../../kit/fronts.ts'

const authority = testAuthority()
const issue = () => authority.issue({ dns: ['capulet.example'] })

const SETTLE_MS = 20

let folder: string
let pair: TestCertificate
let told: string[]
let onTold: () => void
let watching: CertificateWatch | null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isthmus-certificates-'))
  pair = issue()
  write(pair)
  told = []
  onTold = () => {}
})
afterEach(() => {
  watching?.close()
  rmSync(folder, { recursive: true })
})

function write({ certificatePem, keyPem }: TestCertificate, below = folder): void {
  writeFileSync(join(below, 'c.pem'), certificatePem)
  writeFileSync(join(below, 'c.key'), keyPem)
}

function watch(clock: Clock, path = folder, more: { refuse?: string } = {}): CertificateWatch {
  const config: DomainConfig = {
    name: domain('capulet.example'),
    also: [],
    url: null,
    ips: [],
    identity: {
      certificate: { path: join(path, 'c.pem'), pem: pair.certificatePem },
      key: { path: join(path, 'c.key'), pem: pair.keyPem },
    },
    reachable: false,
    host: { kind: 'embedded' },
  }
  const tell = (what: string) => {
    told.push(what.replaceAll(folder, ''))
    onTold()
  }
  watching = new CertificateWatch({
    domains: [config],
    limits: { ...defaultLimits, certificateSettleMs: SETTLE_MS },
    clock,
    onChange: (_, pem) => {
      if (more.refuse !== undefined) throw new Error(more.refuse)
      tell(pem.certificate)
    },
    onProblem: (_, detail) => tell(`problem ${detail}`),
  })
  return watching
}

/** Look, and look again when what is being written has been. */
const look = (watched: CertificateWatch, clock: VirtualClock) => {
  watched.reload()
  clock.advance(SETTLE_MS)
}

const nextTold = () =>
  new Promise<void>(resolve => {
    onTold = resolve
  })

describe('CertificateWatch', () => {
  it('asked to reload, it tells of a new pair once, and of the old one never', () => {
    const watched = watch(new VirtualClock())
    watched.reload()
    const renewed = issue()
    write(renewed)
    watched.reload()
    watched.reload()
    expect(told).toEqual([renewed.certificatePem])
  })

  it('looks again from time to time, for file systems that tell nothing', () => {
    const clock = new VirtualClock()
    watch(clock)
    const renewed = issue()
    write(renewed)
    clock.advance(defaultLimits.certificatePollMs - 1)
    expect(told).toEqual([])
    clock.advance(1)
    clock.advance(defaultLimits.certificatePollMs)
    expect(told).toEqual([renewed.certificatePem])
  })

  it('keeps the pair in force while the new one does not fit, and says so once', () => {
    const clock = new VirtualClock()
    const watched = watch(clock)
    const renewed = issue()
    writeFileSync(join(folder, 'c.pem'), renewed.certificatePem)
    look(watched, clock)
    look(watched, clock)
    expect(told).toEqual([
      'problem /c.key: expected the private key of the certificate, got the key of another one',
    ])
    write(renewed)
    look(watched, clock)
    expect(told.slice(1)).toEqual([renewed.certificatePem])
  })

  it('says once what is wrong where the other file comes a moment later, and again of another attempt', () => {
    const clock = new VirtualClock()
    const watched = watch(clock)
    const spoil = () => {
      writeFileSync(join(folder, 'c.pem'), 'no certificate')
      watched.reload()
      clock.advance(SETTLE_MS / 2)
      writeFileSync(join(folder, 'c.key'), issue().keyPem)
      watched.reload()
      clock.advance(SETTLE_MS)
    }
    spoil()
    const problem = told[0] ?? ''
    expect(told).toEqual([expect.stringContaining('problem /c.pem: ')])
    spoil()
    expect(told).toEqual([problem, problem])
  })

  it('says nothing of files that are just being written', () => {
    const clock = new VirtualClock()
    const watched = watch(clock)
    writeFileSync(join(folder, 'c.pem'), '')
    watched.reload()
    const renewed = issue()
    writeFileSync(join(folder, 'c.pem'), renewed.certificatePem)
    watched.reload()
    write(renewed)
    clock.advance(SETTLE_MS)
    expect(told).toEqual([renewed.certificatePem])
  })

  it('says that a file is gone, and takes it when it is back', () => {
    const clock = new VirtualClock()
    const watched = watch(clock)
    rmSync(join(folder, 'c.key'))
    look(watched, clock)
    write(pair)
    look(watched, clock)
    expect(told).toEqual(['problem /c.key: no such file', pair.certificatePem])
  })

  it('a pair that its user refuses is a problem', () => {
    const clock = new VirtualClock()
    const watched = watch(clock, folder, { refuse: 'not this one' })
    write(issue())
    look(watched, clock)
    expect(told).toEqual(['problem not this one'])
  })

  it('notices files that are written in place', async () => {
    watch(systemClock)
    const renewed = issue()
    const noticed = nextTold()
    write(renewed)
    await noticed
    expect(told).toEqual([renewed.certificatePem])
  })

  it('notices a link that is pointed elsewhere, as renewals do', async () => {
    const [old, fresh] = ['1', '2'].map(name => join(folder, name))
    if (old === undefined || fresh === undefined) throw new Error('no folders')
    const renewed = issue()
    for (const below of [old, fresh]) mkdirSync(below)
    write(pair, old)
    write(renewed, fresh)
    const live = join(folder, 'live')
    mkdirSync(live)
    for (const name of ['c.pem', 'c.key']) symlinkSync(join(old, name), join(live, name))
    watch(systemClock, live)
    const noticed = nextTold()
    for (const name of ['c.pem', 'c.key']) {
      symlinkSync(join(fresh, name), join(live, `${name}.new`))
      renameSync(join(live, `${name}.new`), join(live, name))
    }
    await noticed
    expect(told).toEqual([renewed.certificatePem])
  })

  it('leaves nothing behind', () => {
    const clock = new VirtualClock()
    const watched = watch(clock)
    watched.close()
    expect(clock.pending()).toBe(0)
  })
})
