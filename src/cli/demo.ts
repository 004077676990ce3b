import {
  type ChaosProgress,
  type Conversation,
  type Demo,
  startDemo,
  systemFailure,
} from '../gateway/index.ts'
import type { AddCommand } from './add-command.ts'
import { DemoScreen } from './demo-screen.ts'
import { DemoStreams } from './demo-streams.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { abortOnSignal, type Io } from './io.ts'

interface DemoCommandOptions {
  readonly once?: true
  readonly json?: true
  readonly chaos?: true
  readonly clientCertificates: boolean
}

export const addDemo: AddCommand = (program, io, end) => {
  program
    .command('demo')
    .description('two domains on this machine find each other, prove each other and talk')
    .option('--once', 'end after the conversation instead of staying up until Ctrl-C')
    .addOption(
      program.createOption('--json', 'print one JSON object instead; with --once').implies({ once: true }),
    )
    .option(
      '--no-client-certificates',
      'no certificate reaches a listener, as behind a proxy that ends TLS: they prove themselves by dialback',
    )
    .option('--chaos', 'cut the connections between them every few seconds while they talk on')
    .action(async (options: DemoCommandOptions) => end(await demo(options, io)))
}

async function demo(options: DemoCommandOptions, io: Io): Promise<ExitCode> {
  const streams = new DemoStreams()
  const screen = options.json ? null : new DemoScreen(io)
  const { signal, release } = abortOnSignal(io.signals)
  let running: Demo | null = null
  const onCut = (progress: ChaosProgress) => screen?.cut(progress)
  try {
    running = await startDemo({
      clientCertificates: options.clientCertificates ? 'request' : 'off',
      ...(options.chaos ? { onCut } : {}),
      onEvent: (domain, event) => {
        streams.see(event)
        screen?.event(domain, event)
      },
      onLine: line => screen?.line(line),
    })
    screen?.start(running.towns, options)
    const conversation = await running.converse(signal)
    const ok = isWhole(conversation)
    if (options.json) io.out.write(`${JSON.stringify(result(ok, streams, conversation))}\n`)
    else screen?.summary(streams.list, conversation)
    if (ok && !options.once) {
      screen?.staying(running.towns)
      await aborted(signal)
    }
    return ok ? EXIT.ok : EXIT.failed
  } catch (cause) {
    // Ctrl-C in the middle: nothing was wrong, but nothing was shown either.
    const problem = signal.aborted ? 'interrupted' : systemFailure(cause)
    if (problem === null) throw cause
    if (options.json)
      io.out.write(`${JSON.stringify({ ok: false, streams: streams.list, error: problem })}\n`)
    io.err.write(`isthmus: ${problem}\n`)
    return EXIT.failed
  } finally {
    release()
    screen?.end()
    await running?.stop()
  }
}

function isWhole({ problem, stanzas }: Conversation): boolean {
  return problem === null && stanzas.delivered === stanzas.sent
}

function result(ok: boolean, streams: DemoStreams, { stanzas, problem, cuts }: Conversation): object {
  const survived = cuts === undefined ? {} : { cuts }
  return { ok, streams: streams.list, stanzas, ...survived, ...(problem === null ? {} : { error: problem }) }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
