import type { Command } from 'commander'
import type { ExitCode } from './exit.ts'
import type { Io } from './io.ts'

/** A command that registers itself; its action reports how it ended. */
export type AddCommand = (program: Command, io: Io, end: (code: ExitCode) => void) => void
