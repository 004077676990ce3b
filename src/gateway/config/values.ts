import { z } from 'zod'
import { notFederable, parseDomain } from '../../xmpp/index.ts'

// Schemas of single values. What a schema cannot say by itself, its issue carries as `hint`.

/** Text that `read` turns into a value; a string from `read` is the hint of the problem. */
function text<T>(read: (text: string) => { value: T } | { hint: string }) {
  return z.string().transform((raw, context) => {
    const result = read(raw)
    if ('value' in result) return result.value
    context.addIssue({ code: 'custom', params: { hint: result.hint } })
    return z.NEVER
  })
}

export const federableDomain = () =>
  text(raw => {
    const domain = parseDomain(raw)
    if (domain === null) return { hint: 'letters, digits and hyphens, in labels joined by dots' }
    switch (notFederable(domain)) {
      case null:
        return { value: domain }
      case 'single-label':
        return { hint: 'a name without a dot does not federate' }
      case 'ip-literal':
        return { hint: 'an address is not a domain' }
      case 'special-use':
        return { hint: 'this top-level domain is reserved and does not federate' }
    }
  })

export const wssUrl = () =>
  text(raw => {
    const url = URL.canParse(raw) ? new URL(raw) : null
    if (url === null) return { hint: 'write it whole: wss://HOST[:PORT]/PATH' }
    if (url.protocol !== 'wss:') return { hint: 'federation needs TLS: the scheme is wss' }
    if (url.username !== '' || url.password !== '') return { hint: 'leave user and password out' }
    if (url.hash !== '') return { hint: 'a WebSocket URL has no fragment' }
    return { value: url.href }
  })

export const filePath = () =>
  text(raw => {
    if (raw.includes('-----BEGIN')) return { hint: 'name a file that holds it' }
    return raw === '' || raw.includes('\0') ? { hint: 'the name of a file' } : { value: raw }
  })

export const checked = (ok: (raw: string) => boolean, hint: string) =>
  text(raw => (ok(raw) ? { value: raw } : { hint }))

export const count = (minimum: number) =>
  z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,9}$/)
        .transform(Number),
    ])
    .transform((value, context) => {
      if (Number.isSafeInteger(value) && value >= minimum) return value
      context.addIssue({ code: 'custom', params: { hint: `a whole number, at least ${minimum}` } })
      return z.NEVER
    })

export const quantity = (
  parse: (text: string) => number | null,
  minimum: number,
  units: string,
  least: string,
) =>
  text(raw => {
    const value = parse(raw)
    if (value === null) return { hint: `a number with its unit: ${units}` }
    return value < minimum ? { hint: `at least ${least}` } : { value }
  })
