import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { validate } from 'dockerfile-utils'
import { describe, expect, it } from 'vitest'
import { readCompose } from '../kit/machine/compose.ts'
import { readContainerfile } from '../kit/machine/containerfile.ts'

// What can be said of the kits in deploy/ without running them; test/interop/scenarios runs them.

const deploy = fileURLToPath(new URL('../../deploy/', import.meta.url))
const containerfiles = readdirSync(deploy, { recursive: true, encoding: 'utf8' }).filter(name =>
  name.endsWith('Containerfile'),
)

describe.each(containerfiles)('deploy/%s', name => {
  const text = readFileSync(`${deploy}${name}`, 'utf8')
  const instructions = (keyword: string) =>
    [...text.matchAll(new RegExp(`^${keyword} (.*)$`, 'gm'))].map(([, rest = '']) => rest)

  it('has nothing that the linter objects to', () => {
    expect(validate(text)).toEqual([])
    // It does object.
    expect(validate(`${text}WORKDIR here\nCOPPY a b\n`)).toHaveLength(2)
  })

  it('names its base images in full', () => {
    expect(instructions('FROM').length).toBeGreaterThan(0)
    for (const from of instructions('FROM'))
      expect(from).toMatch(/^docker\.io\/library\/\w+:[\w.-]+( AS \w+)?$/)
  })

  it('starts its program without a shell in between', () => {
    const { command } = readContainerfile(text)
    expect(command.length).toBeGreaterThan(0)
    expect(() => readContainerfile(text.replace(/^ENTRYPOINT .*$/m, 'ENTRYPOINT isthmus serve'))).toThrow()
  })
})

it('the kits that are meant are there', () => {
  expect(containerfiles.sort()).toEqual([
    'container/Containerfile',
    'container/prosody.Containerfile',
    'one-port/Containerfile',
  ])
})

describe('deploy/container/compose.yaml', () => {
  const file = `${deploy}container/compose.yaml`
  const text = readFileSync(file, 'utf8')

  it('needs the domain, and takes it for the public host where nothing else is said', () => {
    expect(() => readCompose(text, file, {})).toThrow('DOMAIN is not set')
    const at = { DOMAIN: 'capulet.example', PUBLIC_HOST: 'capulet.example' }
    const { isthmus, prosody } = readCompose(text, file, { DOMAIN: 'capulet.example' })
    expect([isthmus?.options.environment, prosody?.options.environment]).toEqual([at, at])
  })

  it('gives nobody more than they need', () => {
    for (const [was, instead] of [
      ['cap_drop: [ALL]', 'cap_drop: []'],
      ['no-new-privileges:true', 'no-new-privileges:false'],
      ['isthmus.toml:ro', 'isthmus.toml'],
      ['restart:', 'privileged: true\n    restart:'],
    ] as const) {
      expect(() => readCompose(text.replace(was, instead), file, { DOMAIN: 'capulet.example' })).toThrow()
    }
  })
})
