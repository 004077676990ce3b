import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'

/** A DNS server on loopback that answers A and AAAA of what it is told, and remembers what it was asked. */
export interface TestDns {
  /** '127.0.0.1:port', for `dnsServers` */
  readonly address: string
  /** 'A montague.example', in order */
  readonly questions: string[]
  /**
   * lower-case name to: its addresses; 'nxdomain', which is also what unknown names get; 'servfail'; 'silence'. A list of
   * these lists: one after the other, the last one for ever. A name that has addresses of one family only has no other.
   */
  zone: Record<string, Answer>
  /** record types that are never answered */
  silent: ReadonlySet<string>
  close(): Promise<void>
}

export type Answer = readonly string[] | 'nxdomain' | 'servfail' | 'silence' | { readonly cname: string }

export async function testDns(zone: Record<string, Answer> = {}): Promise<TestDns> {
  const socket = createSocket('udp4')
  const questions: string[] = []
  const dns: TestDns = {
    address: '',
    questions,
    zone,
    silent: new Set(),
    close: () => new Promise(resolve => socket.close(() => resolve())),
  }
  socket.on('message', (message, from) => {
    const { name, type, end } = readQuestion(message)
    questions.push(`${TYPES[type] ?? type} ${name}`)
    const answer = dns.zone[name.toLowerCase()] ?? 'nxdomain'
    if (answer === 'silence' || dns.silent.has(TYPES[type] ?? '')) return
    const records = typeof answer === 'string' ? [] : recordsOf(answer, type, dns.zone)
    const code = answer === 'nxdomain' ? 3 : answer === 'servfail' ? 2 : 0
    const head = Buffer.from(message.subarray(0, 12))
    // A response with recursion, no additional records.
    head.writeUInt16BE(0x8180 | code, 2)
    head.writeUInt16BE(records.length, 6)
    head.writeUInt16BE(0, 10)
    const body = Buffer.concat([head, message.subarray(12, end), ...records])
    socket.send(body, from.port, from.address)
  })
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return Object.assign(dns, { address: `127.0.0.1:${socket.address().port}` })
}

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV', 16: 'TXT', 5: 'CNAME' }

function readQuestion(message: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = []
  let at = 12
  for (let size = message[at] ?? 0; size > 0; size = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + size))
    at += 1 + size
  }
  return { name: labels.join('.'), type: message.readUInt16BE(at + 1), end: at + 5 }
}

function recordsOf(
  answer: readonly string[] | { readonly cname: string },
  type: number,
  zone: Readonly<Record<string, Answer>>,
): Buffer[] {
  if ('cname' in answer) {
    const target = zone[answer.cname]
    const rest = target === undefined || typeof target === 'string' ? [] : recordsOf(target, type, zone)
    // Names are compressed to the question's; resolvers follow the chain by what it says, so the target's stand whole.
    return [record(OWNER, 5, nameOf(answer.cname)), ...rest.map(data => renamed(data, answer.cname))]
  }
  return answer.flatMap(address => {
    if (isIP(address) === 4 && type === 1)
      return [record(OWNER, 1, Buffer.from(address.split('.').map(Number)))]
    return isIP(address) === 6 && type === 28 ? [record(OWNER, 28, octets(address))] : []
  })
}

/** a pointer to the question's name */
const OWNER = Buffer.from([0xc0, 12])

function record(owner: Buffer, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt32BE(0, 4)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([owner, fixed, data])
}

function renamed(data: Buffer, name: string): Buffer {
  return Buffer.concat([nameOf(name), data.subarray(OWNER.length)])
}

function nameOf(name: string): Buffer {
  const labels = name
    .split('.')
    .map(label => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
  return Buffer.concat([...labels, Buffer.from([0])])
}

function octets(address: string): Buffer {
  const hostname = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = hostname.split('::')
  const groups = (text: string) => (text === '' ? [] : text.split(':'))
  const rest = tail === undefined ? [] : groups(tail)
  const missing = 8 - groups(head).length - rest.length
  const all = [...groups(head), ...new Array<string>(tail === undefined ? 0 : missing).fill('0'), ...rest]
  return Buffer.from(
    all.flatMap(group => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  )
}
