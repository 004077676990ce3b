import { randomBytes } from 'node:crypto'
import { type Authority, createAuthority, issueAuthority } from '../../src/identity/index.ts'

// Authorities that all bear one name, so that each may have issued every other: the worst that a chain can ask of a search.

const HOUR = 3_600_000

/** @returns the last to sign, and all of them; none leads anywhere */
export function mesh(
  size: number,
  permitted?: readonly string[],
): { last: Authority; all: readonly Authority[] } {
  const now = Date.now()
  const options = () => ({
    commonName: 'Mesh',
    serial: randomBytes(16),
    ...{ notBeforeMs: now - HOUR, notAfterMs: now + HOUR },
    ...(permitted ? { nameConstraints: { permitted } } : {}),
  })
  let last = createAuthority(options())
  const all: Authority[] = []
  for (let index = 0; index < size; index++) {
    last = issueAuthority(last, options())
    all.unshift(last)
  }
  return { last, all }
}
