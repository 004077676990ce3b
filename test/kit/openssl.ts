import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Certificates that our own minting would never make, made by the openssl command, and its opinion of chains. A machine
// without openssl fails these tests: there is no second oracle.

export type KeyKind =
  | 'P-224'
  | 'P-256'
  | 'P-384'
  | 'P-521'
  | 'secp256k1'
  | 'brainpoolP256r1'
  | 'ED25519'
  | 'ED448'
  | `RSA-${number}`

export interface KeyFile {
  readonly pem: string
  readonly path: string
  /** a request by this key, whose subject is not used */
  readonly csrPath: string
}

export interface Made {
  readonly pem: string
  readonly der: Uint8Array
  readonly path: string
  readonly key: KeyFile
}

export interface Wanted {
  /** '/CN=name'; '/' for none */
  readonly subject: string
  readonly key: KeyFile
  /** absent: self-signed */
  readonly issuer?: Made
  /** lines of an openssl extension section, as `subjectAltName=DNS:a.example` */
  readonly extensions?: readonly string[]
  /** default: an hour ago to in a day */
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** default sha256 */
  readonly digest?: 'sha256' | 'sha384' | 'sha512' | 'sha1' | 'md5' | 'default'
  /** options of the signature, e.g. 'rsa_padding_mode:pss' */
  readonly signing?: readonly string[]
}

const HOUR = 3_600_000

/** A folder to make certificates in. Call `dispose` at the end. */
export class OpensslLab {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'isthmus-openssl-'))
  readonly #keys = new Map<string, KeyFile>()
  #count = 0

  constructor() {
    this.write('ca.cnf', CONFIG)
    this.write('index.txt', '')
    mkdirSync(join(this.folder, 'new'))
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true })
  }

  run(...args: readonly string[]): string {
    return execFileSync('openssl', [...args], { cwd: this.folder, encoding: 'utf8', stdio: 'pipe' })
  }

  write(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }

  /** The key of that kind and name: made once. */
  key(name: string, kind: KeyKind = 'P-256'): KeyFile {
    const known = this.#keys.get(name)
    if (known) return known
    const path = join(this.folder, `${name}.key`)
    const csrPath = join(this.folder, `${name}.csr`)
    const [algorithm = '', bits = ''] = kind.split('-')
    const options =
      algorithm === 'RSA'
        ? ['-algorithm', 'RSA', '-pkeyopt', `rsa_keygen_bits:${bits}`]
        : algorithm.startsWith('ED')
          ? ['-algorithm', algorithm]
          : ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${kind}`]
    this.run('genpkey', ...options, '-out', path)
    this.run('req', '-new', '-key', path, '-subj', '/CN=request', '-out', csrPath, '-config', 'ca.cnf')
    const made = { pem: readFileSync(path, 'utf8'), path, csrPath }
    this.#keys.set(name, made)
    return made
  }

  make(wanted: Wanted): Made {
    const number = ++this.#count
    const path = join(this.folder, `${number}.pem`)
    const extensions = this.write(`${number}.ext`, `[ext]\n${(wanted.extensions ?? []).join('\n')}\n`)
    const signer = wanted.issuer
      ? ['-cert', wanted.issuer.path, '-keyfile', wanted.issuer.key.path]
      : ['-selfsign', '-keyfile', wanted.key.path]
    const now = Date.now()
    this.run(
      ...['ca', '-batch', '-notext', '-config', 'ca.cnf', '-preserveDN'],
      ...['-md', wanted.digest ?? 'sha256', ...(wanted.signing ?? []).flatMap(option => ['-sigopt', option])],
      ...['-startdate', asn1Time(wanted.notBeforeMs ?? now - HOUR)],
      ...['-enddate', asn1Time(wanted.notAfterMs ?? now + 24 * HOUR)],
      ...['-subj', wanted.subject, '-multivalue-rdn', '-in', wanted.key.csrPath, ...signer],
      ...['-extfile', extensions, '-extensions', 'ext', '-out', path],
    )
    return this.#made(path, wanted.key)
  }

  /** A certificate with bytes of our choice, e.g. a forged signature. */
  patched(original: Made, patch: (der: Buffer) => void): Made {
    const der = Buffer.from(original.der)
    patch(der)
    const body = der.toString('base64').replace(/.{1,64}/g, '$&\n')
    const pem = `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`
    const path = this.write(`${++this.#count}.pem`, pem)
    return { pem, der, path, key: original.key }
  }

  /** What `openssl verify` says of the chain as a server's. */
  verify(
    chain: readonly Made[],
    roots: readonly Made[],
    options: { hostname?: string; atMs?: number; purpose?: string } = {},
  ): { readonly ok: boolean; readonly said: string } {
    const number = ++this.#count
    const [leaf, ...others] = chain
    if (leaf === undefined) throw new TypeError('an empty chain')
    const bundle = (name: string, made: readonly Made[]) =>
      this.write(`${number}.${name}`, made.map(({ pem }) => pem).join(''))
    const args = [
      // Level 2 is what a TLS stack of today asks of keys and digests.
      ...['verify', '-purpose', options.purpose ?? 'sslserver', '-auth_level', '2'],
      ...['-no-CApath', '-no-CAstore', '-CAfile', bundle('roots', roots)],
      ...(others.length > 0 ? ['-untrusted', bundle('others', others)] : []),
      ...(options.hostname === undefined ? [] : ['-verify_hostname', options.hostname]),
      ...(options.atMs === undefined ? [] : ['-attime', String(Math.floor(options.atMs / 1000))]),
    ]
    try {
      return { ok: true, said: this.run(...args, leaf.path) }
    } catch (error) {
      // Anything but its own "no" is a defect of the test.
      const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
      if (!/error \d+ at|Unable to load|unable to load|Could not read/.test(said)) throw error
      return { ok: false, said: said.trim().replaceAll(this.folder, '') }
    }
  }

  #made(path: string, key: KeyFile): Made {
    const pem = readFileSync(path, 'utf8')
    return { pem, der: new X509Certificate(pem).raw, path, key }
  }
}

function asn1Time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`
}

const CONFIG = `
[req]
distinguished_name = dn
prompt = no
[dn]
CN = request
[ca]
default_ca = lab
[lab]
database = index.txt
new_certs_dir = new
rand_serial = yes
policy = any
email_in_dn = yes
unique_subject = no
[any]
CN = optional
`
