import type { Reporter, TestModule } from 'vitest/node'
import { formatMatrix, makeMatrix, readRegister, type TestRow } from './matrix.ts'

/**
 * Fails the run where a required item of the register is uncovered. Prints the whole matrix in a run of the
 * conformance project alone (`npm run conformance`), else its problems only.
 */
export default class MatrixReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const rows: TestRow[] = []
    for (const module of modules) {
      if (module.project.name !== 'conformance') continue
      for (const test of module.children.allTests()) {
        rows.push({ title: test.name, state: test.result().state })
      }
    }
    const matrix = makeMatrix(readRegister(), rows)
    const alone = modules.every(module => module.project.name === 'conformance')
    if (alone) process.stdout.write(`\n${formatMatrix(matrix)}\n`)
    for (const problem of matrix.problems) process.stdout.write(`conformance: ${problem}\n`)
    if (matrix.problems.length > 0) process.exitCode = 1
  }
}
