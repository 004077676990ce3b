import { type IdentityVerdict, judgePeer } from '../identity/index.ts'
import * as stream from '../stream/index.ts'
import type { TlsFacts } from '../transport/index.ts'
import type { Domain } from '../xmpp/index.ts'
import { type Machine, SessionDriver } from './driver.ts'
import type { InitiatingSessionOptions, ReceivingSessionOptions, SessionOptions } from './options.ts'
import type { Session } from './session.ts'
import { wireOf } from './wire.ts'

/** Open a stream on a transport whose peer has been proven. Attaches to the transport in this turn. */
export function startInitiating(options: InitiatingSessionOptions): Session {
  const { transport, pair, verdict, limits } = options
  const wire = wireOf(transport.facts)
  const first = stream.startInitiating({ policy: wire.policy, pair, peer: verdict, limits })
  const driver = new SessionDriver({
    session: options,
    role: 'initiating',
    names: pair,
    wire,
    judge: null,
    machine: machineOf(first, stream.stepInitiating),
  })
  driver.start(first.outputs)
  return driver
}

/** Take a stream that a peer opens. Attaches to the transport in this turn. */
export function startReceiving(options: ReceivingSessionOptions): Session {
  const { transport, isLocal, limits, random } = options
  const { tls } = transport.facts
  const wire = wireOf(transport.facts)
  const first = stream.startReceiving({
    policy: wire.policy,
    isLocal,
    peerCertificate: tls !== null && tls.chain.length > 0,
    streamIds: [stream.streamId(random), stream.streamId(random)],
    limits,
  })
  const driver = new SessionDriver({
    session: options,
    role: 'receiving',
    names: { local: '', remote: '' },
    wire,
    judge: claimed => judge(options, tls, claimed),
    machine: machineOf(first, stream.stepReceiving),
  })
  driver.start(first.outputs)
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

function machineOf<S>(
  first: stream.Step<S>,
  step: (state: S, input: stream.StreamInput) => stream.Step<S>,
): Machine {
  let { state } = first
  return input => {
    const next = step(state, input)
    state = next.state
    return next.outputs
  }
}
