import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testAuthority } from '../kit/authority.ts'
import { authority, frontDomain, LOOPBACK, type TestFront, testFront } from '../kit/fronts.ts'
import { rawTls, upgradeRequest } from '../kit/wire.ts'

// A proxy that comes by TLS and shows a certificate of its own, which is what proves it (DECISIONS 25).

const proxies = testAuthority()
const ofOurs = proxies.issue({ dns: ['edge.example'], ekus: ['clientAuth'] })
const LEAF = Buffer.from(authority.issue({ dns: ['capulet.example'] }).chainDer[0] ?? [])
const OURS = [
  'X-Forwarded-Proto: https',
  'X-Forwarded-For: 192.0.2.7',
  `Client-Cert: :${LEAF.toString('base64')}:`,
]
const SECRET = 'X-Isthmus-Proxy-Secret: a secret beside it'

const closing: (() => Promise<void>)[] = []
afterAll(() => Promise.all(closing.map(close => close())))

function behind(more: { trusted?: readonly string[]; secret?: string; ca?: null } = {}) {
  const { trusted = ['127.0.0.0/8'], secret = null, ca = proxies.caPem } = more
  return {
    ...LOOPBACK,
    proxy: {
      trusted,
      fields: 'x-forwarded',
      hops: 1,
      tls: true,
      ca,
      secret,
      certificate: 'rfc9440',
    },
  } as const
}

/** One front with several listeners: behind proxies, and one for whoever comes for himself. */
let test: TestFront
const portOf = (index: number) => test.front.listening[index]?.port ?? 0
beforeAll(async () => {
  test = await testFront({
    listen: [
      behind(),
      behind({ trusted: ['192.0.2.0/24'] }),
      behind({ secret: 'a secret beside it' }),
      LOOPBACK,
      behind({ secret: 'a secret beside it', ca: null }),
    ],
    domains: [frontDomain('montague.example'), frontDomain('paris.example')],
    ca: [authority.caPem],
  })
  closing.push(() => test.front.close())
})

interface Shown {
  readonly certificatePem: string
  readonly keyPem: string
}

async function statusOf(
  port: number,
  shown: Shown | null,
  options: { readonly servername?: string; readonly lines?: readonly string[]; readonly text?: string } = {},
): Promise<number> {
  const { servername = 'montague.example', lines = OURS, text = upgradeRequest({ lines }) } = options
  const pair = shown === null ? {} : { cert: shown.certificatePem, key: shown.keyPem }
  const raw = await rawTls(port, { servername, ...pair })
  raw.write(text)
  const status = (await raw.head())?.status ?? 0
  raw.destroy()
  return status
}

describe('a proxy that comes by TLS', () => {
  it.each(['montague.example', 'paris.example', 'verona.example', ''])(
    '[CT-31] is believed by its certificate, whatever name it asks for (%s)',
    async servername => {
      const before = test.arrivals.length
      expect(await statusOf(portOf(0), ofOurs, { servername })).toBe(101)
      const facts = test.arrivals.at(-1)?.transport.facts
      expect(test.arrivals).toHaveLength(before + 1)
      expect(facts).toMatchObject({ proxied: true, remoteAddress: '192.0.2.7' })
      expect(facts?.tls).toMatchObject({ protocol: 'proxy', nodeVerdict: 'forwarded' })
      expect(facts?.tls?.chain.map(der => digest(der))).toEqual([digest(LEAF)])
    },
  )

  const strangers: readonly (readonly [string, Shown | null])[] = [
    ['none', null],
    ['one of an authority that is believed about peers', authority.issue({ ekus: ['clientAuth'] })],
    ['one of an authority that nobody knows', testAuthority().issue({ ekus: ['clientAuth'] })],
    ['one for servers', proxies.issue({ dns: ['edge.example'], ekus: ['serverAuth'] })],
    [
      'one that is over',
      proxies.issue({
        ekus: ['clientAuth'],
        notAfterMs: Date.now() - 60_000,
        notBeforeMs: Date.now() - 120_000,
      }),
    ],
  ]
  it.each(
    strangers.flatMap(([title, shown]) =>
      ['montague.example', 'paris.example', ''].map(servername => [title, servername, shown] as const),
    ),
  )('[CT-31] is not answered with %s, at %s', async (_, servername, shown) => {
    const before = test.arrivals.length
    expect(await statusOf(portOf(0), shown, { servername })).toBe(403)
    const hostMeta =
      'GET /.well-known/host-meta HTTP/1.1\r\nHost: montague.example\r\nX-Forwarded-Proto: https\r\n\r\n'
    expect(await statusOf(portOf(0), shown, { servername, text: hostMeta })).toBe(403)
    expect(test.arrivals).toHaveLength(before)
    expect(test.refusals().at(-1)).toMatchObject({
      status: 403,
      detail: 'the proxy has shown no certificate that proves it',
    })
  })

  it('[CT-31] must come from its address, too, and show its secret where it has one', async () => {
    expect(await statusOf(portOf(1), ofOurs)).toBe(403)
    expect(await statusOf(portOf(2), ofOurs)).toBe(403)
    expect(await statusOf(portOf(2), null, { lines: [...OURS, SECRET] })).toBe(403)
    expect(await statusOf(portOf(2), ofOurs, { lines: [...OURS, SECRET] })).toBe(101)
  })

  it('[CT-31] may prove itself by its secret alone, and is then asked for no certificate', async () => {
    expect(await statusOf(portOf(4), null)).toBe(403)
    expect(await statusOf(portOf(4), ofOurs)).toBe(403)
    expect(await statusOf(portOf(4), null, { lines: [...OURS, SECRET] })).toBe(101)
    expect(test.arrivals.at(-1)?.transport.facts).toMatchObject({ proxied: true, remoteAddress: '192.0.2.7' })
  })

  it('[CT-32] must say https', async () => {
    expect(await statusOf(portOf(0), ofOurs, { lines: OURS.slice(1) })).toBe(403)
  })

  it('[CT-31] proves nothing at a listener for whoever comes for himself', async () => {
    expect(await statusOf(portOf(3), ofOurs)).toBe(101)
    const facts = test.arrivals.at(-1)?.transport.facts
    expect(facts?.proxied).toBeUndefined()
    expect(facts?.tls?.nodeVerdict).not.toBe('authorized')
    expect(digest(facts?.tls?.chain[0] ?? new Uint8Array())).toBe(
      digest(ofOurs.chainDer[0] ?? new Uint8Array()),
    )
  })

  it('is asked for health without a certificate, as platforms do', async () => {
    const health = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
    expect(await statusOf(portOf(0), null, { text: health })).toBe(200)
  })

  it('is judged by the same authority after a certificate of ours has changed', async () => {
    for (const name of ['montague.example', 'paris.example']) {
      const { name: domain, certificate, key } = frontDomain(name)
      if (certificate === null || key === null) throw new Error('a certificate')
      test.front.setCertificate(domain, { certificate, key })
      expect(await shownAt(portOf(0), name)).toBe(digest(certificate))
      expect(await shownAt(portOf(3), name)).toBe(digest(certificate))
      expect(await statusOf(portOf(0), ofOurs, { servername: name })).toBe(101)
      expect(await statusOf(portOf(0), authority.issue({ ekus: ['clientAuth'] }), { servername: name })).toBe(
        403,
      )
    }
  })
})

/** What a listener shows for a name. */
async function shownAt(port: number, servername: string): Promise<string> {
  const raw = await rawTls(port, { servername })
  const der = raw.socket.getPeerCertificate().raw
  raw.destroy()
  return digest(der)
}

/** Of DER, or of the first certificate in PEM. */
function digest(certificate: Uint8Array | string): string {
  const der =
    typeof certificate === 'string'
      ? Buffer.from(/-----BEGIN CERTIFICATE-----([^-]*)/.exec(certificate)?.[1] ?? '', 'base64')
      : certificate
  return createHash('sha256').update(der).digest('hex')
}
