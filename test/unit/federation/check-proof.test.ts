import { describe, expect, it } from 'vitest'
import type { WayBack } from '../../../src/federation/check-ping.ts'
import { proofBack, proofOut } from '../../../src/federation/check-proof.ts'
import { type Walked, WalkedStream } from '../../../src/federation/check-stream.ts'
import type { ListenSettings } from '../../../src/federation/listen-options.ts'
import { PAIR } from '../../kit/scripted-network.ts'

// What whole federations show stands in test/interop/check.test.ts; here is the rest.

const LISTENER: ListenSettings = {
  address: '127.0.0.1',
  port: 443,
  unix: false,
  clientCertificates: 'request',
  proxy: null,
}

function us(is: { certificate?: boolean; reachable?: boolean; dialback?: boolean } = {}) {
  const { certificate = true, reachable = true, dialback = true } = is
  return {
    meansOf: () => ({ certificate, dialback: null, bidi: false }),
    isReachable: () => reachable,
    settings: { dialback: dialback ? { secret: null } : null, listen: [LISTENER] },
  }
}

/** It came to no stream. */
function walked(is: Partial<Walked>): Walked {
  return {
    stages: [],
    url: 'wss://montague.example/s2s',
    verdict: null,
    features: [],
    mechanisms: [],
    refusal: null,
    stream: new WalkedStream(),
    failure: { by: 'peer', kind: 'unauthenticated', detail: '' },
    ...is,
  }
}

function way(is: Partial<WayBack>): WayBack {
  return {
    backMs: null,
    proven: null,
    stoodBefore: false,
    refusal: null,
    certificate: null,
    answered: false,
    release: () => {},
    ...is,
  }
}

const BY_KEY = { method: 'dialback', evidence: 'its server, dns-id montague.example' } as const

describe('why nothing proves us', () => {
  it.each<[Parameters<typeof us>[0], Partial<Walked>, string]>([
    [{ certificate: false }, {}, 'we have no certificate to show; it offers no dialback'],
    [
      { certificate: false, dialback: false },
      { features: ['dialback'] },
      'we have no certificate to show; dialback is off here',
    ],
    [{}, { mechanisms: ['EXTERNAL'] }, 'it did not take our certificate; it offers no dialback'],
    [
      { certificate: false },
      { features: ['dialback'], mechanisms: ['DIALBACK'] },
      'we have no certificate to show; it did not take our key',
    ],
  ])('%j, %j', (own, found, detail) => {
    expect(proofOut(us(own), PAIR, walked(found))).toEqual({ method: null, seen: false, detail })
  })
})

describe('why a peer proves itself by a key', () => {
  it.each<[Partial<WayBack>, string]>([
    [{}, 'it showed no certificate'],
    [{ certificate: { fault: null } }, 'its certificate would have proven it, but it chose a key'],
    [{ certificate: { fault: 'expired: on Monday' } }, 'its certificate was refused (expired: on Monday)'],
    [{ stoodBefore: true }, 'why not SASL EXTERNAL is not known, as that stream stood before'],
  ])('%j', (found, why) => {
    expect(proofBack(us(), PAIR, null, way({ proven: BY_KEY, ...found }))).toEqual({
      method: 'dialback',
      seen: true,
      detail: `its server, dns-id montague.example, knew its key; ${why}`,
    })
  })
})

describe('what a peer could use, where nobody can dial us', () => {
  it.each<[Walked | null, 'bidi' | null, string]>([
    [null, null, '; whether it does is not known'],
    [walked({ features: [] }), null, ', which it does not offer'],
    [walked({ features: ['bidi'] }), 'bidi', ', which it offers'],
  ])('%j', (found, method, rest) => {
    expect(proofBack(us({ reachable: false }), PAIR, found, way({}))).toEqual({
      method,
      seen: false,
      detail: `nobody can dial us: it can only use a stream of ours that goes both ways (bidi)${rest}`,
    })
  })
})
