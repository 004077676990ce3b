import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Event } from '../../src/base/index.ts'
import { notFederable, parseDomain } from '../../src/xmpp/index.ts'
import { type CaseWorld, DOMAIN, type Expected, purposeCases } from '../kit/certificate-cases.ts'
import { presented } from '../kit/certificate-verdicts.ts'
import { constraintCases } from '../kit/constraint-cases.ts'
import { conditionOf, open, type Scene, scene } from '../kit/mallory.ts'
import { nameCases } from '../kit/name-cases.ts'
import { OpensslLab } from '../kit/openssl.ts'
import { pathCases } from '../kit/path-cases.ts'

// The chains of test/unit/identity, shown to a running federation by whoever holds their keys: EXTERNAL is offered exactly
// where the domain is proven; all others are told why, and cost nobody anything.

const worlds: readonly (readonly [title: string, build: (lab: OpensslLab) => CaseWorld])[] = [
  ['purposes', purposeCases],
  ['paths', pathCases],
  ['names', nameCases],
  ['constraints', constraintCases],
]
const PROVEN: ReadonlySet<Expected> = new Set(['dns-id', 'srv-id', 'xmpp-addr'])

type Judged = Extract<Event, { type: 'identity' }>

describe.each(worlds)('%s', (_, build) => {
  const lab = new OpensslLab()
  const { roots, cases } = build(lab)
  // A domain that no stream may claim gets no verdict, and Node does not present every chain.
  const shown = cases.filter(({ domain = DOMAIN, hosts = [], unloadable }) => {
    const parsed = parseDomain(domain)
    return unloadable !== true && hosts.length === 0 && parsed !== null && notFederable(parsed) === null
  })
  let stage: Scene
  beforeAll(async () => {
    stage = await scene({ roots: roots.map(({ pem }) => pem), dialback: 'off' })
  })
  afterAll(() => stage.close())

  it('has cases of both kinds', () => {
    expect(shown.length).toBeGreaterThan(20)
    expect(shown.some(({ expected }) => PROVEN.has(expected))).toBe(true)
    expect(shown.some(({ expected }) => !PROVEN.has(expected))).toBe(true)
  })

  it.each(shown.map(row => [row.title, row] as const))('%s', async (_title, row) => {
    const { events } = stage.verona.montague
    events.length = 0
    const { chainPem, keyPem } = presented(row.chain)
    const domain = row.domain ?? DOMAIN
    const mallory = await stage.dial({ certificatePem: chainPem, keyPem })
    mallory.say(open(`from='${domain}' to='montague.example'`))
    expect(await mallory.hears()).toMatch(/^<open /)
    const answer = await mallory.hears()

    const verdict = events.find((event): event is Judged => event.type === 'identity')
    const outcome = verdict?.ok === true ? verdict.via : (verdict?.reason ?? 'no-certificate')
    // Node may show less of a chain, or say more of it, than the chain itself.
    expect([row.expected, row.hidden, row.tls?.receiving]).toContain(outcome)
    if (PROVEN.has(outcome as Expected)) {
      expect(answer).toContain('EXTERNAL')
      mallory.transport.abort()
    } else {
      expect(conditionOf([answer])).toBe('policy-violation')
      const { messages } = await mallory.rest()
      expect(messages.join('')).not.toContain('<success')
    }
    await stage.canary()
    await stage.backToBaseline()
  })
})
