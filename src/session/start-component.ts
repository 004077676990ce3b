import { componentCodec } from '../framing/index.ts'
import * as stream from '../stream/index.ts'
import type { Domain } from '../xmpp/index.ts'
import { SessionDriver } from './driver.ts'
import type { Machine } from './driver-options.ts'
import { machineOf } from './machine-of.ts'
import type { SessionOptions } from './options.ts'
import type { Session } from './session.ts'
import type { Wire } from './wire.ts'

export interface ComponentSessionOptions extends Omit<SessionOptions, 'stanzasTo'> {
  readonly isServed: (name: Domain) => boolean
  readonly isTaken: (name: Domain) => boolean
  /** what the component has to show on a stream of this id, in lower-case hex (CO-03) */
  readonly digestOf: (streamId: string) => string
  /** Once: our close is the next thing written, or nothing can be any more. What is sent from now on goes nowhere. */
  readonly onClosing: () => void
}

/** Take the stream of a component (XEP-0114). Attaches to the transport in this turn. */
export function startComponent(options: ComponentSessionOptions): Session {
  const { isServed, isTaken, digestOf, limits, random, onClosing } = options
  const streamId = stream.streamId(random)
  const first = stream.startComponent({ isServed, isTaken, streamId, digest: digestOf(streamId), limits })
  const driver = new SessionDriver({
    session: options,
    role: 'receiving',
    names: { local: '', remote: '' },
    wire: WIRE,
    // It is sent whatever is for it, from anybody.
    sends: 'anybody',
    machine: telling(machineOf(first, stream.stepComponent), onClosing),
  })
  driver.start(first.outputs)
  return driver
}

// CO-01: no TLS in the protocol; the listener is for this machine.
const WIRE: Wire = { codec: componentCodec, policy: { secure: false, name: 'tcp' } }

function telling(machine: Machine, onClosing: () => void): Machine {
  return input => {
    const outputs = machine(input)
    if (outputs.some(output => output.type === 'progress' && output.step.name === 'closing')) onClosing()
    return outputs
  }
}
