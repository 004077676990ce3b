/** Quantities as people write them in a configuration: "512KiB", "30s". A number without its unit is none. */

const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const DURATIONS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** @returns bytes, or null where `text` is not a size */
export function parseBytes(text: string): number | null {
  return parse(text, BYTES)
}

/** @returns milliseconds, or null where `text` is not a duration */
export function parseDuration(text: string): number | null {
  return parse(text, DURATIONS)
}

/** The shortest exact form: 524288 is "512KiB". */
export function formatBytes(bytes: number): string {
  return format(bytes, BYTES)
}

/** The shortest exact form: 90000 is "90s". */
export function formatDuration(ms: number): string {
  return format(ms, DURATIONS)
}

function parse(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d{1,12}(?:\.\d{1,3})?) ?([A-Za-z]+)$/.exec(text)
  const factor = match?.[2] === undefined ? undefined : units[match[2]]
  if (match?.[1] === undefined || factor === undefined || !Object.hasOwn(units, match[2] ?? '')) return null
  const value = Number(match[1]) * factor
  return Number.isSafeInteger(value) ? value : null
}

function format(value: number, units: Readonly<Record<string, number>>): string {
  let best = ''
  for (const [unit, factor] of Object.entries(units)) {
    if (best === '' || (value !== 0 && value % factor === 0 && value >= factor))
      best = `${value / factor}${unit}`
  }
  return best
}
