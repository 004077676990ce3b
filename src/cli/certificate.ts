import { rootCertificates } from 'node:tls'
import { defaultLimits } from '../base/index.ts'
import { systemClock } from '../base/system.ts'
import { printable, readText } from '../gateway/index.ts'
import { createTrustStore, type IdentityVerdict, judgeChain, readPemCertificates } from '../identity/index.ts'
import type { Domain } from '../xmpp/index.ts'
import type { AddCommand } from './add-command.ts'
import { domainArgument } from './domain-argument.ts'
import { EXIT, type ExitCode } from './exit.ts'
import type { Io } from './io.ts'
import { styleFor } from './style.ts'

interface CertificateOptions {
  readonly chain: string
  readonly ca?: string
  readonly json?: true
}

export const addCertificate: AddCommand = (program, io, end) => {
  program
    .command('certificate')
    .description('say whether a peer that presents this chain would be accepted as the domain')
    .argument('<domain>', 'the domain that the peer claims to be', domainArgument)
    .requiredOption('--chain <file>', 'what the peer presents: PEM, leaf first')
    .option('--ca <file>', "authorities to trust beside Node's: PEM")
    .option('--json', 'print one JSON object')
    .action((domain: Domain, options: CertificateOptions) => end(certificate(domain, options, io)))
}

function certificate(domain: Domain, options: CertificateOptions, io: Io): ExitCode {
  const verdict = judge(domain, options)
  if ('unreadable' in verdict) {
    const detail = verdict.unreadable
    if (options.json) printJson(io, { ok: false, domain, name: null, reason: 'unreadable-file', detail })
    io.err.write(`isthmus: ${detail}\n`)
    return EXIT.configuration
  }
  if (options.json) printJson(io, asObject(verdict))
  else io.out.write(asText(verdict, io))
  return verdict.ok ? EXIT.ok : EXIT.identity
}

function judge(
  domain: Domain,
  { chain, ca }: CertificateOptions,
): IdentityVerdict | { readonly unreadable: string } {
  const presented = readPem(chain)
  if ('unreadable' in presented) return presented
  const authorities = ca === undefined ? null : readPem(ca)
  if (authorities !== null && 'unreadable' in authorities) return authorities
  const own = authorities === null ? [] : [authorities.pem]
  const [problem] = createTrustStore({ roots: own }).problems
  if (problem !== undefined) return { unreadable: `${ca}: ${problem}` }
  return judgeChain({
    chain: presented.certificates,
    names: { domain, hosts: [], pins: [] },
    trust: createTrustStore({ roots: [...rootCertificates, ...own] }),
    nowMs: systemClock.wallMs(),
    limits: defaultLimits,
  })
}

function readPem(
  file: string,
): { readonly pem: string; readonly certificates: readonly Uint8Array[] } | { readonly unreadable: string } {
  const read = readText(file)
  if (!read.ok) return { unreadable: `${file}: ${read.failure}` }
  const bundle = readPemCertificates(read.text)
  return bundle.ok
    ? { pem: read.text, certificates: bundle.certificates }
    : { unreadable: `${file}: ${bundle.detail}` }
}

/** `name`: the presented name that proves the domain; `reason`: a row of docs/ERRORS.md. One of them is null. */
function asObject(verdict: IdentityVerdict): object {
  const { ok, domain } = verdict
  if (!verdict.ok) return { ok, domain, name: null, reason: verdict.reason, detail: verdict.detail }
  const { name, via, notAfterMs } = verdict
  return { ok, domain, name, reason: null, via, notAfter: new Date(notAfterMs).toISOString() }
}

function asText(verdict: IdentityVerdict, io: Io): string {
  const style = styleFor(io)
  if (!verdict.ok) {
    const { domain, reason, detail } = verdict
    return `${style('red', 'refused')} as ${domain} (${reason}): ${printable(detail)}\n`
  }
  const { domain, via, name, notAfterMs } = verdict
  const until = new Date(notAfterMs).toISOString().slice(0, 10)
  return `${style('green', 'accepted')} as ${domain} through ${via} ${printable(name)}, until ${until}\n`
}

function printJson(io: Io, value: object): void {
  io.out.write(`${JSON.stringify(value)}\n`)
}
