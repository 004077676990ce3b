import { afterEach, describe, expect, it } from 'vitest'
import { defaultLimits, type LocalFailure, type NetworkFailure } from '../../src/base/index.ts'
import type { Transport, TransportHandler } from '../../src/transport/index.ts'

/** Limits of the transports under test: small, so that tests stay quick. */
export const complianceLimits = { ...defaultLimits, sendHighWaterBytes: 64 * 1024, closeMs: 2_000 }

/** Two connected transports of one wire. `attach` has been called on both with the handlers given. */
export interface TransportPair {
  readonly initiating: Transport
  readonly receiving: Transport
  /** the wire dies under both: a reset, not an end */
  reset(): void
  /** everything of this pair is gone */
  stop(): Promise<void>
}

export interface Wire {
  readonly name: string
  /** 'message': one send, one onMessage. 'chunk': only the bytes in their order count. */
  readonly mode: 'message' | 'chunk'
  /** the peer can tell an abort from an orderly end; default yes */
  readonly tellsAborts?: boolean
  /** a wire with a liveness probe */
  readonly pings: boolean
  connect(handlers: { initiating: TransportHandler; receiving: TransportHandler }): Promise<TransportPair>
}

export type Ended = NetworkFailure | LocalFailure | null

/** A handler that writes down what it is told, and lets a test wait for it. */
export class Recorder implements TransportHandler {
  readonly messages: Uint8Array[] = []
  readonly ends: Ended[] = []
  /** calls after the end: must stay empty */
  readonly late: string[] = []
  /** ids of pings that were answered */
  readonly pongs: number[] = []
  activities = 0
  drains = 0
  /** called with each message, after it is recorded */
  react: (bytes: Uint8Array) => void = () => {}
  #waiting: { readonly ready: () => boolean; readonly resolve: () => void }[] = []

  onMessage(bytes: Uint8Array): void {
    this.#note('message')
    this.messages.push(bytes)
    this.#wake()
    this.react(bytes)
  }

  onActivity(): void {
    this.#note('activity')
    this.activities += 1
    this.#wake()
  }

  onPong(id: number): void {
    this.#note('pong')
    this.pongs.push(id)
    this.#wake()
  }

  onDrain(): void {
    this.#note('drain')
    this.drains += 1
    this.#wake()
  }

  onClosed(failure: Ended): void {
    this.#note('closed')
    this.ends.push(failure)
    this.#wake()
  }

  get bytes(): Buffer {
    return Buffer.concat(this.messages)
  }

  get texts(): string[] {
    return this.messages.map(bytes => Buffer.from(bytes).toString())
  }

  get received(): number {
    return this.messages.reduce((sum, bytes) => sum + bytes.length, 0)
  }

  until(ready: () => boolean): Promise<void> {
    if (ready()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ ready, resolve }))
  }

  async ended(): Promise<Ended> {
    await this.until(() => this.ends.length > 0)
    return this.ends[0] ?? null
  }

  #note(call: string): void {
    if (this.ends.length > 0) this.late.push(call)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const entry of waiting) {
      if (entry.ready()) entry.resolve()
      else this.#waiting.push(entry)
    }
  }
}

/** Let everything run that is ready to run. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Every rule of the contract, for one wire. */
export function transportCompliance(wire: Wire): void {
  describe(`${wire.name} keeps the contract of a transport`, () => {
    const pairs: TransportPair[] = []
    const recorders: Recorder[] = []

    async function connect(receiving: TransportHandler & { until?: unknown } = new Recorder()) {
      const initiating = new Recorder()
      const pair = await wire.connect({ initiating, receiving })
      pairs.push(pair)
      recorders.push(initiating)
      if (receiving instanceof Recorder) recorders.push(receiving)
      return { ...pair, atInitiating: initiating, atReceiving: receiving as Recorder }
    }

    afterEach(async () => {
      for (const pair of pairs.splice(0)) await pair.stop()
      for (const recorder of recorders.splice(0)) {
        expect(recorder.ends.length, 'onClosed at most once').toBeLessThan(2)
        expect(recorder.late, 'nothing after onClosed').toEqual([])
      }
    })

    it('delivers whole, unchanged and in order, both ways', async () => {
      const { initiating, receiving, atInitiating, atReceiving } = await connect()
      const sent = Array.from({ length: 300 }, (_, n) => `<m n='${n}'>${'é𝄞x'.repeat((n * 7) % 97)}</m>`)
      for (const [n, text] of sent.entries()) {
        initiating.send(n % 2 === 0 ? text : Buffer.from(text))
        receiving.send(n % 2 === 0 ? Buffer.from(text) : text)
      }
      const size = Buffer.byteLength(sent.join(''))
      await atReceiving.until(() => atReceiving.received >= size)
      await atInitiating.until(() => atInitiating.received >= size)
      for (const recorder of [atReceiving, atInitiating]) {
        expect(recorder.bytes.toString()).toBe(sent.join(''))
        if (wire.mode === 'message') expect(recorder.texts).toEqual(sent)
      }
    })

    it('carries messages larger than its high-water mark, and says when to stop and when to go on', async () => {
      const { initiating, receiving, atInitiating, atReceiving } = await connect()
      for (const [from, at, sender] of [
        [initiating, atReceiving, atInitiating],
        [receiving, atInitiating, atReceiving],
      ] as const) {
        const big = `<m>${'0123456789'.repeat(40_000)}</m>`
        // The kernel may take the first ones at once.
        let sent = big
        while (from.send(big)) {
          sent += big
          expect(sent.length).toBeLessThan(100 * big.length)
        }
        await at.until(() => at.received >= sent.length)
        expect(at.bytes.equals(Buffer.from(sent))).toBe(true)
        await sender.until(() => sender.drains === 1)
        expect(from.bufferedBytes()).toBe(0)
        expect(from.send('<m/>')).toBe(true)
      }
    })

    it('stops reading while paused, and delivers the rest in order afterwards', async () => {
      const { initiating, receiving, atReceiving } = await connect()
      atReceiving.react = () => receiving.pause()
      for (let n = 0; n < 5; n++) initiating.send(`<m n='${n}'/>`)
      await atReceiving.until(() => atReceiving.messages.length === 1)
      await turns()
      expect(atReceiving.messages).toHaveLength(1)
      atReceiving.react = () => {}
      receiving.resume()
      await atReceiving.until(() => atReceiving.received >= 5 * 10)
      expect(atReceiving.bytes.toString()).toBe("<m n='0'/><m n='1'/><m n='2'/><m n='3'/><m n='4'/>")
    })

    it('can be paused again by each message that was held back', async () => {
      const { initiating, receiving, atReceiving } = await connect()
      atReceiving.react = () => {
        receiving.pause()
        setImmediate(() => receiving.resume())
      }
      const sent = Array.from({ length: 50 }, (_, n) => `<m n='${n + 100}'/>`)
      for (const text of sent) initiating.send(text)
      await atReceiving.until(() => atReceiving.received >= sent.join('').length)
      expect(atReceiving.bytes.toString()).toBe(sent.join(''))
    })

    it('a paused reader fills the sender’s buffer, and draws it down again', async () => {
      const { initiating, receiving, atInitiating, atReceiving } = await connect()
      receiving.pause()
      receiving.pause()
      const block = Buffer.alloc(256 * 1024, 'x')
      const count = 96 // more than two kernels hold
      for (let n = 0; n < count; n++) initiating.send(block)
      await turns(200)
      expect(atReceiving.messages).toHaveLength(0)
      expect(initiating.bufferedBytes()).toBeGreaterThan(complianceLimits.sendHighWaterBytes)
      receiving.resume()
      receiving.resume()
      await atReceiving.until(() => atReceiving.received === count * block.length)
      await atInitiating.until(() => atInitiating.drains > 0)
      expect(initiating.bufferedBytes()).toBe(0)
    })

    for (const closer of ['initiating', 'receiving'] as const) {
      it(`close by the ${closer} side: what was sent arrives, then both end in order`, async () => {
        const pair = await connect()
        const [from, at, own] =
          closer === 'initiating'
            ? [pair.initiating, pair.atReceiving, pair.atInitiating]
            : [pair.receiving, pair.atInitiating, pair.atReceiving]
        const tail = 'z'.repeat(400_000)
        from.send('<first/>')
        from.send(tail)
        from.close(1000, 'done')
        from.close(1001)
        expect(await at.ended()).toBeNull()
        expect(await own.ended()).toBeNull()
        expect(at.bytes.equals(Buffer.from(`<first/>${tail}`))).toBe(true)
      })

      it(`abort by the ${closer} side: both end at once, each knowing why`, async () => {
        const pair = await connect()
        const [from, at, own] =
          closer === 'initiating'
            ? [pair.initiating, pair.atReceiving, pair.atInitiating]
            : [pair.receiving, pair.atInitiating, pair.atReceiving]
        from.abort()
        from.abort()
        expect(own.ends, 'never from within abort').toEqual([])
        expect(await own.ended()).toMatchObject({ by: 'us', kind: 'aborted' })
        const seen = await at.ended()
        if (wire.tellsAborts !== false) expect(seen).toMatchObject({ by: 'network', kind: 'closed' })
      })
    }

    it('crossing closes end in order', async () => {
      const { initiating, receiving, atInitiating, atReceiving } = await connect()
      initiating.close(1000)
      receiving.close(1000)
      expect(atInitiating.ends, 'never from within close').toEqual([])
      expect(await atInitiating.ended()).toBeNull()
      expect(await atReceiving.ended()).toBeNull()
    })

    it('abort after close still ends once', async () => {
      const { initiating, atInitiating, atReceiving } = await connect()
      initiating.close(1000)
      initiating.abort()
      await atInitiating.ended()
      await atReceiving.ended()
    })

    it('ignores everything after close', async () => {
      const { initiating, atInitiating, atReceiving } = await connect()
      initiating.close(1000)
      const again = () => {
        initiating.send('<late/>')
        initiating.ping(1)
        initiating.pause()
        initiating.resume()
        initiating.setMaxMessageBytes(1)
        initiating.close(1000)
        initiating.bufferedBytes()
      }
      again()
      await atInitiating.ended()
      await atReceiving.ended()
      again()
      initiating.abort()
      await turns()
      expect(atReceiving.messages).toEqual([])
    })

    it('nothing but the end is told after our close', async () => {
      const { initiating, receiving, atReceiving } = await connect()
      initiating.send('<m/>')
      atReceiving.react = () => receiving.close(1000)
      await atReceiving.until(() => atReceiving.messages.length > 0)
      for (let n = 0; n < 20; n++) initiating.send('<late/>')
      await atReceiving.ended()
      expect(atReceiving.messages).toHaveLength(1)
    })

    it('a wire that dies is a failure on both sides, once', async () => {
      const { reset, atInitiating, atReceiving } = await connect()
      reset()
      expect(await atInitiating.ended()).toMatchObject({ by: 'network', kind: 'closed' })
      expect(await atReceiving.ended()).toMatchObject({ by: 'network', kind: 'closed' })
    })

    it('what arrived before the end is delivered before it, even to a paused reader', async () => {
      const { initiating, receiving, atReceiving } = await connect()
      receiving.pause()
      for (let n = 0; n < 3; n++) initiating.send(`<m n='${n}'/>`)
      initiating.close(1000)
      await turns()
      expect(atReceiving.messages).toEqual([])
      expect(atReceiving.ends).toEqual([])
      receiving.resume()
      expect(await atReceiving.ended()).toBeNull()
      expect(atReceiving.bytes.toString()).toBe("<m n='0'/><m n='1'/><m n='2'/>")
    })

    it('a handler that throws ends its own transport and no other', async () => {
      const faulty = new Recorder()
      faulty.react = () => {
        throw new RangeError('a defect')
      }
      const one = await connect(faulty)
      const other = await connect()
      one.initiating.send('<m/>')
      expect(await faulty.ended()).toMatchObject({ by: 'us', kind: 'internal' })
      await one.atInitiating.ended()
      other.initiating.send('<m/>')
      await other.atReceiving.until(() => other.atReceiving.messages.length === 1)
    })

    it('takes one handler', async () => {
      const { initiating } = await connect()
      expect(() => initiating.attach(new Recorder())).toThrow(TypeError)
    })

    if (wire.pings) {
      it('a ping is a sign of life on both sides and no message', async () => {
        const { initiating, receiving, atInitiating, atReceiving } = await connect()
        expect(initiating.ping(1)).toBe(true)
        await atReceiving.until(() => atReceiving.activities > 0)
        await atInitiating.until(() => atInitiating.activities > 0)
        const before = atReceiving.activities
        expect(receiving.ping(1)).toBe(true)
        await atReceiving.until(() => atReceiving.activities > before)
        expect(atInitiating.messages).toEqual([])
        expect(atReceiving.messages).toEqual([])
      })

      it('the answer to a ping comes once the peer has taken what was sent before it', async () => {
        const { initiating, receiving, atInitiating, atReceiving } = await connect()
        const last = 4_294_967_295
        initiating.send('<a/>')
        initiating.ping(1)
        await atInitiating.until(() => atInitiating.pongs.length === 1)
        expect(atReceiving.texts.join('')).toBe('<a/>')
        receiving.ping(last)
        await atReceiving.until(() => atReceiving.pongs.length === 1)
        expect([atInitiating.pongs, atReceiving.pongs]).toEqual([[1], [last]])
      })

      it('a paused peer answers no ping behind what it has not taken', async () => {
        const { initiating, receiving, atInitiating, atReceiving } = await connect()
        atReceiving.react = () => receiving.pause()
        for (const name of ['a', 'b']) initiating.send(`<${name}/>`)
        initiating.ping(7)
        await atReceiving.until(() => atReceiving.messages.length === 1)
        await turns()
        expect(atReceiving.texts.join('')).toBe('<a/>')
        expect(atInitiating.pongs).toEqual([])
        atReceiving.react = () => {}
        receiving.resume()
        await atInitiating.until(() => atInitiating.pongs.length === 1)
        expect(atReceiving.texts.join('')).toBe('<a/><b/>')
      })
    } else {
      it('has no liveness probe, and says so', async () => {
        const { initiating, receiving } = await connect()
        expect(initiating.ping(1)).toBe(false)
        expect(receiving.ping(1)).toBe(false)
      })
    }

    if (wire.mode === 'message') {
      it('takes a message of exactly the limit, and none above it', async () => {
        const { initiating, receiving, atInitiating, atReceiving } = await connect()
        receiving.setMaxMessageBytes(1_000)
        initiating.send('x'.repeat(1_000))
        await atReceiving.until(() => atReceiving.messages.length === 1)
        initiating.send('x'.repeat(1_001))
        initiating.send('<after/>')
        expect(await atInitiating.ended()).toMatchObject({ by: 'network', kind: 'closed' })
        await atReceiving.ended()
        expect(atReceiving.messages).toHaveLength(1)
      })

      it('a handler may answer an oversize message before it closes (WS-49)', async () => {
        class Answering extends Recorder {
          oversizes = 0
          onOversize(): void {
            this.oversizes += 1
            transport.send('<too-big/>')
            transport.close(1009)
          }
        }
        const answering = new Answering()
        const { initiating, receiving: transport, atInitiating } = await connect(answering)
        transport.setMaxMessageBytes(100)
        initiating.send('x'.repeat(101))
        await atInitiating.ended()
        await answering.ended()
        expect(atInitiating.texts).toEqual(['<too-big/>'])
        expect(answering.oversizes).toBe(1)
        expect(answering.messages).toEqual([])
      })
    }
  })
}
