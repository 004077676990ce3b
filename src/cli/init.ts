import { randomBytes } from 'node:crypto'
import { getServers } from 'node:dns'
import { renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import {
  faultText,
  type InitAnswers,
  type InitFiles,
  initFaults,
  initFiles,
  printable,
  SERVERS,
  STEERINGS,
  systemFailure,
  TLS_ENDS,
} from '../gateway/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { AddCommand } from './add-command.ts'
import { domainArgument } from './domain-argument.ts'
import { EXIT, type ExitCode } from './exit.ts'
import { askAnswers, type KnownAnswers } from './init-answers.ts'
import type { Io } from './io.ts'
import { askAt } from './questions.ts'
import { styleFor } from './style.ts'

interface InitOptions extends Omit<KnownAnswers, 'tcpEgress'> {
  readonly tcpEgress?: 'yes' | 'no'
  readonly output: string
  readonly serverFiles?: string
  readonly force?: true
  readonly stdout?: true
  readonly json?: true
}

export const addInit: AddCommand = (program, io, end) => {
  const init = program
    .command('init')
    .description('write a configuration, and say what the server beside us needs')
  const choice = (flags: string, description: string, values: readonly string[]) =>
    init.addOption(init.createOption(flags, description).choices(values))
  choice('--server <server>', 'what is beside the gateway', SERVERS)
  init
    .option('--domain <domain>', 'the domain that it has', domainArgument)
    .option('--also <domain>', 'a further domain of it, such as its rooms; repeat for more', domains)
    .option('--url <url>', 'where others reach us (default: wss://DOMAIN/s2s)')
  choice('--tls <where>', 'where TLS of others ends (default: here)', TLS_ENDS)
  publicOptions(init)
  choice('--tcp-egress <answer>', 'whether the machine may connect to others over TCP (default: yes)', [
    'yes',
    'no',
  ])
  choice('--security <security>', 'between the server and us (default: what fits)', ['plaintext', 'tls'])
  choice('--steering <way>', "how the server's streams come to us (default: what fits)", STEERINGS)
  serverOptions(init)
  init
    .option('--http <origin>', 'http://ADDRESS:PORT of the server: its users come in through our port')
    .option('--component-listen <address>', 'where the component connects: ADDRESS:PORT or unix:PATH')
    .option('--component-secret <secret>', 'shared with the component (default: a random one)')
    .option('--output <file>', 'the configuration', 'isthmus.toml')
    .option('--server-files <directory>', 'write the whole files that the server needs there too')
    .option('--force', 'overwrite what is there')
    .option('--stdout', 'print the configuration too, and write nothing')
    .option('--json', 'print one JSON object')
    .action(async (options: InitOptions) => end(await initialise(options, io)))
}

function publicOptions(init: Command): void {
  init
    .option(
      '--trusted-proxy <block>',
      'with --tls proxy: CIDR block that the proxy connects from (default: this machine for a --listen on loopback, else private networks); repeat for more',
      texts,
    )
    .option(
      '--listen <address>',
      `where we listen for others (default: [::], the url's port; with --tls proxy 127.0.0.1:8080 where the proxy is on this machine, else 0.0.0.0:\${PORT}); repeat for more`,
      texts,
    )
    .option('--certificate <file>', 'PEM chain (default: DOMAIN.pem; with --tls proxy: none)')
    .option('--key <file>', 'its private key (default: DOMAIN.key; with --tls proxy: none)')
}

function serverOptions(init: Command): void {
  init
    .option(
      '--server-address <address>',
      'where the server takes streams of others (default: 127.0.0.1:5269)',
    )
    .option('--server-listen <address>', 'where the server brings its streams to us; repeat for more', texts)
    .option('--server-ca <file>', 'with tls: authorities of the server, or its certificate')
    .option('--server-pin <sha256>', 'with tls: fingerprint of its certificate instead')
    .option('--roots <file>', 'with tls: where the server reads whom it trusts')
    .option('--remote <domain>', 'a domain that comes to us, where they are listed; repeat for more', domains)
    .option('--dns-listen <address>', 'where our DNS responder answers the server')
    .option(
      '--dns-upstream <address>',
      "where it asks itself (default: this machine's); repeat for more",
      texts,
    )
}

function domains(text: string, earlier: readonly Domain[] = []): Domain[] {
  return [...earlier, domainArgument(text)]
}

function texts(text: string, earlier: readonly string[] = []): string[] {
  return [...earlier, text]
}

async function initialise(options: InitOptions, io: Io): Promise<ExitCode> {
  const answers = await answersOf(options, io)
  if (!answers.ok) return usage(io, answers.missing)
  const init = initFiles(answers.answers, {
    resolvers: getServers().map(withPort),
    secret: randomBytes(24).toString('hex'),
  })
  if (!init.ok) return usage(io, init.details)
  const { files } = init
  if (options.serverFiles !== undefined && !files.server.some(part => part.whole))
    return usage(io, [`--server-files: ${answers.answers.server} needs no whole file`])
  for (const file of options.stdout ? [] : toWrite(files, options)) {
    const failure = write(file, options.force === true)
    if (failure !== null) {
      io.err.write(`isthmus: ${printable(`${file.path}: ${failure}`)}\n`)
      return EXIT.failed
    }
    io.err.write(`wrote ${printable(file.path)}\n`)
  }
  io.out.write(options.json ? `${JSON.stringify(files)}\n` : asText(files, options, io))
  return EXIT.ok
}

function usage(io: Io, details: readonly string[]): ExitCode {
  for (const detail of details) io.err.write(`isthmus: init: ${detail}\n`)
  return EXIT.usage
}

type Answered =
  | { readonly ok: true; readonly answers: InitAnswers }
  /** everything that is missing, and what else is known to be wrong */
  | { readonly ok: false; readonly missing: readonly string[] }

async function answersOf(options: InitOptions, io: Io): Promise<Answered> {
  const {
    tcpEgress,
    output: _output,
    force: _force,
    stdout: _stdout,
    json: _json,
    serverFiles: _files,
    ...rest
  } = options
  const known: KnownAnswers = {
    ...rest,
    ...(tcpEgress === undefined ? {} : { tcpEgress: tcpEgress === 'yes' }),
  }
  const { server, domain } = known
  if (server !== undefined && domain !== undefined) return { ok: true, answers: { ...known, server, domain } }
  if (io.answers === null) return { ok: false, missing: missingFrom(known) }
  const questions = askAt(io.answers, io.err)
  try {
    const answers = await askAnswers(known, questions)
    return answers === null ? { ok: false, missing: ['not answered'] } : { ok: true, answers }
  } finally {
    questions.close()
  }
}

function missingFrom({ server, domain, ...known }: KnownAnswers): string[] {
  return [
    ...(server === undefined ? ['--server is needed'] : []),
    ...(domain === undefined ? ['--domain is needed'] : []),
    // The server decides what else there must be, and must not.
    ...(server === undefined ? [] : initFaults({ ...known, server }).map(faultText)),
  ]
}

/** A resolver as Node names it: the port only where it is not 53. */
function withPort(server: string): string {
  if (/^\[.*\]:\d+$|^[\d.]+:\d+$/.test(server)) return server
  return server.includes(':') ? `[${server}]:53` : `${server}:53`
}

interface NewFile {
  readonly path: string
  readonly text: string
  readonly mode: number
}

function toWrite({ config, server }: InitFiles, { output, serverFiles }: InitOptions): NewFile[] {
  const whole = serverFiles === undefined ? [] : server.filter(part => part.whole)
  return [
    // It may hold a secret.
    { path: output, text: config, mode: 0o600 },
    ...whole.map(({ file, text }) => ({
      path: join(serverFiles ?? '', basename(file)),
      text,
      mode: 0o644,
    })),
  ]
}

/** What kept it from being written; null: nothing did. */
function write({ path, text, mode }: NewFile, force: boolean): string | null {
  try {
    if (force) {
      writeFileSync(`${path}.new`, text, { mode })
      renameSync(`${path}.new`, path)
    } else writeFileSync(path, text, { mode, flag: 'wx' })
    return null
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')
      return 'it is there already; --force overwrites it'
    const failure = systemFailure(cause)
    if (failure === null) throw cause
    return failure
  }
}

function asText({ config, server, notes }: InitFiles, { output, stdout }: InitOptions, io: Io): string {
  const style = styleFor(io)
  const title = (text: string) => style('bold', `# ---- ${text} ----`)
  const parts = stdout ? [`${title(output)}\n${config}`] : []
  for (const { file, place, text, note } of server) {
    const lines = note === '' ? '' : note.replace(/^/gm, '# ').concat('\n')
    parts.push(`${title(`${file}: ${place}`)}\n${lines}${text}`)
  }
  parts.push(`${title('to know')}\n${notes.map(note => wrapped(note)).join('\n')}`)
  return parts.join('\n')
}

const COLUMNS = 100

function wrapped(text: string): string {
  let line = '-'
  const lines: string[] = []
  for (const word of text.split(' ')) {
    if (line.length + word.length >= COLUMNS) {
      lines.push(line)
      line = ' '
    }
    line += ` ${word}`
  }
  return `${[...lines, line].join('\n')}\n`
}
