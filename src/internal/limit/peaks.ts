/**
 * The highest level that a bucket has reached since an instant: what bounds how much of a refund is still worth.
 *
 * Only peaks that no later one exceeds matter, so levels fall from the oldest to the newest. When there are too many,
 * neighbours are merged to the later instant and the higher level, which can only make a refund smaller.
 */
export class Peaks {
  #times: Array<number> = []
  #levels: Array<number> = []

  /** Notes the level of an instant that is no earlier than any before it. */
  note(level: number, at: number): void {
    while (this.#levels.length > 0 && this.#levels.at(-1)! <= level) this.#drop()
    if (this.#levels.length > 0 && this.#times.at(-1)! === at) return
    if (this.#levels.length === PEAKS_MAX) this.#merge()
    this.#times.push(at)
    this.#levels.push(level)
  }

  /** The highest level noted after an instant, or `otherwise`. */
  since(instant: number, otherwise: number): number {
    return Math.max(this.#levels[this.#after(instant)] ?? otherwise, otherwise)
  }

  /** Raises every level noted after an instant. */
  raise(amount: number, instant: number): void {
    const first = this.#after(instant)
    if (first === this.#levels.length) return
    for (let index = first; index < this.#levels.length; index++) this.#levels[index]! += amount
    let exceeded = first
    while (exceeded > 0 && this.#levels[exceeded - 1]! <= this.#levels[first]!) exceeded--
    this.#times.splice(exceeded, first - exceeded)
    this.#levels.splice(exceeded, first - exceeded)
  }

  clear(): void {
    if (this.#levels.length === 0) return
    this.#times = []
    this.#levels = []
  }

  clone(): Peaks {
    const copy = new Peaks()
    copy.#times = this.#times.slice()
    copy.#levels = this.#levels.slice()
    return copy
  }

  #after(instant: number): number {
    const index = this.#times.findIndex((time) => time > instant)
    return index === -1 ? this.#times.length : index
  }

  #drop(): void {
    this.#times.pop()
    this.#levels.pop()
  }

  #merge(): void {
    this.#times = this.#times.filter((_, index) => index % 2 === 1)
    this.#levels = this.#levels.filter((_, index) => index % 2 === 0)
  }
}

// Refunds walk the peaks, so their number bounds a refund. Even, so that they merge in pairs.
const PEAKS_MAX = 64
