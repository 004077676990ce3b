import { Command, CommanderError } from 'commander'
import { addCertificate } from './certificate.ts'
import { addCheck } from './check.ts'
import { addConfig } from './config.ts'
import { addDemo } from './demo.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { addInit } from './init.ts'
import type { Io } from './io.ts'
import { addServe } from './serve.ts'
import { version } from './version.ts'

/** Run the command line. Never rejects and never exits: the code is the result. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok
  const program = new Command('isthmus')
    .description('XMPP federation over WebSocket (XEP-0468)')
    .version(version())
    .exitOverride()
    .configureOutput({ writeOut: text => io.out.write(text), writeErr: text => io.err.write(text) })
  for (const add of [addDemo, addInit, addServe, addCheck, addCertificate, addConfig]) {
    add(program, io, result => {
      code = result
    })
  }
  for (const command of withSubcommands(program)) {
    command.showHelpAfterError(`usage: ${pathOf(command)} ${command.usage()}`)
  }
  program.addHelpText('after', EXIT_HELP)
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (cause) {
    // Help that was asked for exits 0; everything else that commander ends with is a usage error.
    if (cause instanceof CommanderError) return cause.exitCode === 0 ? EXIT.ok : EXIT.usage
    io.err.write(`isthmus: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`)
    return EXIT.failed
  }
}

const EXIT_HELP = `
Exit codes: ${Object.entries(EXIT)
  .map(([name, code]) => `${code} ${name}`)
  .join(', ')}`

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)]
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
