import { randomBytes } from 'node:crypto'
import {
  type Authority,
  createAuthority,
  issue,
  issueAuthority,
  type Purpose,
} from '../../src/identity/index.ts'

// Certificates for everybody's tests, minted by src/identity. Odd ones are made by openssl.ts.

const HOUR = 3_600_000
const serial = () => randomBytes(16)

export interface TestCertificateOptions {
  /** dNSName; the first is the CN too */
  readonly dns?: readonly string[]
  /** whole SRVName, e.g. '_xmpp-server.capulet.example' */
  readonly srv?: readonly string[]
  readonly xmpp?: readonly string[]
  /** default: serverAuth only, as public authorities issue since 2026; [] for no extension */
  readonly ekus?: readonly Purpose[]
  /** default: an hour ago */
  readonly notBeforeMs?: number
  /** default: in a day */
  readonly notAfterMs?: number
  /** default: a new P-256 key */
  readonly keyPem?: string
}

export interface TestCertificate {
  /** leaf and intermediate, as a server would be configured with */
  readonly certificatePem: string
  readonly keyPem: string
  /** leaf first, without the root */
  readonly chainDer: readonly Uint8Array[]
  readonly leafPem: string
  /** for tls.createSecureContext, tls.connect, https.createServer */
  readonly secureContextOptions: { readonly cert: string; readonly key: string; readonly ca: string[] }
}

export interface TestAuthority {
  readonly caPem: string
  readonly caDer: Uint8Array
  issue(options?: TestCertificateOptions): TestCertificate
  readonly root: Authority
  /** what signs the leaves: the intermediate, or the root where there is none */
  readonly signer: Authority
}

/** A certificate authority that nobody else knows: a root, and an intermediate below it unless `intermediate: false`. */
export function testAuthority(
  options: { commonName?: string; intermediate?: boolean; permitted?: readonly string[] } = {},
): TestAuthority {
  const now = Date.now()
  // Unlike any other one's, so that a stranger's chain is untrusted and not badly signed.
  const commonName = options.commonName ?? `Isthmus test root ${randomBytes(4).toString('hex')}`
  const validity = { notBeforeMs: now - HOUR, notAfterMs: now + 30 * 24 * HOUR }
  const root = createAuthority({ commonName, serial: serial(), ...validity })
  const nameConstraints = options.permitted ? { nameConstraints: { permitted: options.permitted } } : {}
  const signer =
    options.intermediate === false
      ? root
      : issueAuthority(root, {
          commonName: `${commonName}, intermediate`,
          serial: serial(),
          pathLength: 0,
          ...nameConstraints,
          ...validity,
        })
  return {
    caPem: root.certificatePem,
    caDer: root.certificate,
    root,
    signer,
    issue(wanted = {}) {
      const leaf = issue(signer, {
        dnsNames: wanted.dns ?? [],
        srvNames: wanted.srv ?? [],
        xmppAddrs: wanted.xmpp ?? [],
        ekus: wanted.ekus ?? ['serverAuth'],
        notBeforeMs: wanted.notBeforeMs ?? now - HOUR,
        notAfterMs: wanted.notAfterMs ?? now + 24 * HOUR,
        serial: serial(),
        ...(wanted.keyPem === undefined ? {} : { keyPem: wanted.keyPem }),
      })
      const chain = signer === root ? [leaf] : [leaf, signer]
      const certificatePem = chain.map(({ certificatePem }) => certificatePem).join('')
      return {
        certificatePem,
        keyPem: leaf.keyPem,
        chainDer: chain.map(({ certificate }) => certificate),
        leafPem: leaf.certificatePem,
        secureContextOptions: { cert: certificatePem, key: leaf.keyPem, ca: [root.certificatePem] },
      }
    },
  }
}
