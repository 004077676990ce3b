import type { Duplex } from 'node:stream'

interface Chunk {
  readonly chunk: unknown
  readonly encoding: BufferEncoding
}

/**
 * From now on what is written while the socket is corked goes to the runtime as one piece. Copying many small ones into it
 * costs far less than a list of them does, in the kernel and more so in OpenSSL.
 */
export function coalesce(socket: Duplex): void {
  socket._writev = (chunks: readonly Chunk[], callback) => {
    socket._write(Buffer.concat(chunks.map(toBytes)), BYTES, callback)
  }
}

function toBytes({ chunk, encoding }: Chunk): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk
  return Buffer.from(String(chunk), encoding)
}

// What Node passes for bytes; its types know only encodings of text.
const BYTES = 'buffer' as BufferEncoding
