import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from '../command.ts'
import type { Client } from './client.ts'
import { gatewayFolder, initialise, network } from './house.ts'
import { takePorts } from './ports.ts'
import type { Stage } from './stage.ts'

/** What the author of a bot has: a gateway that listens for its component, and no server. */
export interface ComponentHouse {
  readonly domain: string
  readonly gateway: Command
  /** The component, with what `isthmus init` says are its settings. */
  connect(): Promise<Client>
}

/**
 * Build it by init's output.
 * @param second what becomes of a second connection; default: what init writes
 */
export async function buildComponentHouse(
  stage: Stage,
  { name, second }: { readonly name: string; readonly second?: 'refuse' | 'replace' },
  others: Readonly<Record<string, number>>,
): Promise<ComponentHouse> {
  const domain = `${name}.example`
  const [listen = 0] = await takePorts(1)
  const folder = gatewayFolder(stage, name, stage.issue(domain))
  const { config, server } = initialise([
    ...['--server', 'component', '--domain', domain, '--listen', `127.0.0.1:${others[name]}`],
    ...['--component-listen', `127.0.0.1:${listen}`],
  ])
  // [domain.component] is the last table of what init writes.
  const more = second === undefined ? '' : `second = "${second}"\n`
  writeFileSync(join(folder, 'isthmus.toml'), `${config}${more}${network(name, others)}`)
  const gateway = await stage.gateway(`gateway-${name}/isthmus`)
  const settings = new Map(
    [...(server[0]?.text ?? '').matchAll(/^(\w+) = (.*)$/gm)].map(([, key = '', value = '']) => [key, value]),
  )
  return {
    domain,
    gateway,
    connect: () =>
      stage.component(
        settings.get('domain') ?? '',
        settings.get('secret') ?? '',
        Number(settings.get('port')),
      ),
  }
}
