import {
  currentUser,
  printable,
  systemFailure,
  type WalkProof,
  type WalkReport,
  type WalkStage,
  walkTo,
} from '../gateway/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { AddCommand } from './add-command.ts'
import { domainArgument } from './domain-argument.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { abortOnSignal, type Io } from './io.ts'
import { CONFIG_OPTION, readConfig } from './options.ts'
import { styleFor } from './style.ts'

interface CheckOptions {
  readonly config: string
  readonly from?: Domain
  readonly json?: true
}

export const addCheck: AddCommand = (program, io, end) => {
  program
    .command('check')
    .description('walk to a domain step by step, as one of ours, and say where it ends')
    .argument('<domain>', 'the remote domain', domainArgument)
    .option(...CONFIG_OPTION)
    .option('--from <domain>', 'which of the configured domains walks (default: the first)', domainArgument)
    .option('--json', 'print one JSON object')
    .action(async (remote: Domain, options: CheckOptions) => end(await check(remote, options, io)))
}

async function check(remote: Domain, options: CheckOptions, io: Io): Promise<ExitCode> {
  /** The walk never began, or broke off: with --json there is still one object. */
  const refuse = (code: ExitCode, error: string): ExitCode => {
    if (options.json) io.out.write(`${JSON.stringify({ ok: false, stages: [], error })}\n`)
    io.err.write(`isthmus: ${printable(error, TEXT_CHARACTERS)}\n`)
    return code
  }
  const config = readConfig(options.config, io)
  if (config === null) return refuse(EXIT.configuration, `${options.config} is no configuration`)
  const own = config.domains.flatMap(({ name, also }) => [name, ...also])
  const { from: local = own[0] } = options
  if (local === undefined || !own.includes(local))
    return refuse(EXIT.usage, `${local ?? 'no domain'} is not served by ${options.config}`)
  if (own.includes(remote)) return refuse(EXIT.usage, `${remote} is served by ${options.config} itself`)

  const { signal, release } = abortOnSignal(io.signals)
  const user = currentUser(io.environment, io.home)
  const onStage = (stage: WalkStage) => {
    if (!options.json) io.out.write(stageLine(stage, io))
  }
  try {
    const walked = await walkTo(config, { remote, local, user, signal, onStage })
    if (!walked.ok) return refuse(EXIT.failed, walked.detail)
    const { by, report } = walked
    io.out.write(options.json ? asJson(local, remote, by, report) : asText(local, remote, by, report, io))
    return EXIT[report.outcome]
  } catch (cause) {
    const failure = systemFailure(cause)
    if (failure === null) throw cause
    return refuse(EXIT.failed, failure)
  } finally {
    release()
  }
}

/** in a line of ours; the whole stands in --json */
const TEXT_CHARACTERS = 400

function stageLine({ name, ok, ms, detail, reason }: WalkStage, io: Io): string {
  const style = styleFor(io)
  const mark = ok ? style('green', '✓') : style('red', '✗')
  const time = style('dim', `${Math.round(ms)} ms`.padStart(8))
  const why = reason === undefined ? '' : `${printable(reason)}: `
  return `${mark} ${name.padEnd(NAME)} ${time}  ${why}${printable(detail, TEXT_CHARACTERS)}\n`
}

const NAME = 14

function asJson(from: Domain, to: Domain, by: string, { ok, outcome, proof, stages }: WalkReport): string {
  const rounded = stages.map(({ ms, ...stage }) => ({ ...stage, ms: Math.round(ms * 10) / 10 }))
  return `${JSON.stringify({ ok, from, to, by, outcome, proof, stages: rounded })}\n`
}

function asText(from: Domain, to: Domain, by: string, report: WalkReport, io: Io): string {
  const { ok, outcome, proof } = report
  const end = `${from} ${ok ? 'reaches' : 'does not reach'} ${to} (${outcome}; by the ${by})\n`
  return proofLine('proof out', proof.out, io) + proofLine('proof back', proof.back, io) + end
}

function proofLine(name: string, { method, seen, detail }: WalkProof, io: Io): string {
  const shown = method === null ? 'none' : METHODS[method]
  const how = seen || method === null ? shown : `not seen, could be ${shown}`
  return `  ${name.padEnd(NAME)} ${styleFor(io)('bold', how)}: ${printable(detail, TEXT_CHARACTERS)}\n`
}

const METHODS = { 'sasl-external': 'SASL EXTERNAL', dialback: 'dialback', bidi: 'bidi' } as const
