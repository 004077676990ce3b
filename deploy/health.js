// What the health checks of the kits run: whether the gateway says that it is well. Ends with 0 or 1.
//   node health.js [URL]    default: http, on loopback, at $PORT or 8080

import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'

const DEADLINE_MS = 3_000

const { PORT = '8080' } = process.env
const url = new URL(process.argv[2] ?? `http://127.0.0.1:${PORT}/healthz`)

// The certificate is for the domain, not for loopback, and nothing is at stake here.
const options = { rejectUnauthorized: false, timeout: DEADLINE_MS }
const request = (url.protocol === 'https:' ? getSecure : getPlain)(url, options, response => {
  response.resume()
  if (response.statusCode !== 200) process.stderr.write(`${url} answers ${response.statusCode}\n`)
  process.exitCode = response.statusCode === 200 ? 0 : 1
})
request.on('timeout', () => request.destroy(new Error(`nothing within ${DEADLINE_MS} ms`)))
request.on('error', error => {
  process.stderr.write(`${url}: ${error.message}\n`)
  process.exitCode = 1
})
