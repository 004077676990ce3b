import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { readXfccField } from './xfcc.ts'

/** How a proxy in front of us hands on the certificate that a client has shown to it. One at a time is believed. */
export type CertificateFormat = 'rfc9440' | 'xfcc' | 'nginx' | 'alb'

/** What was forwarded: certificates as DER, leaf first; nothing; or something that is no certificate. */
export type ForwardedCertificate =
  | { readonly kind: 'chain'; readonly chain: readonly Uint8Array[] }
  | { readonly kind: 'none' }
  /** a sentence without trailing stop */
  | { readonly kind: 'fault'; readonly detail: string }

/** Header fields in which one of the formats has certificates, in lower case. */
export const CERTIFICATE_FIELDS: Readonly<Record<CertificateFormat, readonly string[]>> = {
  rfc9440: ['client-cert', 'client-cert-chain'],
  xfcc: ['x-forwarded-client-cert'],
  nginx: ['x-ssl-client-cert'],
  alb: ['x-amzn-mtls-clientcert'],
}

/**
 * Read what a proxy that is believed has forwarded. Whether the chain proves anything is judged later, as of any peer: the
 * proxy's own word on it counts for nothing (DECISIONS 25).
 * @param maxCertificates more are a fault
 */
export function forwardedCertificate(
  request: Pick<IncomingMessage, 'rawHeaders'>,
  format: CertificateFormat,
  maxCertificates: number,
): ForwardedCertificate {
  const values = new Map<string, string>()
  for (const name of CERTIFICATE_FIELDS[format]) {
    const found = fieldValues(request, name)
    // A client's own beside the proxy's: nothing says which is whose.
    if (found.length > 1) return fault(`${name} stands more than once`)
    const [value = ''] = found
    if (value.trim() !== '') values.set(name, value.trim())
  }
  if (values.size === 0) return NONE
  const read = READERS[format](values)
  if (typeof read === 'string') return fault(read)
  if (read.length > maxCertificates) return fault(`more than ${maxCertificates} certificates`)
  for (const der of read) if (!isCertificate(der)) return fault('something that is no certificate')
  return read.length === 0 ? NONE : { kind: 'chain', chain: read }
}

/** Every value of a field, as it came: Node joins some, and drops others. */
export function fieldValues({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, name: string): string[] {
  return rawHeaders.flatMap((value, index) =>
    index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name ? [value] : [],
  )
}

/** DER, leaf first; or what is wrong. */
type Read = readonly Uint8Array[] | string

const READERS: Readonly<Record<CertificateFormat, (values: ReadonlyMap<string, string>) => Read>> = {
  rfc9440: readRfc9440,
  xfcc: values => readXfcc(values.get('x-forwarded-client-cert') ?? ''),
  // nginx forwards the leaf only ($ssl_client_escaped_cert).
  nginx: values => readEncodedPem(values.get('x-ssl-client-cert') ?? '', 1),
  alb: values => readEncodedPem(values.get('x-amzn-mtls-clientcert') ?? '', null),
}

/** RFC 9440 §2: a byte sequence, and a list of such. */
function readRfc9440(values: ReadonlyMap<string, string>): Read {
  const leaf = values.get('client-cert')
  if (leaf === undefined) return 'Client-Cert-Chain without Client-Cert'
  const chain: Uint8Array[] = []
  for (const item of [leaf, ...(values.get('client-cert-chain')?.split(',') ?? [])]) {
    const der = byteSequence(item.trim())
    if (der === null) return 'Client-Cert is not a sequence of bytes (RFC 9440)'
    chain.push(der)
  }
  return chain
}

/** RFC 8941 §3.3.5, without parameters: RFC 9440 defines none. */
function byteSequence(text: string): Uint8Array | null {
  const base64 = /^:([A-Za-z0-9+/]+={0,2}):$/.exec(text)?.[1]
  return base64 === undefined ? null : fromBase64(base64)
}

/** null where it is not the one way to write these bytes */
function fromBase64(base64: string): Uint8Array | null {
  const bytes = Buffer.from(base64, 'base64')
  return bytes.length > 0 && bytes.toString('base64') === base64 ? bytes : null
}

/** Envoy's x-forwarded-client-cert. */
function readXfcc(value: string): Read {
  const said = readXfccField(value)
  if (typeof said === 'string') return said
  const { cert, chain } = said
  // A name or a digest of a certificate is not one.
  if (cert === undefined && chain === undefined) return 'x-forwarded-client-cert without Cert or Chain'
  const leaf = cert === undefined ? null : readEncodedPem(cert, 1)
  if (typeof leaf === 'string' || chain === undefined) return leaf ?? []
  const all = readEncodedPem(chain, null)
  if (typeof all === 'string') return all
  const [first] = all
  const [alone = first] = leaf ?? []
  if (first === undefined || alone === undefined || !Buffer.from(first).equals(alone))
    return 'x-forwarded-client-cert with a Chain that does not begin with its Cert'
  return all
}

/** PEM in percent-encoding; `+` is itself. @param count how many there must be; null: at least one */
function readEncodedPem(value: string, count: number | null): Read {
  const text = percentDecoded(value)
  if (text === null) return 'a certificate whose percent-encoding is broken'
  const blocks = [...text.matchAll(PEM)].map(([, body = '']) => fromBase64(body.replace(/\s+/g, '')))
  if (blocks.length === 0 || text.replace(PEM, '').trim() !== '') return 'something that is no PEM'
  if (count !== null && blocks.length !== count) return 'more than the certificate of the client'
  const certificates = blocks.filter(block => block !== null)
  return certificates.length === blocks.length ? certificates : 'PEM that is not base64'
}

const PEM = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g

function percentDecoded(value: string): string | null {
  try {
    const text = decodeURIComponent(value)
    return text.includes('\0') ? null : text
  } catch {
    // Its only word is that it is malformed.
    return null
  }
}

function isCertificate(der: Uint8Array): boolean {
  try {
    return new X509Certificate(der).raw.equals(der)
  } catch {
    // OpenSSL's words say nothing that "no certificate" does not.
    return false
  }
}

const NONE: ForwardedCertificate = { kind: 'none' }

function fault(detail: string): ForwardedCertificate {
  return { kind: 'fault', detail }
}
