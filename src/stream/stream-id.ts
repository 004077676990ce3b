import type { Random } from '../base/index.ts'

/**
 * A fresh stream id: 128 random bits, since dialback makes keys of it, in a form that every attribute takes and that
 * begins with a letter (ST-06).
 */
export function streamId(random: Random): string {
  return `s${Buffer.from(random.bytes(ID_BYTES)).toString('hex')}`
}

const ID_BYTES = 16
