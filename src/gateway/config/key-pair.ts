import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createTlsContext } from '../../transport/index.ts'

/** A chain and its key that fit, or why they do not. */
export type KeyPair =
  | { readonly ok: true; readonly leaf: X509Certificate }
  | {
      readonly ok: false
      readonly of: 'certificate' | 'key'
      readonly expected: string
      readonly got: string
      readonly hint: string
    }

/** Read a PEM chain (leaf first) and its private key, and see that they belong together. */
export function readKeyPair(chainPem: string, keyPem: string): KeyPair {
  const leaf = readLeaf(chainPem)
  if (leaf === null) {
    return {
      ok: false,
      of: 'certificate',
      expected: 'a certificate in PEM',
      got: chainPem.includes('-----BEGIN CERTIFICATE-----')
        ? 'a certificate that cannot be read'
        : 'no certificate',
      hint: 'the file holds the chain, leaf first',
    }
  }
  const key = readKey(keyPem)
  if (typeof key === 'string') {
    return {
      ok: false,
      of: 'key',
      expected: 'a private key in PEM, without a passphrase',
      got: key,
      hint: '',
    }
  }
  if (!leaf.checkPrivateKey(key)) {
    return {
      ok: false,
      of: 'key',
      expected: 'the private key of the certificate',
      got: 'the key of another one',
      hint: 'the leaf must be the first certificate of the chain',
    }
  }
  const fault = tlsFault(chainPem, keyPem)
  if (fault !== null) {
    return {
      ok: false,
      of: 'certificate',
      expected: 'a chain and key that TLS accepts',
      got: fault,
      hint: '',
    }
  }
  return { ok: true, leaf }
}

/** What OpenSSL has against a pair that fits, e.g. a key that is too short. */
function tlsFault(certificate: string, key: string): string | null {
  try {
    createTlsContext({ identity: { certificate, key }, ca: [] })
    return null
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause)
  }
}

function readLeaf(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem)
  } catch {
    // OpenSSL's words say nothing that "cannot be read" does not.
    return null
  }
}

function readKey(pem: string): KeyObject | string {
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) return 'no private key'
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(pem)) return 'a key with a passphrase'
  try {
    return createPrivateKey(pem)
  } catch {
    return 'a private key that cannot be read'
  }
}
