#!/usr/bin/env node
import { homedir } from 'node:os'
import { run } from './program.ts'

// A reader that went away (`isthmus … | head`) is no failure of ours.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

// No timer and no signal handler of ours keeps Node running, so a command that only waits would end in the middle.
const running = setInterval(() => {}, 2 ** 30)

const code = await run(process.argv.slice(2), {
  out: process.stdout,
  err: process.stderr,
  answers: process.stdin.isTTY && process.stderr.isTTY ? process.stdin : null,
  environment: process.env,
  home: homedir(),
  signals: process,
})

clearInterval(running)

// Pipes are written asynchronously: leave only when the last line is out.
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)))
