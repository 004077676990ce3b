export type PemBundle =
  | {
      readonly ok: true
      /** DER, in the order of the text; at least one */
      readonly certificates: readonly Uint8Array[]
    }
  | { readonly ok: false /** a sentence without trailing stop */; readonly detail: string }

/** Every CERTIFICATE block of a PEM text (RFC 7468); other blocks and explanatory text between them are passed over. */
export function readPemCertificates(text: string): PemBundle {
  const certificates: Uint8Array[] = []
  let position = text.indexOf(BEGIN)
  while (position !== -1) {
    const start = position + BEGIN.length
    const end = text.indexOf(END, start)
    const number = certificates.length + 1
    if (end === -1) return { ok: false, detail: `certificate ${number} of the PEM text has no end line` }
    const base64 = text.slice(start, end).replace(/\s+/g, '')
    if (base64 === '' || base64.length % 4 !== 0 || !BASE64.test(base64)) {
      return { ok: false, detail: `certificate ${number} of the PEM text is not base64` }
    }
    certificates.push(Buffer.from(base64, 'base64'))
    position = text.indexOf(BEGIN, end)
  }
  return certificates.length === 0
    ? { ok: false, detail: 'the text contains no PEM certificate' }
    : { ok: true, certificates }
}

/** @param label 'CERTIFICATE', 'PRIVATE KEY' */
export function writePem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
