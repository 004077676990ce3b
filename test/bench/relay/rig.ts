import { identities } from '../certificates.ts'
import { Child } from '../child.ts'
import type { Far } from '../children/far.ts'
import type { Near } from '../children/near.ts'
import type { Pipe } from '../children/pipe.ts'
import { startGateway } from './gateway.ts'

/** 'out': from the local server over TCP to elsewhere over wss; 'in': the other way. */
export type Direction = 'out' | 'in'

/** Who has stream management: neither, the other domain alone, or the gateway as well. */
export type Management = 'nobody' | 'domain' | 'both'

/** What carries stanzas from one end to the other, in a process of its own. */
export interface Carrier {
  readonly pid: number
  /** So many, from end to end; resolves when the last one has arrived. */
  carry(count: number): Promise<void>
}

export interface Rig {
  readonly gateway: Carrier
  readonly pipe: Carrier
  end(): Promise<void>
}

/**
 * The gateway and, beside it, the bare pipe, between the same two processes: near, which stands for the local server, and far,
 * which stands for the other domain. Only the carrier that is measured is busy.
 */
export async function startRig(
  direction: Direction,
  signal: AbortSignal,
  management: Management = 'nobody',
): Promise<Rig> {
  const { initiating: ours, receiving: theirs } = identities()
  const near = Child.start<Near>('near', signal)
  const far = Child.start<Far>('far', signal)
  const pipe = Child.start<Pipe>('pipe', signal)
  const nearPorts = await near.call('start')
  const farPorts = await far.call('start', { identity: theirs, managed: management !== 'nobody' })
  const to = { tcp: nearPorts.bare, tls: farPorts.bare }
  const pipePorts = await pipe.call('start', { identity: ours, to })
  const gateway = await startGateway(
    ours,
    { s2s: nearPorts.s2s, wss: farPorts.wss, managed: management !== 'domain' },
    signal,
  )
  await near.call('dial', { gateway: gateway.ports.s2s, pipe: pipePorts.tcp })
  await far.call('dial', { identity: theirs, gateway: gateway.ports.wss, pipe: pipePorts.tls })
  const [from, into] = direction === 'out' ? ([near, far] as const) : ([far, near] as const)
  const carrier = (pid: number, send: 'send' | 'sendBare', take: 'stanzas' | 'bare'): Carrier => ({
    pid,
    carry: async count => {
      await Promise.all([into.call(take, count), from.call(send, count)])
    },
  })
  return {
    gateway: carrier(gateway.pid, 'send', 'stanzas'),
    pipe: carrier(pipe.pid, 'sendBare', 'bare'),
    async end() {
      // Whoever is gone is not waited for by the gateway.
      await Promise.all([near.end(), far.end(), pipe.end()])
      await gateway.end()
    },
  }
}
