import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { RefusalReason } from '../../../src/base/index.ts'
import type { IdentityReason } from '../../../src/identity/index.ts'
import { failureId, toRetry, toStanzaError, toStreamError } from '../../../src/xmpp/index.ts'
import { TABLE } from './failure-table.ts'

// Every reason is here, or this does not compile.
const IDENTITY_REASONS: Readonly<Record<IdentityReason, true>> = {
  'bad-signature': true,
  'chain-too-long': true,
  'critical-extension': true,
  expired: true,
  'key-usage': true,
  malformed: true,
  'name-constraints': true,
  'name-mismatch': true,
  'no-certificate': true,
  'not-a-ca': true,
  'not-yet-valid': true,
  'path-length': true,
  purpose: true,
  'refused-by-tls': true,
  'too-much-work': true,
  untrusted: true,
  'weak-key': true,
  'weak-signature': true,
}

const REFUSALS: Readonly<Record<RefusalReason, true>> = { http: true, internal: true, limit: true, tls: true }

const document = readFileSync(new URL('../../../docs/ERRORS.md', import.meta.url), 'utf8')

/** The cells of the table below a heading, without its head. */
function table(heading: string): readonly (readonly string[])[] {
  const section = document.split(/^## /m).find(part => part.startsWith(heading)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('|'))
  return rows.slice(2).map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim().replaceAll('`', '')),
  )
}

const ids = (heading: string) => table(heading).map(([id]) => id)

describe('docs/ERRORS.md', () => {
  it('has every reason of a refused connection', () => {
    const rows = table('Refused before')
    expect(rows.map(([reason]) => reason).sort()).toEqual(Object.keys(REFUSALS))
    for (const row of rows) expect(row.every(cell => cell !== '')).toBe(true)
  })

  it('has one row for every failure', () => {
    expect(ids('Failures').sort()).toEqual(Object.keys(TABLE).sort())
  })

  it('has one row for every reason of identity', () => {
    expect(ids('Identity').sort()).toEqual(Object.keys(IDENTITY_REASONS).sort())
  })

  it.each(['Failures', 'Identity'])('leaves no cell of %s empty', heading => {
    for (const row of table(heading)) {
      expect(row).toHaveLength(4)
      expect(row.every(cell => cell !== '')).toBe(true)
    }
  })

  it('says truly what others see', () => {
    const expected = Object.values(TABLE).map(({ failure }) => [
      failureId(failure),
      failureId(failure) === 'peer.violation' ? 'of the rule' : (toStreamError(failure)?.condition ?? 'none'),
      toStanzaError(failure).condition,
      toRetry(failure),
    ])
    expect(table('What others see')).toEqual(expected)
  })
})
