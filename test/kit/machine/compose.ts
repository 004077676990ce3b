import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import type { ContainerOptions } from './container.ts'

// The part of the Compose Specification that deploy/container/compose.yaml uses: another key is an error here.

const healthSchema = z.strictObject({
  test: z.tuple([z.literal('CMD')], z.string()),
  interval: z.string(),
  timeout: z.string(),
  start_period: z.string(),
})

const serviceSchema = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.literal('../..'), dockerfile: z.string() }),
  network_mode: z.string().optional(),
  environment: z.record(z.string(), z.string()),
  volumes: z.array(z.string().regex(/^[^:]+:\/[^:]+(:ro)?$/)),
  tmpfs: z.array(z.string()).optional(),
  ports: z.array(z.string().regex(/^\d+:\d+$/)).optional(),
  healthcheck: healthSchema.optional(),
  read_only: z.boolean().optional(),
  // What a Container does not have either.
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  stop_grace_period: z.string().regex(/^\d+s$/),
  restart: z.literal('unless-stopped'),
})

const composeSchema = z.strictObject({
  name: z.string(),
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
})

export interface Service {
  readonly containerfile: string
  readonly options: ContainerOptions
  /** what holds data: the name of each volume, and where it is */
  readonly data: Readonly<Record<string, string>>
  /** on the machine, and in the container */
  readonly ports: readonly { readonly from: number; readonly to: number }[]
  readonly network: string | undefined
  readonly health: readonly string[]
  readonly graceMs: number
}

/**
 * @param file for places relative to it
 * @param environment of whoever calls compose
 */
export function readCompose(
  text: string,
  file: string,
  environment: Readonly<Record<string, string>>,
): Readonly<Record<string, Service>> {
  const compose = composeSchema.parse(parse(interpolated(text, environment), { strict: true }))
  const entries = Object.entries(compose.services).map(([name, service]): [string, Service] => {
    const places = service.volumes.map(volume => volume.split(':') as [string, string, string?])
    const data = places.filter(([from]) => !from.startsWith('.'))
    for (const [volume] of data) if (!(volume in compose.volumes)) throw new Error(`no volume ${volume}`)
    const mounts = places
      .filter(([from]) => from.startsWith('.'))
      .map(([from, to, mode]) => {
        if (mode !== 'ro') throw new Error(`${from} is not read-only`)
        return [join(dirname(file), from), to]
      })
    return [
      name,
      {
        containerfile: service.build.dockerfile,
        options: {
          name,
          environment: service.environment,
          mounts: Object.fromEntries(mounts),
          tmpfs: service.tmpfs ?? [],
          readOnly: service.read_only ?? false,
        },
        data: Object.fromEntries(data),
        ports: (service.ports ?? []).map(pair => {
          const [from = 0, to = 0] = pair.split(':').map(Number)
          return { from, to }
        }),
        network: service.network_mode,
        health: service.healthcheck?.test.slice(1) ?? [],
        graceMs: Number.parseInt(service.stop_grace_period, 10) * 1000,
      },
    ]
  })
  return Object.fromEntries(entries)
}

/** `${NAME:?why}`, `${NAME:-default}`; a default may hold another. From the inside out. */
function interpolated(text: string, environment: Readonly<Record<string, string>>): string {
  const inner = /\$\{(\w+)(?::([-?])([^${}]*))?\}/
  for (let found = inner.exec(text); found !== null; found = inner.exec(text)) {
    const [whole, name = '', kind, rest = ''] = found
    const value = environment[name] ?? (kind === '-' ? rest : undefined)
    if (value === undefined) throw new Error(`${name} is not set: ${rest}`)
    text = text.slice(0, found.index) + value + text.slice(found.index + whole.length)
  }
  return text
}
