import { z } from 'zod'
import { notFederable, parseDomain } from '../../xmpp/index.ts'
import { parseIp } from './address.ts'

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

/** A SHA-256 fingerprint: 64 lower-case hexadecimal digits. */
export const fingerprint = () =>
  text(raw => {
    const value = raw.replaceAll(':', '').toLowerCase()
    return /^[0-9a-f]{64}$/.test(value)
      ? { value }
      : { hint: '64 hexadecimal digits, with colons or without' }
  })

/** A path as it stands in a request: nothing in it that two readers could read differently. */
export const urlPath = () =>
  text(raw => {
    if (!raw.startsWith('/')) return { hint: 'begin it with /' }
    if (!/^[A-Za-z0-9/._~!$&'()*+,;=:@-]*$/.test(raw))
      return { hint: 'a plain path: no query, no %, no space' }
    if (/\/\/|\/\.{1,2}(?=\/|$)/.test(raw)) return { hint: 'leave out //, /./ and /../' }
    return { value: raw }
  })

/** 'http://ADDRESS[:PORT]', the address being an IP address or localhost. */
export const httpOrigin = () =>
  text(raw => {
    const url = URL.canParse(raw) ? new URL(raw) : null
    if (url === null) return { hint: 'write it whole: http://127.0.0.1:5280' }
    if (url.protocol !== 'http:') return { hint: 'plain http, as it does not leave the machine' }
    if (`${url.origin}/` !== url.href) return { hint: 'leave out path, query, user and password' }
    if (url.hostname !== 'localhost' && !parseIp(url.hostname.replace(/^\[|\]$/g, ''))) {
      return { hint: 'an IP address or localhost: a name could change its meaning' }
    }
    return { value: url.origin }
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

export const flag = () => z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')])

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
