import { afterAll } from 'vitest'
import { proveCases } from '../../kit/certificate-verdicts.ts'
import { constraintCases } from '../../kit/constraint-cases.ts'
import { OpensslLab } from '../../kit/openssl.ts'

const lab = new OpensslLab()
afterAll(() => lab.dispose())
proveCases(lab, constraintCases(lab))
