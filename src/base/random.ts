/** A source of unpredictable values. */
export interface Random {
  /** `length` bytes from a cryptographically strong source. */
  bytes(length: number): Uint8Array
  /** A float in [0, 1), for jitter and weighted choice; not for secrets. */
  unit(): number
}
