import { Copy, DockerfileParser, Healthcheck, type Instruction, JSONInstruction } from 'dockerfile-ast'

// What a Containerfile says, as shell scripts for a machine that has what its base images have. There are no layers and one
// file system: the working directories of earlier stages are gone at the end, so that nothing is missed that is needed.

export interface Image {
  /** to be run in their order as root, with CONTEXT in the environment: where the build context is */
  readonly steps: readonly string[]
  /** '1000:1000', or 'root' */
  readonly user: string
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly command: readonly string[]
  /** empty: there is none */
  readonly health: readonly string[]
}

/** Reads the instructions that the kits use; another one is an error. */
export function readContainerfile(text: string): Image {
  const steps: string[] = []
  const stages: string[] = []
  const environment: Record<string, string> = {}
  const image = { user: 'root', directory: '/', entrypoint: [''], command: [''], health: [''] }
  const instructions = DockerfileParser.parse(text).getInstructions()
  for (const instruction of instructions) {
    const rest = instruction.getArgumentsContent() ?? ''
    switch (instruction.getKeyword()) {
      case 'FROM':
        if (image.directory !== '/') stages.push(image.directory)
        Object.assign(image, { user: 'root', directory: '/', entrypoint: [], command: [], health: [] })
        for (const name of Object.keys(environment)) delete environment[name]
        break
      case 'WORKDIR':
        image.directory = rest
        steps.push(`mkdir -p ${rest}`)
        break
      case 'COPY':
        steps.push(inside(image.directory, copy(instruction)))
        break
      case 'RUN':
        steps.push(inside(image.directory, rest))
        break
      case 'ENV':
        for (const [, name = '', value = ''] of rest.matchAll(/(\w+)=(\S+)/g)) environment[name] = value
        break
      case 'USER':
        image.user = rest
        break
      case 'ENTRYPOINT':
        image.entrypoint = words(instruction)
        break
      case 'CMD':
        image.command = words(instruction)
        break
      case 'HEALTHCHECK':
        image.health = healthOf(instruction)
        break
      case 'EXPOSE':
      case 'VOLUME':
        break
      default:
        throw new Error(`the kit does not know ${instruction.getInstruction()}`)
    }
  }
  return {
    steps: [...steps, ...stages.map(stage => `rm -rf ${stage}`)],
    user: image.user,
    directory: image.directory,
    environment,
    command: [...image.entrypoint, ...image.command],
    health: image.health,
  }
}

function inside(directory: string, command: string): string {
  return `cd ${directory}\n${command}`
}

/** A directory stands for what is in it. */
function copy(instruction: Instruction): string {
  const from = instruction instanceof Copy && instruction.getFromFlag() !== null
  const places = instruction.getArguments().map(argument => argument.getValue())
  const to = places.at(-1) ?? ''
  return places
    .slice(0, -1)
    .map(place => (from ? place : `"$CONTEXT"/${place}`))
    .map(place =>
      [
        `if [ -d ${place} ]; then mkdir -p ${to} && cp -a --no-preserve=ownership ${place}/. ${to}/`,
        `else cp -a --no-preserve=ownership ${place} ${to}; fi`,
      ].join('\n'),
    )
    .join('\n')
}

/** In exec form: with a shell in between the program would not hear signals. */
function words(instruction: Instruction): string[] {
  const strings = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : []
  if (strings.length === 0) throw new Error(`${instruction.getInstruction()} is not in exec form`)
  return strings.map(string => string.getJSONValue())
}

function healthOf(instruction: Instruction): string[] {
  const [, strings = ''] = /^CMD (\[.*\])$/.exec(instruction.getArgumentsContent() ?? '') ?? []
  if (!(instruction instanceof Healthcheck) || strings === '')
    throw new Error('HEALTHCHECK is not in exec form')
  return JSON.parse(strings)
}
