/** Exit codes of the command: one table. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  configuration: 3,
  unreachable: 4,
  identity: 5,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
