/**
 * Somebody to whom stanzas go on: it has outcomes for them in the order in which it was given them, or says so as if it
 * had. A route is one.
 */
export interface Way {
  /** how many it was ever given */
  readonly given: number
  /** the first so many of those have an outcome */
  settled(): number
  /** who wants to hear when that has grown */
  readonly watchers: Set<Watcher>
}

export interface Watcher {
  settled(): void
}

/** Stanzas that came one after the other and went the same way, one after the other. */
interface Run {
  /** null: they had an outcome at once */
  readonly way: Way | null
  /** position of the first on that way */
  start: number
  count: number
}

/**
 * The stanzas that a peer has sent while they are ours: how many have come, and of how many somebody else has taken the
 * responsibility, which is what an acknowledgement says (SM-06, DECISIONS 24). Costs next to nothing where a host of this
 * process takes each as it comes.
 */
export class Custody implements Watcher {
  /** that have come */
  received = 0
  /** more has been taken than before */
  onTaken: () => void = NOTHING
  /** oldest first; none where everything is taken */
  readonly #runs: Run[] = []
  /** in them */
  #outstanding = 0
  /** the last that came goes on somewhere */
  #went = false
  /** works on the last that has come; never rejects */
  #work: Promise<void> | null = null

  /** One more has come. */
  came(): void {
    this.received += 1
    this.#went = false
  }

  /** The last that came has been given to `way`, where it waits for an outcome. */
  went(way: Way): void {
    this.#went = true
    const position = way.given - 1
    const last = this.#runs.at(-1)
    if (last?.way === way && last.start + last.count === position) last.count += 1
    else {
      if (this.#runs.length >= RUNS) this.#settle()
      this.#runs.push({ way, start: position, count: 1 })
      way.watchers.add(this)
    }
    this.#outstanding += 1
  }

  /** Our owner has been given the last that came: unless it goes on, or is worked on, it is taken, in its turn. */
  handed(): void {
    if (this.#went || this.#runs.length === 0) return
    const last = this.#runs.at(-1)
    if (last?.way === null) last.count += 1
    else this.#runs.push({ way: null, start: 0, count: 1 })
    this.#outstanding += 1
  }

  /** Somebody works on the last that came; nothing more comes before that has ended. */
  hold(work: Promise<void>): void {
    this.#work = work
    void work.then(() => {
      if (this.#work !== work) return
      this.#work = null
      this.onTaken()
    })
  }

  /** who works on the last that came */
  get work(): Promise<void> | null {
    return this.#work
  }

  /** somebody else has some of it, and no outcome yet, as far as we have heard */
  get isAwaiting(): boolean {
    return this.#outstanding > 0
  }

  /** of those that have come, the first so many are taken */
  taken(): number {
    if (this.#runs.length > 0) this.#settle()
    return Math.min(this.received - this.#outstanding, this.received - (this.#work === null ? 0 : 1))
  }

  settled(): void {
    // Also where nobody is to be told any more: a way remembers only those that wait.
    this.#settle()
    this.onTaken()
  }

  #settle(): void {
    const runs = this.#runs
    while (runs[0] !== undefined) {
      const run = runs[0]
      const settled = run.way === null ? run.count : run.way.settled() - run.start
      const count = Math.max(0, Math.min(run.count, settled))
      this.#outstanding -= count
      run.start += count
      run.count -= count
      if (run.count > 0) return
      runs.shift()
      if (run.way !== null && !runs.some(({ way }) => way === run.way)) run.way.watchers.delete(this)
    }
  }
}

const NOTHING = () => {}

/** Whose turns are remembered before we ask what has been settled. */
const RUNS = 64
