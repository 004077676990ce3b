import type { Gateway } from './gateway.ts'
import type { Logger } from './log.ts'

/** The part of `process` that tells of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown
  off(signal: NodeJS.Signals, listener: () => void): unknown
}

/**
 * Run until SIGTERM or SIGINT, then drain. SIGHUP reads the certificates again.
 * @returns 'drained', or 'cut' where a second signal came before the end
 */
export async function runUntilSignalled(
  gateway: Pick<Gateway, 'reloadCertificates' | 'stop'>,
  signals: SignalSource,
  logger: Logger,
): Promise<'drained' | 'cut'> {
  const onHangup = () => {
    logger.info('SIGHUP: reading certificates again')
    gateway.reloadCertificates()
  }
  signals.on('SIGHUP', onHangup)
  const stop = nextSignal(signals)
  logger.info(`${await stop.arrived}: draining`)
  const again = nextSignal(signals)
  try {
    return await Promise.race([
      gateway.stop().then(() => 'drained' as const),
      again.arrived.then(() => 'cut' as const),
    ])
  } finally {
    again.release()
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
