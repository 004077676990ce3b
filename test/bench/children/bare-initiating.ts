import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { defaultLimits } from '../../../src/base/index.ts'
import { tlsContextSettings } from '../../../src/transport/index.ts'
import type { Identity } from '../certificates.ts'
import { answer } from '../child.ts'
import { corpus } from '../corpus/index.ts'

// The wire alone: sends the bytes of the corpus as fast as a WebSocket of `ws` takes them. One write a turn and a short
// buffer: without them it is slower.

const TEXT = { binary: false }
const stanzas = corpus()
let next = 0
let wire: { readonly ws: WebSocket; readonly socket: Socket } | null = null

const calls = {
  async start({ identity, port }: { identity: Identity; port: number }): Promise<void> {
    const ws = new WebSocket(`wss://127.0.0.1:${port}/`, {
      ...tlsContextSettings({ identity, ca: [identity.ca] }),
      rejectUnauthorized: false,
      perMessageDeflate: false,
    })
    const upgraded = once(ws, 'upgrade') as Promise<[IncomingMessage]>
    await once(ws, 'open')
    const [{ socket }] = await upgraded
    wire = { ws, socket }
  },

  /** Resolves when the last one has been accepted. */
  async send(count: number): Promise<void> {
    if (wire === null) throw new Error('not started')
    const { ws, socket } = wire
    socket.cork()
    for (let left = count; left > 0; left--) {
      const stanza = stanzas[next]
      next = (next + 1) % stanzas.length
      if (stanza === undefined) throw new Error('no corpus')
      ws.send(stanza, TEXT)
      if (ws.bufferedAmount <= defaultLimits.sendHighWaterBytes) continue
      socket.uncork()
      if (socket.writableNeedDrain) await once(socket, 'drain')
      socket.cork()
    }
    socket.uncork()
  },
}

export type BareInitiating = typeof calls

answer(calls)
