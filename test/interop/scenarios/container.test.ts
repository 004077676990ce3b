import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { readCompose, type Service } from '../../kit/machine/compose.ts'
import { buildImage, Container } from '../../kit/machine/container.ts'
import { carry, carryThere, Machine } from '../../kit/machine/machine.ts'
import { buildHouse, network, publicPorts } from '../../kit/servers/house.ts'
import { passwordOf } from '../../kit/servers/server.ts'
import { type Stage, stages } from '../../kit/servers/stage.ts'
import { chat, ping } from './conversation.ts'

// deploy/container, with no engine: the commands of its Containerfiles, and what compose.yaml says, done by hand on a machine
// of its own. Base images are what the machine has.

const newStage = stages()

const DOMAIN = 'capulet.example'
const MONTAGUE = {
  name: 'montague',
  server: 'prosody',
  users: ['romeo'],
  init: ['--security', 'plaintext'],
} as const

/** where the machine finds montague.example */
const MONTAGUE_THERE = 9443

it('compose.yaml: a gateway with its certificate, and Prosody behind it', { timeout: 240_000 }, async () => {
  const stage = newStage()
  const ports = await publicPorts('capulet', 'montague')
  const montague = await buildHouse(stage, MONTAGUE, ports)
  const machine = Machine.start(stage, { name: 'machine' })
  const socket = (name: string) => stage.path(`machine/${name}.sock`)

  const file = operatorsFolder(stage)
  const environment = { DOMAIN, PUBLIC_HOST: `${DOMAIN}:${ports['capulet']}` }
  const services = readCompose(readFileSync(file, 'utf8'), file, environment)
  expect(Object.keys(services)).toEqual(['isthmus', 'prosody'])
  const { isthmus, prosody } = services as Readonly<Record<'isthmus' | 'prosody', Service>>
  expect(prosody.network).toBe('service:isthmus')
  expect(prosody.data).toEqual({ prosody: '/var/lib/prosody' })
  expect(isthmus.ports.map(({ from }) => from)).toEqual([443])

  await carryThere(machine, [
    { from: socket('public'), to: isthmus.ports[0]?.to ?? 0 },
    { from: MONTAGUE_THERE, to: socket('out') },
  ])
  carry(stage, [
    { from: ports['capulet'] ?? 0, to: socket('public') },
    { from: socket('out'), to: montague.port },
  ])
  const gateway = await start(machine, isthmus)
  const server = await start(machine, prosody)
  await machine.says('isthmus.log', '"msg":"admin socket"')
  await machine.run(
    'until ss --no-header --listening --tcp "sport = :5280" | grep --quiet .; do sleep 0.1; done',
  )
  expect(await gateway.runs(isthmus.health)).toBe(0)
  expect(await gateway.runs(isthmus.health.with(-1, 'https://127.0.0.1:1/healthz'))).toBe(1)
  expect(await gateway.runs(['isthmus', 'check', 'montague.example'])).toBe(0)

  const adduser = /prosodyctl --config \S+ adduser juliet@capulet\.example/.exec(readFileSync(file, 'utf8'))
  const password = `${passwordOf('juliet')}\n`
  expect(await server.runs(adduser?.[0].split(' '), password.repeat(2))).toBe(0)
  const juliet = {
    client: await stage.browse(DOMAIN, 'juliet', ports['capulet'] ?? 0),
    domain: DOMAIN,
    rooms: '',
  }
  const romeo = { client: await stage.login(montague.server, 'romeo'), ...montague }
  expect((await chat(juliet, romeo)) + (await chat(romeo, juliet))).toBe(6)
  expect(await ping(juliet, romeo)).toBe(2)

  for (const [container, { graceMs }] of [
    [gateway, isthmus],
    [server, prosody],
  ] as const) {
    const { code, tookMs } = await container.stop()
    expect({ code, inTime: tookMs < graceMs }).toEqual({ code: 0, inTime: true })
  }
})

async function start(machine: Machine, { containerfile, options }: Service): Promise<Container> {
  return Container.start(machine, await buildImage(machine, containerfile), options)
}

/** deploy/ with a certificate; whom the stage trusts, and where montague.example is, stand in isthmus.toml. */
function operatorsFolder(stage: Stage): string {
  cpSync(fileURLToPath(new URL('../../../deploy', import.meta.url)), stage.path('deploy'), {
    recursive: true,
  })
  const folder = stage.path('deploy/container')
  const certificates = join(folder, 'certificates')
  mkdirSync(certificates)
  const { certificatePem, keyPem } = stage.authority.issue({ dns: [DOMAIN, `rooms.${DOMAIN}`] })
  writeFileSync(join(certificates, 'fullchain.pem'), certificatePem)
  writeFileSync(join(certificates, 'privkey.pem'), keyPem)
  writeFileSync(join(certificates, 'ca.pem'), stage.authority.caPem)
  const here = network('capulet', { montague: MONTAGUE_THERE }).replace('"ca.pem"', '"certificates/ca.pem"')
  writeFileSync(join(folder, 'isthmus.toml'), here, { flag: 'a' })
  for (const name of [stage.folder, dirname(folder), folder, certificates]) chmodSync(name, 0o755)
  return join(folder, 'compose.yaml')
}
