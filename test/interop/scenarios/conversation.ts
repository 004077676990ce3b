import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Client, Collected } from '../../kit/servers/client.ts'

// What people do with each other across two servers, whatever carries it: the list of scenario 1.

/** numbered messages each way */
export const NUMBERED = 1_000
const AVATAR_BYTES = 20 * 1024
/** for a burst to come in */
const BURST_MS = 30_000

export interface Side {
  readonly client: Client
  /** the domain of this one's server */
  readonly domain: string
  /** and that of its rooms */
  readonly rooms: string
}

/** What was done and seen; whatever did not come right has thrown before. */
export interface Conversation {
  /** chat messages and replies */
  readonly messages: number
  readonly subscriptions: number
  /** messages in rooms, as each who was there heard them */
  readonly roomMessages: number
  readonly discos: number
  readonly pings: number
  readonly avatarBytes: number
  /** numbered messages that came, in order and once, both ways together */
  readonly numbered: number
}

/** What a conversation comes to. */
export const EVERYTHING: Conversation = {
  messages: 3,
  subscriptions: 2,
  roomMessages: 8,
  discos: 6,
  pings: 4,
  avatarBytes: 2 * AVATAR_BYTES,
  numbered: 2 * NUMBERED,
}

/** All of it, each in both directions. Both are logged in and know nothing of each other. */
export async function converse(a: Side, b: Side): Promise<Conversation> {
  const messages = await chat(a, b)
  const subscriptions = await befriend(a, b)
  const roomMessages = (await talkInRoom(a, b)) + (await talkInRoom(b, a))
  const discos = (await discover(a, b)) + (await discover(b, a))
  const pings = (await ping(a, b)) + (await ping(b, a))
  const avatarBytes = (await showAvatar(a, b)) + (await showAvatar(b, a))
  const numbered = await number(a, b)
  return { messages, subscriptions, roomMessages, discos, pings, avatarBytes, numbered }
}

/** A message to the account, a reply to the client that wrote it, and one back. */
export async function chat({ client: a }: Side, { client: b }: Side): Promise<number> {
  const lines: [Client, string, Client][] = [
    [a, b.bare, b],
    [b, a.jid, a],
    [a, b.jid, b],
  ]
  for (const [speaker, to, hearer] of lines) {
    const body = `“But soft” & <what> light? ${to}`
    const id = await speaker.send(to, body)
    expect(await hearer.receives({ id, from: speaker.jid })).toMatchObject({ to, body, type: 'chat' })
  }
  return lines.length
}

/** Each asks for the other's presence and grants it; then each sees what the other is up to. */
async function befriend({ client: a }: Side, { client: b }: Side): Promise<number> {
  for (const [asking, granting] of [
    [a, b],
    [b, a],
  ] as const) {
    await asking.presence({ to: granting.bare, type: 'subscribe' })
    await granting.sees({ from: asking.bare, type: 'subscribe' })
    await granting.presence({ to: asking.bare, type: 'subscribed' })
    await asking.sees({ from: granting.bare, type: 'subscribed' })
    // The grant is followed by the presence itself, which nobody asked for.
    await asking.sees({ from: granting.jid, type: '' })
  }
  for (const [seen, seeing] of [
    [a, b],
    [b, a],
  ] as const) {
    await seen.presence({ show: 'away', status: `gone from ${seen.bare}` })
    await seeing.sees({ from: seen.jid, show: 'away', status: `gone from ${seen.bare}` })
    expect(await seeing.roster()).toMatchObject({ [seen.bare]: 'both' })
  }
  return 2
}

/** One makes a room at home, the other enters it from abroad; both talk, both hear both. */
export async function talkInRoom(home: Side, abroad: Side): Promise<number> {
  const room = `garden@${home.rooms}`
  await home.client.join(room, 'host')
  await home.client.openRoom(room)
  await abroad.client.join(room, 'guest')
  await home.client.sees({ from: `${room}/guest`, type: '' })
  await abroad.client.sees({ from: `${room}/host`, type: '' })
  for (const [speaker, nick] of [
    [home.client, 'host'],
    [abroad.client, 'guest'],
  ] as const) {
    const body = `${nick} speaks in ${room}`
    await speaker.send(room, body, { type: 'groupchat' })
    for (const { client } of [home, abroad]) {
      await client.receives({ from: `${room}/${nick}`, body, type: 'groupchat' })
    }
  }
  await abroad.client.presence({ to: `${room}/guest`, type: 'unavailable' })
  await home.client.sees({ from: `${room}/guest`, type: 'unavailable' })
  return 4
}

/** What the other's server is and has, and what its rooms are. */
async function discover({ client }: Side, { domain, rooms }: Side): Promise<number> {
  const server = await client.discoInfo(domain)
  expect(server.identities).toContainEqual(['server', 'im'])
  expect(server.features).toContain('http://jabber.org/protocol/disco#info')
  expect(await client.discoItems(domain)).toContain(rooms)
  const service = await client.discoInfo(rooms)
  expect(service.identities).toContainEqual(['conference', 'text'])
  expect(service.features).toContain('http://jabber.org/protocol/muc')
  return 3
}

/** The other's server and the other's client. */
export async function ping({ client: a }: Side, { client: b, domain }: Side): Promise<number> {
  await a.ping(domain)
  await a.ping(b.jid)
  return 2
}

/** One publishes 20 KB that compress badly, the other fetches them. */
async function showAvatar({ client: a }: Side, { client: b }: Side): Promise<number> {
  const picture = noise(AVATAR_BYTES, a.bare)
  await a.publishAvatar('image/png', picture)
  const { type, data } = await b.avatar(a.bare)
  expect(type).toBe('image/png')
  expect(Buffer.compare(data, picture)).toBe(0)
  return data.length
}

/** Both write at once. */
export async function number({ client: a }: Side, { client: b }: Side): Promise<number> {
  const ways = [
    [a, b],
    [b, a],
  ] as const
  const collected = await Promise.all(
    ways.map(async ([speaker, hearer]): Promise<Collected> => {
      const label = `from ${speaker.bare}`
      await speaker.burst({ to: hearer.jid, count: NUMBERED, label })
      await hearer.collect(label, NUMBERED, BURST_MS)
      // Whatever comes twice comes before this.
      const id = await speaker.send(hearer.jid, 'that was all')
      await hearer.receives({ id })
      return hearer.collected(label, NUMBERED)
    }),
  )
  for (const { missing, duplicates, isInOrder } of collected) {
    expect({ missing, duplicates, isInOrder }).toEqual({ missing: [], duplicates: [], isInOrder: true })
  }
  return collected.reduce((sum, { numbers }) => sum + numbers.length, 0)
}

/** Bytes that are the same for the same seed. */
function noise(size: number, seed: string): Uint8Array {
  return createHash('shake256', { outputLength: size }).update(seed).digest()
}
