import { rootCertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defaultLimits } from '../../src/base/index.ts'
import {
  createTrustStore,
  type IdentityVerdict,
  judgeChain,
  judgePeer,
  type ReferenceNames,
} from '../../src/identity/index.ts'
import type { TlsFacts } from '../../src/transport/index.ts'
import { parseDomain, toAscii } from '../../src/xmpp/index.ts'
import { type CaseWorld, type CertificateCase, DOMAIN, type Expected } from './certificate-cases.ts'
import type { Made, OpensslLab } from './openssl.ts'
import { type Presented, type TlsBench, tlsBench } from './tls-verdicts.ts'

// Every case is judged four times: by us, by openssl, and by us over real sockets in both roles.

export function proveCases(lab: OpensslLab, { roots, cases, server }: CaseWorld): void {
  const rootsPem = roots.map(({ pem }) => pem)
  const trust = createTrustStore({ roots: [...rootCertificates, ...rootsPem] })
  const table = cases.map(row => [row.title, row] as const)
  let bench: TlsBench

  beforeAll(async () => {
    bench = await tlsBench(presented(server), rootsPem)
  })
  afterAll(() => bench.close())

  it('reads every root', () => expect(trust.problems).toEqual([]))

  describe('as a chain', () => {
    it.each(table)('%s', (_title, row) => {
      const verdict = judgeChain({ ...evidence(row), chain: row.chain.map(({ der }) => der) })
      expect(outcome(verdict), sentence(verdict)).toBe(row.expected)
    })
  })

  describe('to openssl', () => {
    it.each(table)('%s', (_title, row) => {
      const hostname = toAscii(namesOf(row).domain)
      const said = [
        { ours: PATH_STANDS.has(row.expected), theirs: lab.verify(row.chain, roots) },
        { ours: row.expected === 'dns-id', theirs: lab.verify(row.chain, roots, { hostname }) },
      ]
      const differences = said.filter(({ ours, theirs }) => ours !== theirs.ok)
      if (row.openssl === undefined) expect(differences).toEqual([])
      else expect(differences, 'an excuse that is not needed').not.toEqual([])
    })
  })

  const overTls = (
    role: 'receiving' | 'initiating',
    facts: (row: CertificateCase) => Promise<TlsFacts | null>,
  ) =>
    describe(`of a peer, ${role}`, () => {
      it.each(table)('%s', async (_title, row) => {
        const seen = await facts(row)
        if (row.unloadable) {
          expect(seen?.nodeVerdict ?? 'none').toBe('none')
          return
        }
        if (seen === null) throw new Error('the handshake failed')
        const verdict = judgePeer({
          ...evidence(row),
          chain: seen.chain,
          nodeVerdict: seen.nodeVerdict,
          role,
        })
        const isHidden = seen.nodeVerdict === 'authorized' && seen.chain.length === 1 && row.chain.length > 1
        expect(outcome(verdict), sentence(verdict)).toBe(
          (isHidden ? row.hidden : undefined) ?? row.tls?.[role] ?? row.expected,
        )
      })
    })
  overTls('receiving', row => bench.asClient(presented(row.chain)))
  overTls('initiating', row => bench.asServer(presented(row.chain)))

  const evidence = (row: CertificateCase) => ({
    ...{ names: namesOf(row), trust, nowMs: Date.now(), limits: defaultLimits },
  })
}

export function presented(chain: readonly Made[]): Presented {
  return { chainPem: chain.map(({ pem }) => pem).join(''), keyPem: chain[0]?.key.pem ?? '' }
}

function namesOf({ domain = DOMAIN, hosts = [] }: CertificateCase): ReferenceNames {
  const parsed = parseDomain(domain)
  if (parsed === null) throw new TypeError(`no domain: ${domain}`)
  return { domain: parsed, hosts, pins: [] }
}

function outcome(verdict: IdentityVerdict): Expected {
  if (!verdict.ok) return verdict.reason
  if (verdict.via === 'pin') throw new TypeError('no case has pins')
  return verdict.via
}

function sentence(verdict: IdentityVerdict): string {
  return verdict.ok ? verdict.name : verdict.detail
}

const PATH_STANDS: ReadonlySet<Expected> = new Set([
  'dns-id',
  'srv-id',
  'xmpp-addr',
  'ip-id',
  'name-mismatch',
])
