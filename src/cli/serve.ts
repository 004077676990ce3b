import {
  createLogger,
  currentUser,
  runUntilSignalled,
  startGateway,
  systemFailure,
} from '../gateway/index.ts'
import type { AddCommand } from './add-command.ts'
import { EXIT, type ExitCode } from './exit.ts'
import type { Io } from './io.ts'
import { CONFIG_OPTION, readConfig } from './options.ts'
import { version } from './version.ts'

export const addServe: AddCommand = (program, io, end) => {
  program
    .command('serve')
    .description('run the gateway')
    .option(...CONFIG_OPTION)
    .action(async (options: { config: string }) => end(await serve(options.config, io)))
}

async function serve(file: string, io: Io): Promise<ExitCode> {
  const config = readConfig(file, io)
  if (config === null) return EXIT.configuration
  const logger = createLogger(config.log, io.out)
  try {
    const user = currentUser(io.environment, io.home)
    const start = () => startGateway(config, { logger, user, version: version() })
    const ended = await runUntilSignalled(start, io.signals, logger)
    return ended === 'drained' ? EXIT.ok : EXIT.failed
  } catch (cause) {
    const failure = systemFailure(cause)
    if (failure === null) throw cause
    io.err.write(`isthmus: cannot start: ${failure}\n`)
    return EXIT.failed
  }
}
