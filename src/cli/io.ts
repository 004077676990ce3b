import type { Readable } from 'node:stream'
import type { SignalSource } from '../gateway/index.ts'

/** What a command touches of the world. Results go to `out`, everything else to `err`. */
export interface Io {
  readonly out: Output
  readonly err: Output
  /** where a person answers; null: nobody is there */
  readonly answers: Readable | null
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly signals: SignalSource
}

export interface Output {
  write(text: string): unknown
  /** a terminal, whose reader is a person */
  readonly isTTY?: boolean
}

/** Ctrl-C and SIGTERM as an AbortSignal, for commands that end by themselves. */
export function abortOnSignal(signals: SignalSource): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const abort = () => controller.abort()
  signals.on('SIGINT', abort)
  signals.on('SIGTERM', abort)
  return {
    signal: controller.signal,
    release: () => {
      signals.off('SIGINT', abort)
      signals.off('SIGTERM', abort)
    },
  }
}
