import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  CERTIFICATE_FIELDS,
  type CertificateFormat,
  forwardedCertificate,
} from '../../src/front/forwarded-certificate.ts'
import { authority } from '../kit/fronts.ts'

// What no text in a header field may do, however it is put together.

const SELF = authority.issue({ dns: ['capulet.example'] }).chainDer[0] ?? new Uint8Array()
const VICTIM = authority.issue({ dns: ['montague.example'] }).chainDer[0] ?? new Uint8Array()

const base64 = (der: Uint8Array) => Buffer.from(der).toString('base64')
const encoded = (der: Uint8Array) =>
  encodeURIComponent(`-----BEGIN CERTIFICATE-----\n${base64(der)}\n-----END CERTIFICATE-----\n`)

/** What the formats are made of, and what their parsers look at. */
const pieces = [
  ...['"', ',', ';', '=', '\\', ' ', ':', '%', '%22', '%2C', '%00', '\t', '+', '/', 'x', '-----'],
  ...['Cert=', 'Chain=', 'URI=', 'DNS=', 'By=', 'Hash=ab', 'Subject="', 'cert="', ',Cert="', ';Cert="'],
  ...[encoded(VICTIM), `"${encoded(VICTIM)}"`, `:${base64(VICTIM)}:`, `Cert="${encoded(VICTIM)}"`],
] as const
const text = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map(parts => parts.join('')),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 40 }) },
)

const FORMATS: readonly CertificateFormat[] = ['rfc9440', 'xfcc', 'nginx', 'alb']

function read(format: CertificateFormat, values: readonly string[]) {
  const rawHeaders = values.flatMap((value, index) => [CERTIFICATE_FIELDS[format][index] ?? 'x', value])
  return forwardedCertificate({ rawHeaders }, format, 10)
}

it('[CT-31] is certificates, nothing, or a fault that is told; never an error of ours', () => {
  fc.assert(
    fc.property(fc.constantFrom(...FORMATS), text, text, (format, one, other) => {
      const found = read(format, [one, other])
      if (found.kind === 'fault') expect(found.detail).not.toBe('')
      if (found.kind !== 'chain') return
      expect(found.chain.length).toBeGreaterThan(0)
      for (const der of found.chain) expect(new X509Certificate(der).raw.equals(der)).toBe(true)
    }),
    { numRuns: 2_000, seed: 9440 },
  )
})

/** As Envoy prints a subject (RFC 2253). */
const escaped = (subject: string) => subject.replace(/[,+"\\<>;]/g, '\\$&')

it('[CT-31] a client shows none but its own through Envoy, whatever it writes and whatever is in its certificate', () => {
  let believed = 0
  fc.assert(
    fc.property(
      fc.option(text, { nil: null }),
      text,
      fc.array(text, { maxLength: 2 }),
      fc.array(text, { maxLength: 2 }),
      (before, subject, uris, names) => {
        const element = [
          'Hash=ab',
          `Cert="${encoded(SELF)}"`,
          `Subject="${escaped(subject)}"`,
          ...uris.map(uri => `URI=${uri}`),
          ...names.map(name => `DNS=${name}`),
        ].join(';')
        // Envoy appends where it is told to, instead of overwriting.
        const found = read('xfcc', [before === null ? element : `${before},${element}`])
        if (found.kind !== 'chain') return
        believed += 1
        expect(found.chain.map(base64)).toEqual([base64(SELF)])
      },
    ),
    { numRuns: 5_000, seed: 9440 },
  )
  // It is not that all is refused.
  expect(believed).toBeGreaterThan(0)
})
