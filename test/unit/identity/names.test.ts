import { afterAll } from 'vitest'
import { proveCases } from '../../kit/certificate-verdicts.ts'
import { nameCases } from '../../kit/name-cases.ts'
import { OpensslLab } from '../../kit/openssl.ts'

const lab = new OpensslLab()
afterAll(() => lab.dispose())
proveCases(lab, nameCases(lab))
