import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import tls from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import { systemClock } from '../../src/base/system.ts'
import { candidatesOf, staticCandidate } from '../../src/discovery/candidates.ts'
import { sequence } from '../../src/identity/der-write.ts'
import {
  createTrustStore,
  type IdentityVerdict,
  issue,
  issueAuthority,
  judgePeer,
  loadAuthority,
  type ReferenceNames,
} from '../../src/identity/index.ts'
import { OID } from '../../src/identity/oids.ts'
import { writePem } from '../../src/identity/pem.ts'
import { createTlsContext, dialTcp } from '../../src/transport/index.ts'
import { ipAddress } from '../kit/alternative-names.ts'
import { type TestCertificate, type TestCertificateOptions, testAuthority } from '../kit/authority.ts'
import { domain } from '../kit/fronts.ts'
import {
  commonName,
  extension,
  FIELDS,
  newKey,
  type RawFields,
  rawCertificate,
} from '../kit/raw-certificate.ts'
import { type Presented, type TlsBench, tlsBench } from '../kit/tls-verdicts.ts'

// Section C: who a peer is. Each certificate is presented in a real handshake, to us as receiving and as initiating side;
// what the transport reports of it is judged. The long tables are in test/unit/identity, which cite DECISIONS 7 and 8.

const authority = testAuthority()
const trust = createTrustStore({ roots: [authority.caPem] })
let bench: TlsBench
beforeAll(async () => {
  bench = await tlsBench(presented(authority.issue({ dns: ['montague.example'] })), [authority.caPem])
})
afterAll(() => bench.close())

const leafKey = newKey()
/** by the root, unless told otherwise, with fields that minting would not write */
function raw(fields: Omit<RawFields, 'key'>): Presented {
  const { key: signer, subject: issuer } = authority.root
  const der = rawCertificate({ key: leafKey, signer, issuer, ...fields })
  const keyPem = leafKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return { chainPem: writePem('CERTIFICATE', der), keyPem }
}

type Role = 'receiving' | 'initiating'
const ROLES = ['receiving', 'initiating'] as const

const presented = ({ certificatePem, keyPem }: TestCertificate): Presented => ({
  ...{ chainPem: certificatePem, keyPem },
})

async function verdict(
  role: Role,
  peer: Presented,
  names: Partial<ReferenceNames> & { readonly of?: string } = {},
): Promise<IdentityVerdict> {
  const facts = await (role === 'receiving' ? bench.asClient(peer) : bench.asServer(peer))
  if (facts === null) throw new Error('the handshake failed')
  const { of = 'capulet.example', ...more } = names
  return judgePeer({
    ...{ chain: facts.chain, nodeVerdict: facts.nodeVerdict, role, trust, nowMs: Date.now() },
    ...{ names: { domain: domain(of), hosts: [], pins: [], ...more }, limits: defaultLimits },
  })
}

/** the same in both roles: 'dns-id capulet.example', or the reason */
async function outcome(
  peer: Presented | TestCertificateOptions,
  names: Parameters<typeof verdict>[2] = {},
): Promise<string> {
  const from = 'chainPem' in peer ? peer : presented(authority.issue(peer))
  const said: string[] = []
  for (const role of ROLES) {
    const given = await verdict(role, from, names)
    said.push(given.ok ? `${given.via} ${given.name}` : given.reason)
  }
  expect(said[0]).toBe(said[1])
  return said[0] ?? ''
}

it('[CT-01 CT-13] a domain is proven as DNS-ID, SRV-ID or XmppAddr, whoever dialled', async () => {
  expect(await outcome({ dns: ['capulet.example'] })).toBe('dns-id capulet.example')
  expect(await outcome({ srv: ['_xmpp-server.capulet.example'] })).toBe('srv-id _xmpp-server.capulet.example')
  expect(await outcome({ xmpp: ['capulet.example'] })).toBe('xmpp-addr capulet.example')
  expect(await outcome({ dns: ['montague.example'] })).toBe('name-mismatch')
})

it('[CT-13] a certificate of the host that dials proves no domain, unless it is the domain', async () => {
  const peer = presented(authority.issue({ dns: ['edge.capulet.example'] }))
  expect(await verdict('receiving', peer)).toMatchObject({ ok: false, reason: 'name-mismatch' })
  expect(await verdict('receiving', peer, { of: 'edge.capulet.example' })).toMatchObject({ ok: true })
})

it('[CT-02] an XmppAddr counts as the bare domain only', async () => {
  for (const address of ['user@capulet.example', 'capulet.example/resource', 'user@capulet.example/x', ''])
    expect(await outcome({ xmpp: [address] }), address).toBe('name-mismatch')
  expect(await outcome({ xmpp: ['user@capulet.example', 'capulet.example'] })).toBe(
    'xmpp-addr capulet.example',
  )
})

it('[CT-03] an SRV-ID counts for its own service and name together', async () => {
  expect(await outcome({ srv: ['_xmpp-client.capulet.example'] })).toBe('name-mismatch')
  const mixed = ['_xmpp-client.capulet.example', '_xmpp-server.montague.example']
  expect(await outcome({ srv: mixed })).toBe('name-mismatch')
  expect(await outcome({ srv: ['_XMPP-SERVER.Capulet.Example'] })).toBe('srv-id _XMPP-SERVER.Capulet.Example')
})

it('[CT-04] names are compared by A-labels, without case and trailing dot', async () => {
  const of = 'B\u00fccher.example.'
  for (const dns of ['xn--bcher-kva.example', 'XN--BCHER-KVA.Example', 'xn--bcher-kva.example.'])
    expect(await outcome({ dns: [dns] }, { of })).toBe(`dns-id ${dns}`)
  expect(await outcome({ xmpp: ['b\u00fccher.example'] }, { of })).toBe('xmpp-addr b\u00fccher.example')
  expect(await outcome({ dns: ['bucher.example'] }, { of })).toBe('name-mismatch')
})

it('[CT-05] a wildcard is a whole left label and stands for exactly one', async () => {
  const wild = { dns: ['*.capulet.example'] }
  expect(await outcome(wild, { of: 'rooms.capulet.example' })).toBe('dns-id *.capulet.example')
  expect(await outcome(wild, { of: 'capulet.example' })).toBe('name-mismatch')
  expect(await outcome(wild, { of: 'a.b.capulet.example' })).toBe('name-mismatch')
  for (const name of ['r*.capulet.example', '*s.capulet.example', '*.*.example', 'rooms.*.example', '*'])
    expect(await outcome({ dns: [name] }, { of: 'rooms.capulet.example' }), name).toBe('name-mismatch')
})

it('[CT-06] a common name proves nothing', async () => {
  for (const extensions of [[FIELDS.server], [FIELDS.server, FIELDS.names('montague.example')]]) {
    const peer = raw({ subject: commonName('capulet.example'), extensions })
    expect(await outcome(peer)).toBe('name-mismatch')
  }
})

it('[CT-07] an address is an iPAddress only, and no address is a domain of ours', async () => {
  expect(await outcome({ dns: ['192.0.2.1'] }, { of: '192.0.2.1' })).toBe('name-mismatch')
  expect(await outcome({ dns: ['192.0.2.1'] }, { hosts: ['192.0.2.1'] })).toBe('name-mismatch')
  const alternative = extension(OID.subjectAltName, sequence(ipAddress(192, 0, 2, 1)))
  const octets = raw({ extensions: [FIELDS.server, alternative] })
  expect(await outcome(octets, { hosts: ['192.0.2.1'] })).toBe('ip-id 192.0.2.1')
  expect(await outcome(octets, { hosts: ['192.0.2.2'] })).toBe('name-mismatch')
  expect(await outcome(octets, { of: '192.0.2.1' })).toBe('name-mismatch')
})

it('[CT-08] the whole path is checked', async () => {
  const dns = ['capulet.example']
  const now = Date.now()
  expect(await outcome({ dns, notAfterMs: now - 1_000 })).toBe('expired')
  expect(await outcome({ dns, notBeforeMs: now + 60_000 })).toBe('not-yet-valid')
  expect(await outcome(presented(testAuthority().issue({ dns })))).toBe('untrusted')

  const good = authority.issue({ dns })
  const validity = { notBeforeMs: now - 1_000, notAfterMs: now + 60_000 }
  const host = loadAuthority({ certificatePem: good.leafPem, keyPem: good.keyPem })
  const byHost = issue(host, { dnsNames: dns, ekus: ['serverAuth'], serial: randomBytes(16), ...validity })
  const peer = (made: { certificatePem: string; keyPem: string }, ...above: readonly string[]) => ({
    ...{ chainPem: made.certificatePem + above.join(''), keyPem: made.keyPem },
  })
  expect(await outcome(peer(byHost, good.certificatePem))).toBe('not-a-ca')

  // Signed by somebody else of the same name.
  const impostor = { ...authority.signer, key: host.key }
  const forged = issue(impostor, {
    dnsNames: dns,
    ekus: ['serverAuth'],
    serial: randomBytes(16),
    ...validity,
  })
  expect(await outcome(peer(forged, authority.signer.certificatePem))).toBe('bad-signature')

  const second = issueAuthority(authority.signer, {
    commonName: 'second',
    serial: randomBytes(16),
    ...validity,
  })
  const deep = issue(second, { dnsNames: dns, ekus: ['serverAuth'], serial: randomBytes(16), ...validity })
  expect(await outcome(peer(deep, second.certificatePem, authority.signer.certificatePem))).toBe(
    'path-length',
  )

  const bound = issueAuthority(authority.root, {
    ...{ commonName: 'bound', serial: randomBytes(16), ...validity },
    nameConstraints: { permitted: ['montague.example'] },
  })
  for (const names of [
    { dnsNames: dns },
    { dnsNames: ['montague.example'], xmppAddrs: dns },
    { dnsNames: ['montague.example'], srvNames: ['_xmpp-server.capulet.example'] },
  ]) {
    const outside = issue(bound, { ...names, ekus: ['serverAuth'], serial: randomBytes(16), ...validity })
    expect(await outcome(peer(outside, bound.certificatePem))).toBe('name-constraints')
  }
})

it('[CT-10] where we dial, a certificate is for the domain or for the host of the URL that the domain gave', async () => {
  const url = 'wss://edge.hoster.example/s2s'
  const link = { ...{ url, host: 'edge.hoster.example', port: 443 }, priority: 0, weight: 0 }
  const links = [{ ...link, addresses: ['192.0.2.7'], servername: 'sni.hoster.example' }]
  const random = { bytes: randomBytes, unit: () => 0 }
  const [found] = candidatesOf(
    domain('capulet.example'),
    { links, ttlMs: null, pins: [], complete: true },
    random,
  )
  const fixed = staticCandidate(domain('capulet.example'), url)
  for (const candidate of [found, fixed]) {
    const names = candidate?.names ?? expect.fail('no candidate')
    const judged = async (options: TestCertificateOptions) => {
      const given = await verdict('initiating', presented(authority.issue(options)), names)
      return given.ok ? given.via : given.reason
    }
    expect(await judged({ dns: ['edge.hoster.example'] })).toBe('dns-id')
    expect(await judged({ dns: ['capulet.example'] })).toBe('dns-id')
    expect(await judged({ srv: ['_xmpp-server.capulet.example'] })).toBe('srv-id')
    expect(await judged({ xmpp: ['capulet.example'] })).toBe('xmpp-addr')
    // The host counts as DNS-ID only.
    expect(await judged({ xmpp: ['edge.hoster.example'] })).toBe('name-mismatch')
    expect(await judged({ srv: ['_xmpp-server.edge.hoster.example'] })).toBe('name-mismatch')
    expect(await judged({ dns: ['sni.hoster.example'] })).toBe('name-mismatch')
  }
})

it('[CT-11] no name that DNS alone gave proves a domain', async () => {
  // What a spoofed CNAME, SRV or TXT record would lead to, at the very address that it gave.
  for (const target of ['target.evil.example', '_xmpp-server._tcp.capulet.example', 'xmpp.capulet.example'])
    expect(await outcome({ dns: [target] }), target).toBe('name-mismatch')
  const candidate = staticCandidate(domain('capulet.example'), 'wss://edge.capulet.example/s2s')
  expect(candidate.names).toEqual({ domain: 'capulet.example', hosts: ['edge.capulet.example'], pins: [] })
})

it('[CT-20] serverAuth or no purpose at all, as DECISIONS 7 has it', async () => {
  const dns = ['capulet.example']
  expect(await outcome({ dns, ekus: ['serverAuth'] })).toBe('dns-id capulet.example')
  expect(await outcome({ dns, ekus: ['serverAuth', 'clientAuth'] })).toBe('dns-id capulet.example')
  expect(await outcome({ dns, ekus: [] })).toBe('dns-id capulet.example')
  expect(await outcome({ dns, ekus: ['clientAuth'] })).toBe('purpose')
  expect(await outcome({ dns, ekus: ['anyExtendedKeyUsage'] })).toBe('purpose')
})

it('[CT-21] INVALID_PURPOSE hides an untrusted chain from Node, not from us', async () => {
  const said = async (peer: Presented) => {
    const facts = await bench.asClient(peer)
    const given = await verdict('receiving', peer)
    return [facts?.nodeVerdict, given.ok ? given.via : given.reason]
  }
  const dns = ['capulet.example']
  const stranger = testAuthority()
  const strange = stranger.issue({ dns })
  expect(await said(presented(authority.issue({ dns })))).toEqual(['INVALID_PURPOSE', 'dns-id'])
  const withRoot = { chainPem: strange.certificatePem + stranger.caPem, keyPem: strange.keyPem }
  expect(await said(withRoot)).toEqual(['INVALID_PURPOSE', 'untrusted'])
  const own = commonName('capulet.example')
  const extensions = [FIELDS.server, FIELDS.names('capulet.example')]
  const selfSigned = raw({ issuer: own, subject: own, signer: leafKey, extensions })
  expect(await said(selfSigned)).toEqual(['INVALID_PURPOSE', 'untrusted'])
  expect(await said({ chainPem: strange.leafPem, keyPem: strange.keyPem })).toEqual([
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'untrusted',
  ])
  const old = authority.issue({ dns, notAfterMs: Date.now() - 1_000 })
  expect(await said(presented(old))).toEqual(['CERT_HAS_EXPIRED', 'expired'])
})

it('[CT-22] a resumed session, which shows the leaf alone, would prove nothing', () => {
  const { chainDer } = authority.issue({ dns: ['capulet.example'] })
  const given = judgePeer({
    ...{ chain: chainDer.slice(0, 1), nodeVerdict: 'INVALID_PURPOSE', role: 'receiving', trust },
    ...{ names: { domain: domain('capulet.example'), hosts: [], pins: [] } },
    ...{ nowMs: Date.now(), limits: defaultLimits },
  })
  expect(given).toMatchObject({ ok: false, reason: 'untrusted' })
})

it('[CT-23] where we dial, we send our certificate with its intermediates, clientAuth or not', async () => {
  const ours = authority.issue({ dns: ['montague.example'], ekus: ['serverAuth'] })
  const { cert, key } = authority.issue({ dns: ['capulet.example'] }).secureContextOptions
  const peer = tls.createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
  peer.listen(0, '127.0.0.1')
  await once(peer, 'listening')
  const address = peer.address()
  const arrived = once(peer, 'secureConnection')
  const dialled = await dialTcp({
    ...{ address: '127.0.0.1', port: typeof address === 'object' && address ? address.port : 0 },
    ...{ limits: defaultLimits, clock: systemClock, signal: new AbortController().signal },
    tls: {
      servername: 'capulet.example',
      secureContext: createTlsContext({
        identity: { certificate: ours.certificatePem, key: ours.keyPem },
        ca: [authority.caPem],
      }),
      vet: () => null,
    },
  })
  const [socket] = (await arrived) as [tls.TLSSocket]
  const leaf = socket.getPeerX509Certificate()
  expect(leaf?.subjectAltName).toBe('DNS:montague.example')
  expect(leaf?.issuerCertificate?.raw).toEqual(Buffer.from(authority.signer.certificate))
  if (dialled.ok) dialled.transport.abort()
  socket.destroy()
  await new Promise(resolve => peer.close(resolve))
})
