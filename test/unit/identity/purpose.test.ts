import { afterAll, expect, it } from 'vitest'
import { purposeCases } from '../../kit/certificate-cases.ts'
import { presented, proveCases } from '../../kit/certificate-verdicts.ts'
import { OpensslLab } from '../../kit/openssl.ts'
import { tlsBench } from '../../kit/tls-verdicts.ts'

const lab = new OpensslLab()
afterAll(() => lab.dispose())
const world = purposeCases(lab)
proveCases(lab, world)

// Why Node alone cannot be asked (DECISIONS 7): the last error that OpenSSL meets hides all others. These are the words of
// Node 20 and 24; where they change, the rule must be looked at again.
const VERDICTS: readonly (readonly [receiving: string, initiating: string])[] = [
  ['authorized', 'authorized'],
  ['authorized', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['authorized', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['INVALID_PURPOSE', 'authorized'],
  ['authorized', 'INVALID_PURPOSE'],
  ['INVALID_PURPOSE', 'authorized'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['CERT_HAS_EXPIRED', 'CERT_HAS_EXPIRED'],
  ['CERT_HAS_EXPIRED', 'CERT_HAS_EXPIRED'],
  ['CERT_NOT_YET_VALID', 'CERT_NOT_YET_VALID'],
  ['CERT_HAS_EXPIRED', 'CERT_HAS_EXPIRED'],
  ['INVALID_PURPOSE', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ['INVALID_PURPOSE', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'SELF_SIGNED_CERT_IN_CHAIN'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ['INVALID_PURPOSE', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['UNSPECIFIED', 'UNSPECIFIED'],
  ['PATH_LENGTH_EXCEEDED', 'PATH_LENGTH_EXCEEDED'],
  ['INVALID_PURPOSE', 'UNSPECIFIED'],
  ['UNSPECIFIED', 'UNSPECIFIED'],
  ['PATH_LENGTH_EXCEEDED', 'PATH_LENGTH_EXCEEDED'],
  ['INVALID_PURPOSE', 'INVALID_PURPOSE'],
  ['INVALID_PURPOSE', 'INVALID_PURPOSE'],
  ['INVALID_PURPOSE', 'authorized'],
  ['authorized', 'authorized'],
  ['CERT_SIGNATURE_FAILURE', 'CERT_SIGNATURE_FAILURE'],
  ['UNSPECIFIED', 'UNSPECIFIED'],
]

it('Node says of these chains what the rule was made for', async () => {
  const rows = world.cases.map(({ title }, index) => [title, ...(VERDICTS[index] ?? [])])
  const bench = await tlsBench(
    presented(world.server),
    world.roots.map(({ pem }) => pem),
  )
  const said: (string | undefined)[][] = []
  for (const { title, chain } of world.cases) {
    const receiving = await bench.asClient(presented(chain))
    const initiating = await bench.asServer(presented(chain))
    said.push([title, receiving?.nodeVerdict, initiating?.nodeVerdict])
  }
  await bench.close()
  expect(said).toEqual(rows)
})
