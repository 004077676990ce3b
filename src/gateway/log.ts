import { type DestinationStream, type Logger, pino } from 'pino'
import type { Clock, Event, Limits, Timer } from '../base/index.ts'
import { type LogLine, logLine } from './log-line.ts'

export type { Logger } from 'pino'

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  readonly format: 'json' | 'text'
}

/** The gateway's logger. Writes whole lines, synchronously, so that none is lost at exit. */
export function createLogger(options: LogOptions, out: { write(line: string): unknown }): Logger {
  const destination: DestinationStream = {
    write: line => void out.write(options.format === 'text' ? textLine(line) : line),
  }
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    destination,
  )
}

/** '12:30:01.123 info  stream established local=… remote=…' */
function textLine(json: string): string {
  const { time, level, msg, ...fields }: Record<string, unknown> = JSON.parse(json)
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`)
  return `${String(time)} ${String(level).padEnd(5)} ${String(msg)}${pairs.map(pair => ` ${pair}`).join('')}\n`
}

function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value)
}

/**
 * Writes events to the log, at most so many lines a second of one source; what is held back is summed up in one line
 * per source and second.
 */
export class EventLog {
  readonly #logger: Logger
  readonly #limits: Limits
  readonly #clock: Clock
  /** oldest window first */
  readonly #windows = new Map<string, Window>()
  #timer: Timer | null = null

  constructor(logger: Logger, limits: Limits, clock: Clock) {
    this.#logger = logger
    this.#limits = limits
    this.#clock = clock
  }

  write(event: Event): void {
    const line = logLine(event)
    if (!this.#logger.isLevelEnabled(line.level)) return
    if (line.source === null || this.#admits(sourceKey(line.source), line)) this.#emit(line)
  }

  /** Write the summaries that are due, and those that are not. */
  close(): void {
    this.#timer?.cancel()
    this.#timer = null
    for (const source of [...this.#windows.keys()]) this.#forget(source)
  }

  #emit(line: LogLine): void {
    this.#logger[line.level](line.fields, line.message)
  }

  #admits(source: string, line: LogLine): boolean {
    const nowMs = this.#clock.monotonicMs()
    let window = this.#windows.get(source)
    if (window !== undefined && nowMs - window.startMs >= WINDOW_MS) {
      this.#forget(source)
      window = undefined
    }
    if (window === undefined) {
      const [oldest] = this.#windows.keys()
      if (oldest !== undefined && this.#windows.size >= this.#limits.logAddresses) this.#forget(oldest)
      window = { startMs: nowMs, written: 0, heldBack: new Map() }
      this.#windows.set(source, window)
    }
    this.#timer ??= this.#clock.setTimer(WINDOW_MS, () => this.#sweep())
    if (window.written < this.#limits.logLinesPerSecond) {
      window.written++
      return true
    }
    window.heldBack.set(line.message, (window.heldBack.get(line.message) ?? 0) + 1)
    return false
  }

  /** End the windows that are over. */
  #sweep(): void {
    this.#timer = null
    const nowMs = this.#clock.monotonicMs()
    for (const [source, window] of this.#windows) {
      if (nowMs - window.startMs < WINDOW_MS) break
      this.#forget(source)
    }
    if (this.#windows.size > 0) this.#timer = this.#clock.setTimer(WINDOW_MS, () => this.#sweep())
  }

  #forget(source: string): void {
    const window = this.#windows.get(source)
    this.#windows.delete(source)
    if (window === undefined || window.heldBack.size === 0) return
    const heldBack = Object.fromEntries(window.heldBack)
    this.#logger.warn({ event: 'log:summary', address: source, heldBack }, 'lines held back')
  }
}

interface Window {
  readonly startMs: number
  written: number
  /** lines not written, by message */
  readonly heldBack: Map<string, number>
}

const WINDOW_MS = 1_000

// One subscriber of IPv6 has a whole /64 (as for connections: unauthenticatedPerAddress).
function sourceKey(source: string): string {
  if (!source.includes(':')) return source
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(source)
  if (mapped?.[1] !== undefined) return mapped[1]
  const [head = '', tail = ''] = source.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail === '' ? [] : tail.split(':')
  const missing = source.includes('::') ? 8 - before.length - after.length : 0
  const groups = [...before, ...Array<string>(Math.max(0, missing)).fill('0'), ...after]
  return `${groups
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/, '').toLowerCase())
    .join(':')}::/64`
}
