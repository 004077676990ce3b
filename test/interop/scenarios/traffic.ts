import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Message } from '../../kit/servers/client.ts'

// Numbered messages while something between two clients goes and comes again, and what became of each.

/** of each direction, unless said otherwise */
const PER_SECOND = 200
/** so many are handed to a client at once */
const CHUNK = 20
const IN_DOUBT = 'it may or may not have been delivered'
/** for one that comes after all others */
const LAST_MS = 20_000

/** What became of the messages of one direction. Each list is of numbers, in ascending order. */
export interface Fate {
  readonly sent: number
  readonly received: number
  /** came to the hearer's server while the hearer was away */
  readonly delayed: number
  /** the sender was told that it was not delivered, or not known to be */
  readonly refused: readonly number[]
  /** of those: may or may not have been delivered */
  readonly inDoubt: readonly number[]
  /** received, and the sender was told that they are in doubt */
  readonly both: number
  /** received, and the sender was told that they were not */
  readonly contradicted: readonly number[]
  readonly duplicates: readonly number[]
  /** neither received nor refused */
  readonly lost: readonly number[]
  /** came after one with a higher number, of those from a store or of those that were not */
  readonly late: readonly number[]
}

/** One speaks to another, on and on. */
export class Talk {
  readonly speaker: Client
  readonly hearer: Client
  /** bodies are 'LABEL 1', 'LABEL 2', … and ids 'LABEL-1', … */
  readonly label: string
  /** the last number that was given to the speaker's first connection, if it has ended: the last ones may not have left it */
  tail: number | null = null
  readonly #perSecond: number
  #sent = 0
  #isStopped = false
  #isPaused = false
  readonly #ended: Promise<void>

  constructor(speaker: Client, hearer: Client, perSecond = PER_SECOND) {
    this.speaker = speaker
    this.hearer = hearer
    this.#perSecond = perSecond
    this.label = `from ${speaker.bare}`
    this.#ended = this.#speak()
  }

  /** how many have been said, or are just being */
  get sent(): number {
    return this.#sent
  }

  /** Resolves once the one with this number has come, or a later one. */
  async hasArrived(number: number): Promise<void> {
    const deadlineMs = Date.now() + LAST_MS
    while ((this.hearer.collected(this.label, 0).numbers.at(-1) ?? 0) < number) {
      if (Date.now() > deadlineMs) throw new Error(`${this.hearer.bare} does not hear ${number}`)
      await sleep(10)
    }
  }

  /** how many have come */
  get heard(): number {
    return this.hearer.collected(this.label, 0).numbers.length
  }

  /** The speaker has lost its connection. */
  pause(): void {
    this.tail ??= this.#sent
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  /** Resolves once so many have come. */
  async hears(count: number): Promise<void> {
    const deadlineMs = Date.now() + LAST_MS
    while (this.heard < count) {
      if (Date.now() > deadlineMs) throw new Error(`${this.hearer.bare} has heard ${this.heard} of ${count}`)
      await sleep(10)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#ended
  }

  /** Known once it is stopped and `settled`. */
  fate(): Fate {
    const { speaker, hearer } = this
    const count = this.#sent
    const { numbers, duplicates } = hearer.collected(this.label, count)
    const received = new Set(numbers)
    const told = new Map<number, string>()
    for (const { id, error } of speaker.messages) {
      const number = id.startsWith(`${this.label}-`) ? Number(id.slice(this.label.length + 1)) : undefined
      if (error !== undefined && number !== undefined) told.set(number, error.text)
    }
    const doubtful = [...told]
      .filter(([, text]) => text.endsWith(IN_DOUBT))
      .map(([number]) => number)
      .sort((a, b) => a - b)
    const isDoubtful = new Set(doubtful)
    const numbered = Array.from({ length: count }, (_, index) => index + 1)
    const mine = hearer.messages.filter(
      ({ body, type }) => type !== 'error' && body.startsWith(`${this.label} `),
    )
    const stored = mine.filter(({ delayed }) => delayed)
    const live = mine.filter(({ delayed }) => !delayed)
    return {
      sent: count,
      received: received.size,
      delayed: stored.length,
      refused: [...told.keys()].sort((a, b) => a - b),
      inDoubt: doubtful,
      both: doubtful.filter(number => received.has(number)).length,
      contradicted: [...told.keys()].filter(number => received.has(number) && !isDoubtful.has(number)),
      duplicates,
      lost: numbered.filter(number => !received.has(number) && !told.has(number)),
      late: [stored, live].flatMap(outOfOrder),
    }
  }

  async #speak(): Promise<void> {
    let connections = this.speaker.disconnects
    while (!this.#isStopped) {
      if (this.speaker.disconnects > connections) {
        connections = this.speaker.disconnects
        this.pause()
      }
      if (this.#isPaused) {
        await sleep(10)
        continue
      }
      const first = this.#sent + 1
      this.#sent += CHUNK
      const perSecond = this.#perSecond
      const burst = { to: this.hearer.bare, count: CHUNK, label: this.label, first, perSecond }
      // It may lose its connection on the way.
      await this.speaker.burst(burst).catch(() => this.pause())
    }
  }
}

/** Those that come after a higher one. */
function outOfOrder(messages: readonly Message[]): number[] {
  let highest = 0
  const seen = new Set<number>()
  return messages.flatMap(({ body }) => {
    const number = Number(body.slice(body.lastIndexOf(' ') + 1))
    // A second copy is late by nature, and counted as what it is.
    const isLate = number < highest && !seen.has(number)
    seen.add(number)
    highest = Math.max(highest, number)
    return isLate ? [number] : []
  })
}

/**
 * Resolves when all has come that will, errors included: on every hop order is kept, so what was said last comes last.
 * Nobody else speaks meanwhile.
 */
export async function settled(a: Client, b: Client): Promise<void> {
  for (const [speaker, hearer] of [
    [a, b],
    [b, a],
    [a, b],
  ] as const)
    await arrives(speaker, hearer)
}

/** Write until it is taken. */
async function arrives(speaker: Client, hearer: Client): Promise<void> {
  const deadlineMs = Date.now() + LAST_MS
  let id = await speaker.send(hearer.bare, 'that was all')
  while (!hearer.messages.some(message => message.id === id)) {
    if (Date.now() > deadlineMs) throw new Error(`${hearer.bare} hears nothing of ${speaker.bare}`)
    if (speaker.messages.some(message => message.id === id))
      id = await speaker.send(hearer.bare, 'that was all')
    await sleep(20)
  }
}
