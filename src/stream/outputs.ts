import type { Element } from '../xml/index.ts'
import type { DomainPair } from '../xmpp/index.ts'
import type { Step, StreamOutput, StreamTimer } from './machine.ts'

// What both machines put out, in one spelling.

export const NOTHING: readonly StreamOutput[] = Object.freeze([])

/** What comes ahead of a step's own outputs. */
export function after<S>(outputs: readonly StreamOutput[], step: Step<S>): Step<S> {
  return outputs.length === 0 ? step : { state: step.state, outputs: [...outputs, ...step.outputs] }
}

export function writeElement(element: Element): StreamOutput {
  return { type: 'write', frame: { type: 'element', element } }
}

export function arm(timer: StreamTimer, afterMs: number): StreamOutput {
  return { type: 'timer', timer, afterMs }
}

export function disarm(timer: StreamTimer): StreamOutput {
  return { type: 'timer', timer, afterMs: null }
}

export function progressOpen(id: string, { local, remote }: DomainPair): StreamOutput {
  return { type: 'progress', step: { name: 'open', pair: { local, remote }, id } }
}

export function authenticating(mechanism: 'EXTERNAL' | 'DIALBACK'): StreamOutput {
  return { type: 'progress', step: { name: 'authenticating', mechanism } }
}
