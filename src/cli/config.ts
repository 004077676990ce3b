import { hostMetaFor, loadConfig, renderProblems, renderSample } from '../gateway/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { AddCommand } from './add-command.ts'
import { domainArgument } from './domain-argument.ts'
import { EXIT, type ExitCode } from './exit.ts'
import type { Io } from './io.ts'
import { CONFIG_OPTION, readConfig } from './options.ts'

interface HostMetaOptions {
  readonly config: string
  readonly format?: 'json' | 'xml'
}

export const addConfig: AddCommand = (program, io, end) => {
  const config = program.command('config').description('help with the configuration file')
  config
    .command('sample')
    .description('print an annotated configuration to start from')
    .action(() => {
      io.out.write(renderSample())
      end(EXIT.ok)
    })
  config
    .command('check')
    .description('report everything that is wrong with a configuration')
    .argument('<file>', 'the configuration')
    .option('--json', 'print one JSON object')
    .action((file: string, options: { json?: true }) => end(checkConfig(file, options, io)))
  config
    .command('host-meta')
    .description('print the files that the web site of a domain has to serve below /.well-known/')
    .argument('<domain>', 'one of the configured domains', domainArgument)
    .option(...CONFIG_OPTION)
    .addOption(
      config
        .createOption('--format <format>', 'only host-meta.json, or only host-meta')
        .choices(['json', 'xml']),
    )
    .action(async (domain: Domain, options: HostMetaOptions) => end(await hostMeta(domain, options, io)))
}

function checkConfig(file: string, options: { json?: true }, io: Io): ExitCode {
  const loaded = loadConfig(file, io.environment)
  const problems = loaded.ok ? loaded.warnings : loaded.problems
  if (options.json) io.out.write(`${JSON.stringify({ ok: loaded.ok, problems })}\n`)
  else if (problems.length > 0) io.err.write(renderProblems(file, problems))
  if (loaded.ok && !options.json) io.out.write(`${file}: ok\n`)
  return loaded.ok ? EXIT.ok : EXIT.configuration
}

async function hostMeta(domain: Domain, options: HostMetaOptions, io: Io): Promise<ExitCode> {
  const config = readConfig(options.config, io)
  if (config === null) return EXIT.configuration
  const files = await hostMetaFor(config, domain)
  if (files === null) {
    io.err.write(`isthmus: ${options.config} has no url for ${domain}\n`)
    return EXIT.configuration
  }
  if (options.format === 'json') io.out.write(`${files.json}\n`)
  else if (options.format === 'xml') io.out.write(`${files.xml}\n`)
  else {
    io.out.write(`https://${files.host}/.well-known/host-meta.json\n\n${files.json}\n\n`)
    io.out.write(`https://${files.host}/.well-known/host-meta\n\n${files.xml}\n`)
  }
  return EXIT.ok
}
