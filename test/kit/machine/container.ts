import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Image, readContainerfile } from './containerfile.ts'
import type { Machine } from './machine.ts'

const PROJECT = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * Build what a Containerfile of the project says, on a machine: its very commands, as root, where all but the machine's own
 * folders is read-only. Of the project only what .dockerignore lets through is there.
 */
export async function buildImage(machine: Machine, file: string): Promise<Image> {
  const image = readContainerfile(readFileSync(join(PROJECT, file), 'utf8'))
  const ignored = readFileSync(join(PROJECT, '.dockerignore'), 'utf8')
  await machine.run(`${PREPARE}\n${contextScript(ignored)}`)
  for (const step of image.steps) {
    const script = `${READ_ONLY}\nexport CONTEXT="$MACHINE/context"\n${step}`
    await machine.run(`unshare --mount -- bash -euxc ${quoted(script)}`)
  }
  return image
}

// Once a machine: what a base image would not have is taken away.
const PREPARE = `
if [ ! -e "$MACHINE/context" ]; then
  rm /usr/local/bin/isthmus
  export TMPDIR="$MACHINE/tmp"
  mkdir "$TMPDIR" "$MACHINE/context"
  chmod 1777 "$TMPDIR"
  mount -t tmpfs tmpfs /var/lib/apt/lists
fi
`

// In a namespace of its own: what is open in the machine's keeps it writable.
const READ_ONLY = `
mount --bind "$MACHINE" "$MACHINE"
mount -o remount,bind,ro /
`

/** Of .dockerignore: what it excepts from `*`, without what it names after that. */
function contextScript(ignored: string): string {
  const lines = ignored.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  if (lines.shift() !== '*') throw new Error('.dockerignore does not begin with *')
  return lines
    .map(line =>
      line.startsWith('!')
        ? `cp -a "$PROJECT/${line.slice(1)}" "$MACHINE/context/"`
        : `rm -rf "$MACHINE/context/${line}"`,
    )
    .join('\n')
}

export interface ContainerOptions {
  /** of its log and its files in the machine */
  readonly name: string
  readonly environment?: Readonly<Record<string, string>>
  /** files and folders of this machine, and where the container has them; read-only */
  readonly mounts?: Readonly<Record<string, string>>
  /** empty folders in memory */
  readonly tmpfs?: readonly string[]
  /** nothing but `tmpfs` can be written */
  readonly readOnly?: boolean
  /** 'UID:GID', whatever the image says */
  readonly user?: string
}

/** What engines leave to root of what it needs to prepare a volume and to become somebody else. */
const OF_ROOT = ',+chown,+dac_override,+fowner,+kill,+setgid,+setuid'

/**
 * The image's process as the first of its own, on the machine's network. It has no capability, and little more where it
 * begins as root.
 */
export class Container {
  readonly #machine: Machine
  readonly #image: Image
  readonly #options: ContainerOptions
  readonly #place: string

  private constructor(machine: Machine, image: Image, options: ContainerOptions) {
    this.#machine = machine
    this.#image = image
    this.#options = options
    this.#place = `"$MACHINE/${options.name}`
  }

  static async start(machine: Machine, image: Image, options: ContainerOptions): Promise<Container> {
    const container = new Container(machine, image, options)
    const place = container.#place
    await machine.run(`
setsid unshare --mount --pid --fork --kill-child --mount-proc -- bash -ec ${quoted(container.#inner())} \\
  </dev/null >${place}.log" 2>&1 &
container=$!
echo "$container" >${place}.pid"
until pgrep --parent "$container" >${place}.first" || ! kill -0 "$container"; do sleep 0.02; done
`)
    return container
  }

  /** SIGTERM, as an engine sends it to the first process. Resolves with the exit status and how long that took. */
  async stop(): Promise<{ code: number; tookMs: number }> {
    const began = performance.now()
    await this.#machine.run(`kill -TERM "$(cat ${this.#place}.first")"`)
    return { code: await this.ended(), tookMs: performance.now() - began }
  }

  /** Resolves with the exit status. */
  ended(): Promise<number> {
    return this.#status(`wait "$(cat ${this.#place}.pid")"`)
  }

  /** Run the health check, or another command, in it. */
  runs(command: readonly string[] = this.#image.health, input = ''): Promise<number> {
    const enter = `nsenter --target "$(cat ${this.#place}.first")" --mount --pid`
    return this.#status(`${enter} -- ${this.#as(command)}`, input)
  }

  log(): string {
    return this.#machine.read(`${this.#options.name}.log`)
  }

  async #status(command: string, input = ''): Promise<number> {
    const words = await this.#machine.run(`status=0; ${command} || status=$?\necho "status:$status"`, input)
    return Number(/^status:(\d+)$/m.exec(words)?.[1] ?? Number.NaN)
  }

  #inner(): string {
    const { mounts = {}, tmpfs = [], readOnly = false } = this.#options
    return [
      READ_ONLY,
      ...Object.entries(mounts).flatMap(([from, to]) => [
        `mkdir -p "$(dirname ${to})"; if [ -d ${from} ]; then mkdir -p ${to}; else touch ${to}; fi`,
        `mount --bind ${from} ${to}; mount -o remount,bind,ro ${to}`,
      ]),
      ...(readOnly
        ? ['for at in /etc /run /usr/local "$MACHINE"; do mount -o remount,bind,ro "$at"; done']
        : []),
      ...tmpfs.map(at => `mount -t tmpfs -o mode=1777 tmpfs ${at}`),
      `exec ${this.#as(this.#image.command)}`,
    ].join('\n')
  }

  /** An engine gives a HOME to every user. */
  #as(command: readonly string[]): string {
    const { user = this.#image.user } = this.#options
    const [name = '', group = name] = user.split(':')
    const bounds = `-all${name === 'root' ? OF_ROOT : ''}`
    const environment = { HOME: '/', ...this.#image.environment, ...this.#options.environment }
    return [
      `env --ignore-environment --chdir ${this.#image.directory} PATH="$PATH"`,
      ...Object.entries(environment).map(([key, value]) => quoted(`${key}=${value}`)),
      `setpriv --reuid ${name} --regid ${group} --clear-groups --no-new-privs --bounding-set=${bounds} --inh-caps=-all --`,
      ...command.map(quoted),
    ].join(' ')
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`
}
