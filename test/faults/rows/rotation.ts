import { setTimeout as sleep } from 'node:timers/promises'
import { bothWays } from '../course.ts'
import { tell } from '../kit/stage.ts'
import { expecting, type StagedRow } from '../row.ts'

const ROTATIONS = 18
const BAD = 7
const EVERY_MS = 1_000

export const rotation: StagedRow = {
  name: 'rotation',
  fault: 'certificate rotation every 10 s for 3 min, one bad file among them',
  mustHold: 'no stream dropped; the bad file reported, old certificate kept',
  runs: 3,
  clocks: 'clocks divided by 10',
  stage: { limits: { certificate_settle: '50ms' } },
  isFresh: true,
  run: stage =>
    tell({
      directions: bothWays(stage),
      beforeMs: 300,
      async fault() {
        const { gateway } = stage.capulet
        const count = (event: string) => gateway.logged(event).length
        const loadedBefore = count('certificate:loaded')
        const problemsBefore = count('certificate:problem')
        const endedBefore = count('stream:ended')
        for (let turn = 1; turn <= ROTATIONS; turn++) {
          const next = stage.issue(gateway.domain)
          gateway.certify(turn === BAD ? { ...next, certificatePem: 'no certificate\n' } : next)
          await sleep(EVERY_MS)
        }
        const loaded = count('certificate:loaded') - loadedBefore
        const problems = count('certificate:problem') - problemsBefore
        const ended = count('stream:ended') - endedBefore
        return [
          ...(loaded === ROTATIONS - 1 ? [] : [`${loaded} certificates loaded of ${ROTATIONS - 1}`]),
          ...(problems === 1 ? [] : [`${problems} problems reported instead of one`]),
          ...(ended === 0 ? [] : [`${ended} streams ended`]),
        ]
      },
      afterMs: 500,
      settleMs: 20_000,
    }),
  violations: expecting({ lost: 0, bounced: 0, duplicates: 0, order: 'kept' }),
}
