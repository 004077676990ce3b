import type { Gateway } from './gateway.ts'
import type { Logger } from './log.ts'

/** The part of `process` that tells of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

/**
 * Start, then run until SIGTERM or SIGINT, then drain. SIGHUP reads configuration and certificates again. Signals are heard from before
 * the start on: whoever sees the gateway listen may stop it. Rejects where `start` does.
 * @returns 'drained', or 'cut' where a second signal came before the end
 */
export async function runUntilSignalled(
  start: () => Promise<Pick<Gateway, 'reload' | 'stop'>>,
  signals: SignalSource,
  logger: Logger,
): Promise<'drained' | 'cut'> {
  const stop = nextSignal(signals)
  /** the first wish to stop, then the one that does not wait */
  let listening = stop
  let reload = () => {}
  const onHangup = () => reload()
  signals.on('SIGHUP', onHangup)
  try {
    const gateway = await start()
    reload = () => {
      logger.info('SIGHUP: reading configuration and certificates again')
      void gateway.reload()
    }
    logger.info(`${await stop.arrived}: draining`)
    const again = nextSignal(signals)
    listening = again
    return await Promise.race([
      gateway.stop().then(() => 'drained' as const),
      again.arrived.then(() => 'cut' as const),
    ])
  } finally {
    listening.release()
    signals.off('SIGHUP', onHangup)
  }
}

function nextSignal(signals: SignalSource): { arrived: Promise<string>; release: () => void } {
  let release = () => {}
  const arrived = new Promise<string>(resolve => {
    const onTerminate = () => finish('SIGTERM')
    const onInterrupt = () => finish('SIGINT')
    release = () => {
      signals.off('SIGTERM', onTerminate)
      signals.off('SIGINT', onInterrupt)
    }
    const finish = (name: string) => {
      release()
      resolve(name)
    }
    signals.on('SIGTERM', onTerminate)
    signals.on('SIGINT', onInterrupt)
  })
  return { arrived, release }
}
