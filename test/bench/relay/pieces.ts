import { defaultLimits } from '../../../src/base/index.ts'
import { isXmlViolation, scanDocument, xmlLimits } from '../../../src/xml/index.ts'
import { corpus } from '../corpus/index.ts'

/** Beside the gateway's server, and elsewhere. */
export const NEAR = 'capulet.example'
export const FAR = 'montague.example'

/** From the local server to elsewhere, and back. */
export const OUT: readonly Buffer[] = corpus({ from: NEAR, to: FAR })
export const IN: readonly Buffer[] = corpus({ from: FAR, to: NEAR })

/** As they are forwarded. */
export function canonical(pieces: readonly Buffer[]): readonly Buffer[] {
  return pieces.map(bytes => {
    const scanned = scanDocument(bytes, xmlLimits(defaultLimits, 'authenticated'))
    if (isXmlViolation(scanned)) throw new Error(scanned.detail)
    return Buffer.from(scanned.canonical())
  })
}
