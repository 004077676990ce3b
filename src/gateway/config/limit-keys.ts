import type { z } from 'zod'
import { LIMITS, type Limit, type LimitName } from '../../base/index.ts'
import { declarations } from './declarations.ts'
import { formatBytes, formatDuration, parseBytes, parseDuration } from './quantity.ts'
import { count, quantity } from './values.ts'

/** The name of a limit in the file: `stanzaBytes` is `stanza_bytes`, `negotiationMs` is `negotiation`. */
function limitKey(name: LimitName): string {
  return name.replace(/Ms$/, '').replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

// RFC 6120 §13.12: no stanza limit below 10 000 bytes.
const FLOORS: Partial<Record<LimitName, number>> = {
  stanzaBytes: 10_000,
  preAuthStanzaBytes: 10_000,
  pingJitterMs: 0,
  maxStreamAgeMs: 0,
}

function limitSchema(name: LimitName, limit: Limit): z.ZodType<number> {
  const floor = FLOORS[name] ?? 1
  switch (limit.unit) {
    case 'ms':
      return quantity(parseDuration, floor, 'ms, s, m, h, d', formatDuration(floor))
    case 'bytes':
    case 'bytes/s':
      return quantity(parseBytes, floor, 'B, KiB, MiB, GiB', formatBytes(floor))
    case 'count':
      return count(floor)
  }
}

/** The default of a limit as the file writes it. */
function limitText(limit: Limit): string {
  switch (limit.unit) {
    case 'ms':
      return JSON.stringify(formatDuration(limit.default))
    case 'bytes':
    case 'bytes/s':
      return JSON.stringify(formatBytes(limit.default))
    case 'count':
      return String(limit.default)
  }
}

const LIMIT_TYPES: Readonly<Record<Limit['unit'], string>> = {
  ms: 'a duration',
  bytes: 'a size',
  'bytes/s': 'a size, per second',
  count: 'a number',
}

/** Keys of `[limits]` and the limits they set. */
export const LIMIT_KEYS: ReadonlyMap<string, LimitName> = new Map(
  limitNames().map(name => [limitKey(name), name]),
)

function limitNames(): LimitName[] {
  const isLimitName = (name: string): name is LimitName => Object.hasOwn(LIMITS, name)
  return Object.keys(LIMITS).filter(isLimitName)
}

/** The shape of `[limits]`, each key with its declaration. */
export function limitsShape(): Record<string, z.ZodOptional<z.ZodType<number>>> {
  return Object.fromEntries(
    limitNames().map(name => {
      const limit: Limit = LIMITS[name]
      const schema = limitSchema(name, limit).optional()
      declarations.add(schema, {
        expected: LIMIT_TYPES[limit.unit],
        doc: limit.reason,
        fallback: limitText(limit),
        rare: true,
      })
      return [limitKey(name), schema]
    }),
  )
}
