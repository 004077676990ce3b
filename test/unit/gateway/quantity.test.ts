import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  formatDuration,
  parseBytes,
  parseDuration,
} from '../../../src/gateway/config/quantity.ts'

describe('quantities', () => {
  it.each([
    ['512KiB', 524_288],
    ['1 MiB', 1_048_576],
    ['1.5KiB', 1536],
    ['0B', 0],
    ['10000B', 10_000],
  ])('%s is a size', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  it.each([
    '',
    '512',
    'KiB',
    '512kb',
    '512 KB',
    '-1B',
    '1e3B',
    '0.0001B',
    '1KiB ',
    '5s',
    'constructor',
    '1constructor',
  ])('%j is no size', text => {
    expect(parseBytes(text)).toBeNull()
  })

  it.each([
    ['30s', 30_000],
    ['250ms', 250],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1d', 86_400_000],
  ])('%s is a duration', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['30', '30 sec', '1KiB', '0.5ms', '-3s', '∞s'])('%j is no duration', text => {
    expect(parseDuration(text)).toBeNull()
  })

  it('writes what it reads, as short as it can', () => {
    expect(formatBytes(524_288)).toBe('512KiB')
    expect(formatBytes(10_000)).toBe('10000B')
    expect(formatBytes(0)).toBe('0B')
    expect(formatDuration(90_000)).toBe('90s')
    expect(formatDuration(60_000)).toBe('1m')
    expect(formatDuration(250)).toBe('250ms')
    for (const value of [1, 999, 1000, 61_000, 3_600_000])
      expect(parseDuration(formatDuration(value))).toBe(value)
  })
})
