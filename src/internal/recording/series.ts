/**
 * The steps of all series of a recording. When there would be more of them than fit, two become one: time takes bounded
 * memory, however long it is.
 */
export class Steps {
  stepMillis: number
  /** How many steps have begun. */
  count = 1
  readonly #series: Array<Series> = []

  constructor(stepMillis: number) {
    this.stepMillis = stepMillis
  }

  /** A series that has one number for each step: the sum of what it was given, or the largest. */
  series(combine: Combine): Series {
    const series = new Series(combine)
    this.#series.push(series)
    return series
  }

  /** The end of the last step that has begun, in milliseconds from the start. */
  get end(): number {
    return this.count * this.stepMillis
  }

  /** The step of an instant, in milliseconds from the start. It begins if it has not. */
  at(elapsed: number): number {
    if (elapsed < this.end) return Math.floor(elapsed / this.stepMillis)
    while (elapsed >= STEPS_MAX * this.stepMillis) this.#halve()
    const step = Math.floor(elapsed / this.stepMillis)
    this.count = Math.max(this.count, step + 1)
    return step
  }

  #halve(): void {
    for (const series of this.#series) series.halve()
    this.stepMillis *= 2
    this.count = Math.ceil(this.count / 2)
  }
}

export type Combine = "sum" | "max"

/** One number for each step. */
export class Series {
  readonly #values = new Float64Array(STEPS_MAX)
  readonly #isSum: boolean

  constructor(combine: Combine) {
    this.#isSum = combine === "sum"
  }

  note(step: number, value: number): void {
    const values = this.#values
    if (this.#isSum) values[step]! += value
    else if (value > values[step]!) values[step] = value
  }

  halve(): void {
    const values = this.#values
    for (let step = 0; step < STEPS_MAX / 2; step++) {
      const first = values[2 * step]!
      const second = values[2 * step + 1]!
      values[step] = this.#isSum ? first + second : Math.max(first, second)
    }
    values.fill(0, STEPS_MAX / 2)
  }

  toArray(count: number): ReadonlyArray<number> {
    return Array.from(this.#values.subarray(0, count))
  }
}

/** The most steps of a recording: a chart is hardly wider. Even, so that two always become one. */
export const STEPS_MAX = 720
