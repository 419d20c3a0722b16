/**
 * The provider's own limiter: a bucket of tokens that refills continuously. Time is a parameter, in milliseconds.
 */
export class TokenBucket {
  readonly capacity: number
  readonly #perMilli: number
  #level: number
  #at: number

  constructor(capacity: number, refillMillis: number, now: number) {
    this.capacity = capacity
    this.#perMilli = capacity / refillMillis
    this.#level = capacity
    this.#at = now
  }

  /** What could be taken at `now`. */
  level(now: number): number {
    this.#level = Math.min(this.capacity, this.#level + (now - this.#at) * this.#perMilli)
    this.#at = now
    return this.#level
  }

  /** How long until `amount` could be taken: zero when it can be taken now. */
  millisUntil(amount: number, now: number): number {
    return Math.max(0, amount - this.level(now)) / this.#perMilli
  }

  take(amount: number, now: number): void {
    this.#level = this.level(now) - amount
  }

  /** Returns what a request was charged at its admission and did not use. */
  giveBack(amount: number, now: number): void {
    this.#level = Math.min(this.capacity, this.level(now) + amount)
  }
}
