import type { Reporter, TestModule } from 'vitest/node'

/**
 * Ends a run with the plain line `N passed, N failed`. A skipped test counts as failed: nothing here is optional. A
 * module that could not be loaded counts as one failure.
 */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      let tests = 0
      for (const test of module.children.allTests()) {
        tests++
        if (test.result().state === 'passed') passed++
        else failed++
      }
      if (module.errors().length > 0 || tests === 0) failed++
    }
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
    if (failed > 0 || passed === 0) process.exitCode = 1
  }
}
