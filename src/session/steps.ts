import type { StreamInput, StreamOutput } from '../stream/index.ts'
import type { Machine } from './driver-options.ts'

export interface StepsOptions {
  readonly machine: Machine
  readonly perform: (output: StreamOutput) => void
  /** What the machine has not carried out it never will. */
  readonly onDefect: (error: unknown) => void
}

/** One input at a time: what its outputs give rise to comes behind them. */
export class Steps {
  readonly #options: StepsOptions
  #current: StreamInput['type'] | null = null
  #next: StreamInput[] | null = null

  constructor(options: StepsOptions) {
    this.#options = options
  }

  /** whose outputs are being carried out; null: none */
  get current(): StreamInput['type'] | null {
    return this.#current
  }

  feed(input: StreamInput): void {
    if (this.#current !== null) {
      this.#next ??= []
      this.#next.push(input)
      return
    }
    try {
      this.#step(input)
      while (this.#next !== null) {
        const inputs = this.#next
        this.#next = null
        for (const next of inputs) this.#step(next)
      }
    } catch (error) {
      this.#options.onDefect(error)
    } finally {
      this.#current = null
    }
  }

  #step(input: StreamInput): void {
    const { machine, perform } = this.#options
    this.#current = input.type
    const outputs = machine(input)
    // By index: on the path of every stanza an iterator costs more than what it brings.
    for (let i = 0; i < outputs.length; i++) perform(outputs[i] as StreamOutput)
  }
}
