import { testAuthority } from '../kit/authority.ts'

/** Plain texts, for children. */
export interface Identity {
  readonly certificate: string
  readonly key: string
  readonly ca: string
}

/** ECDSA P-256 below an intermediate, as public authorities issue; the wildcard gives one side many domains. */
export function identities(): { readonly initiating: Identity; readonly receiving: Identity } {
  const authority = testAuthority()
  const identity = (...dns: readonly string[]): Identity => {
    const { certificatePem, keyPem } = authority.issue({ dns })
    return { certificate: certificatePem, key: keyPem, ca: authority.caPem }
  }
  return {
    initiating: identity('capulet.example', '*.capulet.example'),
    receiving: identity('montague.example'),
  }
}
