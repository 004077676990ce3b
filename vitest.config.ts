import { defineConfig } from 'vitest/config'

// One project a kind of test, so that each can be run alone; `npm test` runs them all.
const project = (name: string, more: Record<string, unknown> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], environment: 'node', ...more },
})

// With real servers and clients, which `npm run setup:servers` installs: not part of `npm test`.
const SERVERS = [
  'test/interop/scenarios/**/*.test.ts',
  'test/interop/component.test.ts',
  'test/interop/servers.test.ts',
  'test/interop/steering.test.ts',
]

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './test/kit/closing-line-reporter.ts'],
    projects: [
      project('walls'),
      project('unit', { testTimeout: 60_000, hookTimeout: 60_000 }),
      project('conformance', { testTimeout: 60_000, hookTimeout: 60_000 }),
      project('hostile', { testTimeout: 60_000, hookTimeout: 60_000, execArgv: ['--expose-gc'] }),
      project('interop', {
        testTimeout: 60_000,
        hookTimeout: 60_000,
        globalSetup: ['test/kit/build.ts'],
        exclude: SERVERS,
      }),
      project('servers', {
        include: SERVERS,
        testTimeout: 120_000,
        hookTimeout: 60_000,
        globalSetup: ['test/kit/build.ts'],
      }),
    ],
  },
})
