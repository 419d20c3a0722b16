/** Random numbers that can be drawn again: the same seed gives the same ones (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A number in [0, 1). */
  fraction(): number {
    return this.#bits() / 2 ** 32
  }

  /** How long it is to the next of events that come independently, `mean` apart on average. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.fraction())
  }

  /** A number of the normal distribution with mean 0 and deviation 1. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.fraction())) * Math.cos(2 * Math.PI * this.fraction())
  }

  /** A generator of its own, whose draws do not move this one's. */
  fork(): Random {
    return new Random(this.#bits())
  }

  #bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return (bits ^ (bits >>> 14)) >>> 0
  }
}
