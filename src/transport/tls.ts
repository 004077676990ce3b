import { constants, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import {
  createSecureContext,
  rootCertificates,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls'
import type { Limits } from '../base/index.ts'
import type { TlsFacts } from './transport.ts'

export interface TlsContextOptions {
  /** PEM chain, leaf first, and its key; null: we present none */
  readonly identity: { readonly certificate: string; readonly key: string } | null
  /** PEM, trusted beside Node's bundled roots */
  readonly ca: readonly string[]
  /** 'none': `ca` alone is trusted; default 'bundled' */
  readonly roots?: 'bundled' | 'none'
}

/**
 * One context per identity, for both roles: building it costs up to 20 ms, because every added root is parsed anew.
 * Throws where key and certificate do not fit.
 */
export function createTlsContext(options: TlsContextOptions): SecureContext {
  return createSecureContext(tlsContextSettings(options))
}

/** The same for those who must give Node the settings rather than a context. */
export function tlsContextSettings({
  identity,
  ca,
  roots = 'bundled',
}: TlsContextOptions): SecureContextOptions {
  return {
    ...(identity === null ? {} : { cert: identity.certificate, key: identity.key }),
    // Without roots of our own the default store serves: cheaper, and no names go into a CertificateRequest.
    ...(roots === 'none' ? { ca: [...ca] } : ca.length === 0 ? {} : { ca: [...rootCertificates, ...ca] }),
    minVersion: 'TLSv1.2', // WS-66
    ciphers: CIPHERS,
    honorCipherOrder: true,
    sigalgs: SIGNATURE_ALGORITHMS,
    // CT-22: a resumed session shows no chain, so nothing resumes.
    secureOptions:
      constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
  }
}

/** WS-66: AEAD with forward secrecy only. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * For keys that identity accepts, and no others: a server that proves itself with a Brainpool key, under an authority
 * that we trust, brings down the process of Node 24 (its legacy certificate object has no name for the curve).
 */
const SIGNATURE_ALGORITHMS = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'ed448',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pss_pss_sha256',
  'rsa_pss_pss_sha384',
  'rsa_pss_pss_sha512',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
].join(':')

/** CT-12: no SNI for an IP literal. */
export function sniOf(servername: string): string {
  return isIP(servername) === 0 ? servername : ''
}

/** The SNI that the peer sent; Node has it as a property that its types do not name. */
export function servernameOf(socket: TLSSocket): string {
  const servername: unknown = Reflect.get(socket, 'servername')
  return typeof servername === 'string' ? servername : ''
}

/**
 * @param servername what was sent as SNI
 * @param verdict Node's word on the chain, where there is one
 */
export function tlsFacts(
  socket: TLSSocket,
  servername: string,
  limits: Pick<Limits, 'chainCertificates'>,
  verdict: string = socket.authorized ? 'authorized' : String(socket.authorizationError),
): TlsFacts {
  const chain = peerChain(socket, limits)
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    servername,
    chain,
    nodeVerdict: chain.length === 0 ? 'none' : verdict,
  }
}

/** As far as Node shows it: on Node 24 only the leaf where it authorized the chain. One more than the limit at most. */
function peerChain(socket: TLSSocket, limits: Pick<Limits, 'chainCertificates'>): Uint8Array[] {
  const chain: Uint8Array[] = []
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length <= limits.chainCertificates) {
    const der = certificate.raw
    if (chain.some(seen => Buffer.compare(seen, der) === 0)) break
    chain.push(new Uint8Array(der))
    certificate = certificate.issuerCertificate
  }
  return chain
}
