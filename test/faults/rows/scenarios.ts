import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { brokenResult, type Result } from '../results.ts'
import type { ScenarioRow } from '../row.ts'

const FOLDER = 'test/interop/scenarios'
const RUN_MS = 180_000

interface Scenario extends Omit<ScenarioRow, 'runScenario' | 'notInCi'> {
  readonly file: string
  /** of the one test, as a pattern of its full name */
  readonly title: string
  /** what the line begins with in which the test prints its figures as JSON */
  readonly prefix: string
  /** @param told the JSON */
  figures(told: Fates): Partial<Result>
}

/** As kills.test.ts and restarts.test.ts print them. */
interface Fates extends Fate {
  readonly recoveryMs?: readonly number[]
  readonly out?: Fate
  readonly back?: Fate
  readonly backMs?: number
}

interface Fate {
  readonly sent: number
  readonly received: number
  readonly refused: number
  readonly contradicted?: number
  readonly inDoubt?: number
  readonly both?: number
  readonly duplicates: number
  readonly lost: number
}

export const killedSenderManaged = scenario({
  name: 'kill-sender-sm',
  fault: 'kill -9 of the sending gateway, Prosody behind with stream management (`security = "tls"`)',
  mustHold: 'silently lost 0; "ambiguous" is what Prosody returns although it had arrived unacknowledged',
  runs: 50,
  file: 'kills.test.ts',
  title: 'the sending gateway is killed, and its server has stream management',
  prefix: '9. capulet killed, tls: ',
  figures: killFigures,
})

export const killedSenderUnmanaged = scenario({
  name: 'kill-sender',
  fault: 'the same with a server that has no stream management',
  mustHold: 'loss only inside a bounded window: at most 100 a kill, half a second; the column says how many',
  runs: 50,
  file: 'kills.test.ts',
  title: 'the sending gateway is killed, and its server has none',
  prefix: '9. capulet killed, plaintext: ',
  figures: killFigures,
})

export const killedServers = (['Prosody', 'ejabberd'] as const).map(whose =>
  scenario({
    name: `kill-${whose.toLowerCase()}`,
    fault: `local server killed and restarted (${whose})`,
    mustHold:
      'lost 0 of what the server had not acknowledged; "lost" is what it had, or was just being told: its own losses',
    runs: 10,
    file: 'restarts.test.ts',
    title: `while they write '${whose}': 'kill'`,
    prefix: `7. ${whose}: kill: `,
    figures: ({ out, back, backMs }) => ({ ...sums(out, back), recoveryMs: backMs ?? null }),
  }),
)

function killFigures(told: Fates): Partial<Result> {
  return { ...sums(told), recoveryMs: Math.max(...(told.recoveryMs ?? [])) }
}

function sums(...fates: readonly (Fate | undefined)[]): Partial<Result> {
  const sum = (of: (fate: Fate) => number) =>
    fates.reduce((total, fate) => total + (fate === undefined ? 0 : of(fate)), 0)
  const doubtful = sum(({ inDoubt = 0, both = 0 }) => inDoubt - both)
  const ambiguous = sum(({ contradicted = 0 }) => contradicted)
  return {
    sent: sum(({ sent }) => sent),
    delivered: sum(({ received }) => received),
    bounced: sum(({ refused, inDoubt = 0 }) => refused - inDoubt) - ambiguous,
    ambiguous,
    inDoubt: doubtful,
    duplicates: sum(({ duplicates }) => duplicates),
    lost: sum(({ lost }) => lost),
  }
}

function scenario({ file, title, prefix, figures, ...row }: Scenario): ScenarioRow {
  return {
    ...row,
    notInCi: 'a scenario, which npm run test:interop runs',
    async runScenario() {
      const { code, out } = await vitest(`${FOLDER}/${file}`, title)
      const line = out.split('\n').find(text => text.startsWith(prefix))
      const nothing = brokenResult({ name: row.name }, '')
      const told = line === undefined ? {} : figures(JSON.parse(line.slice(prefix.length)))
      const tail = out.split('\n').slice(-40).join('\n')
      const violations = code === 0 && line !== undefined ? [] : [`exit code ${code}: ${tail}`]
      return { ...nothing, ...told, violations }
    },
  }
}

function vitest(
  file: string,
  title: string,
): Promise<{ readonly code: number | null; readonly out: string }> {
  // Ours counts what was left out as failed.
  const args = ['run', '--project', 'servers', file, '-t', title, '--reporter=default']
  const child = spawn(process.execPath, [resolve('node_modules/vitest/vitest.mjs'), ...args], {
    env: { ...process.env, ISTHMUS_KILLS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', text => {
    out += text
  })
  const late = setTimeout(() => child.kill('SIGTERM'), RUN_MS)
  return new Promise(done => {
    child.once('close', code => {
      clearTimeout(late)
      done({ code, out })
    })
  })
}
