import type { Step, StreamInput } from '../stream/index.ts'
import type { Machine } from './driver-options.ts'

/** A pure machine with its state. */
export function machineOf<S>(first: Step<S>, step: (state: S, input: StreamInput) => Step<S>): Machine {
  let { state } = first
  return input => {
    const next = step(state, input)
    state = next.state
    return next.outputs
  }
}
