import { FAULT, type Fault } from './violation.ts'

const DECLARATION =
  /^<\?xml[\t\n\r ]+version[\t\n\r ]*=[\t\n\r ]*(?:"(1\.[0-9]+)"|'(1\.[0-9]+)')(?:[\t\n\r ]+encoding[\t\n\r ]*=[\t\n\r ]*(?:"([A-Za-z][A-Za-z0-9._-]*)"|'([A-Za-z][A-Za-z0-9._-]*)'))?(?:[\t\n\r ]+standalone[\t\n\r ]*=[\t\n\r ]*(?:"(?:yes|no)"|'(?:yes|no)'))?[\t\n\r ]*\?>$/

/** An XML declaration, `<?xml` to `>`: version 1.0, UTF-8; standalone says nothing where there is no DTD (WS-25, XM-04). */
export function judgeDeclaration(text: string): Fault | null {
  const match = DECLARATION.exec(text)
  if (match === null) return FAULT.declaration
  if ((match[1] ?? match[2]) !== '1.0') return FAULT.version
  const encoding = match[3] ?? match[4]
  return encoding === undefined || encoding.toLowerCase() === 'utf-8' ? null : FAULT.encoding
}
