import { fullness } from "./fullness.ts"

/** How thresholds of a limit are told again. */
export type Recurrence =
  /** Only when the maximum is raised so that they are not reached any more: what a cap has committed stays. */
  | "afterRaise"
  /** When use has been a tenth of the maximum below them, so that a limit that hovers does not flood, or zero. */
  | "afterUse"

/**
 * Which fractions of a limit's maximum have been reached and told.
 *
 * Between two uses, what counts can only become less. Therefore it is enough to look just before each use, which is
 * when it is least, and just after it.
 */
export class Thresholds {
  readonly #recurrence: Recurrence
  #told: ReadonlySet<number> = none
  #max: number
  /** In ascending order. */
  #fractions: ReadonlyArray<number>

  constructor(fractions: ReadonlyArray<number>, recurrence: Recurrence, max: number) {
    this.#fractions = ascending(fractions)
    this.#recurrence = recurrence
    this.#max = max
  }

  /** Watches other fractions from now on. One that stays has been told if it has. */
  watch(fractions: ReadonlyArray<number>): void {
    this.#fractions = ascending(fractions)
    this.#told = new Set(this.#fractions.filter((fraction) => this.#told.has(fraction)))
  }

  /** Sees what counts before something is used, or when the maximum has changed. */
  see(used: number, max: number): void {
    const isRaised = max > this.#max
    this.#max = max
    if (this.#told.size === 0) return
    const isBelow = this.#recurrence === "afterRaise" ? isRaised && below : farBelow
    if (isBelow === false) return
    this.#told = new Set([...this.#told].filter((fraction) => !isBelow(used, max, fraction)))
  }

  /** The fractions that are reached now and have yet to be told, lowest first. */
  reached(used: number, max: number): ReadonlyArray<number> {
    const full = fullness(used, max)
    const reached = this.#fractions.filter((fraction) => full >= fraction && !this.#told.has(fraction))
    if (reached.length > 0) this.#told = new Set([...this.#told, ...reached])
    return reached
  }
}

const below = (used: number, max: number, fraction: number): boolean => fullness(used, max) < fraction

const farBelow = (used: number, max: number, fraction: number): boolean =>
  used <= 0 || fullness(10 * used + max, 10 * max) <= fraction

const ascending = (fractions: ReadonlyArray<number>): ReadonlyArray<number> =>
  [...new Set(fractions)].sort((a, b) => a - b)

const none: ReadonlySet<number> = new Set()
