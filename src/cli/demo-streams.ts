import type { Event } from '../base/index.ts'

/** A stream as `demo --json` tells of it. */
export interface DemoStream {
  /** the initiating domain */
  readonly from: string
  readonly to: string
  readonly transport: string
  readonly tls: string
  readonly authentication: string
  readonly setupMs: number
}

/** The streams that came to stand, each told by the side that opened it. */
export class DemoStreams {
  readonly #list: DemoStream[] = []

  get list(): readonly DemoStream[] {
    return this.#list
  }

  see(event: Event): void {
    if (event.type !== 'stream:established' || event.role !== 'initiating') return
    const { local: from, remote: to, transport, tls, authentication } = event
    const setupMs = Math.round(event.setupMs * 10) / 10
    this.#list.push({ from, to, transport, tls, authentication, setupMs })
  }
}
