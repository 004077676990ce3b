import { type IdentityVerdict, judgePeer } from '../identity/index.ts'
import * as stream from '../stream/index.ts'
import type { TlsFacts } from '../transport/index.ts'
import type { Domain, DomainPair } from '../xmpp/index.ts'
import { SessionDriver } from './driver.ts'
import { machineOf } from './machine-of.ts'
import type { InitiatingSessionOptions, ReceivingSessionOptions, SessionOptions } from './options.ts'
import type { Session } from './session.ts'
import { wireOf } from './wire.ts'

/** Open a stream on a transport whose peer has been proven. Attaches to the transport in this turn. */
export function startInitiating(options: InitiatingSessionOptions): Session {
  const {
    transport,
    pair,
    verdict,
    limits,
    starttls,
    certificate,
    dialback,
    first,
    bidi,
    stanzasTo,
    barrier,
    management,
  } = options
  const wire = wireOf(transport.facts)
  const begun = stream.startInitiating({
    policy: wire.policy,
    pair,
    peer: verdict,
    limits,
    starttls: requirementOf(starttls),
    ...(certificate === undefined ? {} : { certificate }),
    ...(dialback === undefined ? {} : { dialback }),
    ...(first === undefined ? {} : { first }),
    ...(bidi === undefined ? {} : { bidi }),
    ...(management === undefined ? {} : { sm: management.when }),
    ...(stanzasTo === undefined ? {} : { stanzasTo }),
  })
  const driver = new SessionDriver({
    session: options,
    role: 'initiating',
    names: pair,
    wire,
    ...(starttls === undefined
      ? {}
      : {
          judge: (tls: TlsFacts | null, claimed: Domain) =>
            tls === null ? unprotected(claimed) : starttls.judge(tls, claimed),
          startTls: () => ({ role: 'initiating', ...starttls }) as const,
        }),
    barrier,
    management,
    machine: machineOf(begun, stream.stepInitiating),
  })
  driver.start(begun.outputs)
  return driver
}

/** Take a stream that a peer opens. Attaches to the transport in this turn. */
export function startReceiving(options: ReceivingSessionOptions): Session {
  const {
    transport,
    isLocal,
    admits,
    limits,
    random,
    starttls,
    dialback,
    bidi,
    management,
    legacy,
    stanzasTo,
  } = options
  const { tls } = transport.facts
  const wire = wireOf(transport.facts)
  const begun = stream.startReceiving({
    policy: wire.policy,
    isLocal,
    peerCertificate: tls !== null && tls.chain.length > 0,
    streamIds: [stream.streamId(random), stream.streamId(random), stream.streamId(random)],
    limits,
    starttls: requirementOf(starttls),
    ...(admits === undefined ? {} : { admits }),
    ...(dialback === undefined ? {} : { dialback: dialback.secret }),
    ...(bidi === undefined ? {} : { bidi }),
    ...(management === undefined ? {} : { sm: offered(management, options) }),
    ...(legacy === undefined ? {} : { legacy }),
    ...(stanzasTo === undefined ? {} : { stanzasTo }),
  })
  const driver = new SessionDriver({
    session: options,
    role: 'receiving',
    names: { local: '', remote: '' },
    wire,
    judge: (facts, claimed) =>
      options.judge === undefined || facts === null
        ? judge(options, facts, claimed)
        : options.judge(facts, claimed),
    ...(starttls === undefined
      ? {}
      : {
          startTls: (pair: DomainPair) =>
            ({
              role: 'receiving',
              secureContext: starttls.contextFor(pair),
              requestCertificate: true,
            }) as const,
        }),
    ...(dialback === undefined ? {} : { verify: dialback.verify }),
    machine: machineOf(begun, stream.stepReceiving),
  })
  driver.start(begun.outputs)
  return driver
}

/** CT-13: the domain that it claims is the one name that counts. */
function judge(
  { trust, limits, clock }: SessionOptions & Pick<ReceivingSessionOptions, 'trust'>,
  tls: TlsFacts | null,
  claimed: Domain,
): IdentityVerdict {
  return judgePeer({
    chain: tls?.chain ?? [],
    nodeVerdict: tls?.nodeVerdict ?? 'none',
    names: { domain: claimed, hosts: [], pins: [] },
    trust,
    limits,
    nowMs: clock.wallMs(),
    role: 'receiving',
  })
}

function offered(
  { resumable }: { readonly resumable: boolean },
  { random, limits }: SessionOptions,
): { readonly id: string; readonly maxSeconds: number } {
  const maxSeconds = resumable ? Math.floor(limits.resumeMs / SECOND_MS) : 0
  return { id: stream.streamId(random), maxSeconds }
}

const SECOND_MS = 1_000

function requirementOf(starttls: { readonly required: boolean } | undefined): stream.StartTls {
  if (starttls === undefined) return 'never'
  return starttls.required ? 'required' : 'offered'
}

function unprotected(domain: Domain): IdentityVerdict {
  return { ok: false, domain, reason: 'no-certificate', detail: 'there is no TLS' }
}
