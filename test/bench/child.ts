import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

// The other processes of a bench: what the parent may call in them, and how they end.

/** What a child answers: plain data in, plain data out. */
// biome-ignore lint/suspicious/noExplicitAny: any function of plain data
type Calls = Record<string, (...data: any[]) => unknown>

type Question = { readonly id: number; readonly name: string; readonly data: readonly unknown[] }
type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }

/** In the child: answer the parent, and end with it. */
export function answer(calls: Calls): void {
  process.on('disconnect', () => process.exit())
  process.on('message', ({ id, name, data }: Question) => {
    const reply = (message: Reply) => process.send?.(message)
    Promise.resolve()
      .then(() => calls[name]?.(...data))
      .then(
        result => reply({ id, result }),
        error =>
          reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      )
  })
}

/** A running child with the calls that its module exports. */
export class Child<C extends Calls> {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  readonly #ended: Promise<void>
  #lastId = 0

  private constructor(process: ChildProcess) {
    this.#process = process
    process.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('error' in reply) waiting?.reject(new Error(reply.error))
      else waiting?.resolve(reply.result)
    })
    this.#ended = new Promise(resolve => {
      process.once('exit', code => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`a child ended with ${code}`))
        this.#waiting.clear()
        resolve()
      })
    })
  }

  /** @param name of its module in children/; it is killed when `signal` is aborted */
  static start<C extends Calls>(
    name: string,
    signal: AbortSignal,
    nodeOptions: readonly string[] = [],
  ): Child<C> {
    const module = fileURLToPath(new URL(`./children/${name}.js`, import.meta.url))
    const started = fork(module, {
      execArgv: [...nodeOptions],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      signal,
      killSignal: 'SIGKILL',
    })
    started.on('error', () => {})
    return new Child<C>(started)
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  call<K extends keyof C & string>(name: K, ...data: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    this.#lastId += 1
    const question: Question = { id: this.#lastId, name, data }
    return new Promise((resolve, reject) => {
      this.#waiting.set(question.id, {
        resolve: result => resolve(result as Awaited<ReturnType<C[K]>>),
        reject,
      })
      this.#process.send(question)
    })
  }

  /** Let it go, and wait until it has. */
  end(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect()
    return this.#ended
  }
}
