import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TestComponent } from '../../kit/component.ts'
import { takePorts } from '../../kit/servers/ports.ts'
import { Gateway } from '../kit/gateway.ts'
import type { Party } from '../kit/party.ts'
import { type Stage, tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

const WAITING_BYTES = 50_000_000
const MESSAGE_BYTES = 40_000
const MESSAGES = WAITING_BYTES / MESSAGE_BYTES
const WARM_MESSAGES = 500
const BYTES_PER_SECOND = 1_000
const TICKS_PER_SECOND = 10
const USUAL_MS = 2_000
const SLOW_MS = 8_000
/** of a machine that does other things; who had to wait for the slow one would wait for 40 s a message */
const NOISE_MS = 300
const GROWTH_BYTES = 20 * 1_024 * 1_024

/** of the run that is being built, or goes on */
let way: SlowWay | null = null

export const slowReader: StagedRow = {
  name: 'slow-reader',
  fault: 'slow reader (1 KB/s) while 50 MB wait',
  mustHold: "memory + 20 MiB at most, another pair's p99 unchanged within noise",
  runs: 3,
  isFresh: true,
  stage: {
    also: 1,
    async verona() {
      way = await SlowWay.open()
      return way.port
    },
  },
  run: stage =>
    tell({
      directions: [[stage.capulet, stage.montague]],
      beforeMs: 2_000,
      fault: () => whileOneIsSlow(stage),
      afterMs: 500,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, bounced: 0, duplicates: 0, order: 'kept' }),
}

async function whileOneIsSlow(stage: Stage): Promise<readonly string[]> {
  if (way === null) throw new Error('the stage has no way to verona.example')
  const sender = stage.capulet.gateway
  const [port = 0, componentPort = 0] = await takePorts(2)
  const verona = new Gateway({
    folder: join(stage.folder, 'verona.example'),
    domain: 'verona.example',
    also: [],
    port,
    componentPort,
    peers: { [sender.domain]: sender.port },
    certificate: stage.issue('verona.example'),
    caPem: stage.caPem,
    limits: {},
  })
  const speaker = new TestComponent({ address: '127.0.0.1', port: sender.componentPort })
  try {
    await verona.start()
    way.target = port
    await speaker.enter(sender.domain, sender.secret)
    // The same messages while they are read: the heap of a process that has carried them is what it is compared with.
    for (let count = 0; count < WARM_MESSAGES; count++)
      speaker.say(message(`u${count}`, 'x'.repeat(MESSAGE_BYTES)))
    await established(sender, verona.domain)
    await sleep(1_000 + USUAL_MS)
    const usualMs = p99(stage, USUAL_MS)

    const before = sender.residentBytes
    way.isSlow = true
    for (let count = 0; count < MESSAGES; count++)
      speaker.say(message(`w${count}`, 'x'.repeat(MESSAGE_BYTES)))
    let most = 0
    const untilMs = performance.now() + SLOW_MS
    while (performance.now() < untilMs) {
      await sleep(100)
      most = Math.max(most, sender.residentBytes)
    }
    const slowMs = p99(stage, SLOW_MS)
    const grown = most - before
    const figures = { p99Ms: [usualMs, slowMs].map(Math.round), grownMiB: Math.round(grown / 1_024 / 1_024) }
    process.stdout.write(`slow-reader: ${JSON.stringify({ ...figures, read: way.bytes })}\n`)
    return [
      ...(grown <= GROWTH_BYTES ? [] : [`memory has grown by ${figures.grownMiB} MiB`]),
      ...(slowMs <= Math.max(usualMs * 3, usualMs + NOISE_MS)
        ? []
        : [`p99 ${slowMs} ms instead of ${usualMs} ms`]),
      ...(way.bytes < WAITING_BYTES / 100 ? [] : [`${way.bytes} bytes were read: that is not slow`]),
    ]
  } finally {
    speaker.socket.destroy()
    way.close()
    await verona.end('SIGKILL')
  }
}

function message(id: string, body: string): string {
  return `<message from='someone@capulet.example' to='someone@verona.example' id='${id}' type='chat'><body>${body}</body></message>`
}

async function established(gateway: Gateway, remote: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000
  while (!gateway.logged('stream:established').some(line => line['remote'] === remote)) {
    if (performance.now() > deadlineMs) throw new Error(`no stream to ${remote}`)
    await sleep(20)
  }
}

/** Of what was said within the last `withinMs`, but for the last moment, which may be under way. */
function p99({ capulet, montague }: Pick<Stage, 'capulet' | 'montague'>, withinMs: number): number {
  const nowMs = performance.now()
  const arrivedMs = new Map(montague.arrivals.map(({ number, atMs }) => [number, atMs]))
  const waits = said(capulet, nowMs - withinMs, nowMs - 100).map(
    ({ number, atMs }) => (arrivedMs.get(number) ?? nowMs) - atMs,
  )
  waits.sort((one, other) => one - other)
  return waits[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY
}

function said(party: Party, fromMs: number, toMs: number) {
  return party.sentAtMs
    .map((atMs, index) => ({ number: index + 1, atMs }))
    .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
}

/** A relay that reads, once told to, as slowly as the row says; what comes back passes. */
class SlowWay {
  target = 0
  isSlow = false
  /** read while it was slow */
  bytes = 0
  readonly port: number
  readonly #sockets = new Set<Socket>()
  readonly #close: () => void

  private constructor(port: number, close: () => void) {
    this.port = port
    this.#close = close
  }

  static async open(): Promise<SlowWay> {
    const server = createServer(near => opened.#pass(near))
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const opened = new SlowWay(port, () => server.close())
    return opened
  }

  close(): void {
    this.#close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(near: Socket): void {
    const far = connect({ host: '127.0.0.1', port: this.target })
    const timer = setInterval(() => this.#readSome(near, far), 1_000 / TICKS_PER_SECOND)
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        clearInterval(timer)
        near.destroy()
        far.destroy()
      })
    }
    far.pipe(near)
    near.on('readable', () => {
      if (!this.isSlow) this.#readAll(near, far)
    })
  }

  #readAll(near: Socket, far: Socket): void {
    for (let chunk = near.read(); chunk !== null; chunk = near.read()) far.write(chunk)
  }

  #readSome(near: Socket, far: Socket): void {
    if (!this.isSlow) return
    const chunk: Buffer | null = near.read(Math.min(BYTES_PER_SECOND / TICKS_PER_SECOND, near.readableLength))
    if (chunk === null) return
    this.bytes += chunk.length
    far.write(chunk)
  }
}
