import { z } from 'zod'

// The admin socket speaks JSON lines: one request a connection, answers until the gateway closes it.

export const adminRequest = z.discriminatedUnion('command', [
  z.strictObject({ command: z.literal('status') }),
  z.strictObject({ command: z.literal('check'), remote: z.string(), local: z.string() }),
])
export type AdminRequest = z.output<typeof adminRequest>

const stage = z.object({
  name: z.string(),
  ok: z.boolean(),
  ms: z.number(),
  detail: z.string(),
  reason: z.exactOptional(z.string()),
})

const proof = z.object({
  method: z.enum(['sasl-external', 'dialback', 'bidi']).nullable(),
  seen: z.boolean(),
  detail: z.string(),
})

const report = z.object({
  ok: z.boolean(),
  stages: z.array(stage).readonly(),
  outcome: z.enum(['ok', 'failed', 'unreachable', 'identity']),
  proof: z.object({ out: proof, back: proof }),
})

export const adminAnswer = z.union([
  z.object({ stage }),
  z.object({ report }),
  z.object({ status: z.record(z.string(), z.unknown()) }),
  z.object({ error: z.object({ reason: z.enum(['busy', 'bad-request', 'failed']), detail: z.string() }) }),
])
export type AdminAnswer = z.output<typeof adminAnswer>

/** A stage of a walk, as it goes over the socket. */
export type WalkStage = z.output<typeof stage>
/** What proves one side of a walk to the other, as it goes over the socket. */
export type WalkProof = z.output<typeof proof>
/** The result of a walk, as it goes over the socket. */
export type WalkReport = z.output<typeof report>
