import { afterAll } from 'vitest'
import { proveCases } from '../../kit/certificate-verdicts.ts'
import { OpensslLab } from '../../kit/openssl.ts'
import { pathCases } from '../../kit/path-cases.ts'

const lab = new OpensslLab()
afterAll(() => lab.dispose())
proveCases(lab, pathCases(lab))
