import type * as Limit from "../../Limit.ts"
import { Peaks } from "./peaks.ts"
import { type LimitState, NEVER } from "./state.ts"

/**
 * Holds a level of whole units and the exact fraction that has flowed in since.
 *
 * A refund raises the level by what the bucket would hold now had it never been taken: what would meanwhile have
 * overflowed is gone. That is bounded by the highest level since the take.
 */
export class TokenBucketState implements LimitState {
  limit: Limit.TokenBucket
  reserved = 0
  #level: number
  /** In units of one `refillMillis`-th. */
  #fraction = 0
  #filledAt = Number.NEGATIVE_INFINITY
  readonly #peaks: Peaks

  constructor(limit: Limit.TokenBucket, peaks = new Peaks()) {
    this.limit = limit
    this.#level = limit.max
    this.#peaks = peaks
  }

  readyAt(amount: number, now: number, beside = 0): number {
    if (amount + beside > this.limit.max) return NEVER
    this.#fill(now)
    const missing = amount + beside - this.#level
    return missing <= 0 ? now : this.#filledAt + this.#millisToGain(missing)
  }

  take(amount: number, now: number): void {
    this.charge(amount, now)
    this.reserved += amount
  }

  settle(estimate: number, actual: number, takenAt: number): number {
    this.reserved -= estimate
    if (actual < estimate) this.#refund(estimate - actual, takenAt)
    if (this.reserved === 0) this.#peaks.clear()
    return Math.max(0, actual - estimate)
  }

  charge(amount: number, now: number): void {
    this.#fill(now)
    if (this.reserved > 0) this.#peaks.note(this.#levelCeiling(), now)
    this.#level -= amount
  }

  used(now: number): number {
    this.#fill(now)
    return this.limit.max - this.#level
  }

  isUnused(now: number): boolean {
    return this.reserved === 0 && this.used(now) === 0
  }

  update(limit: Limit.TokenBucket, now: number): void {
    const { max, refill, refillMillis } = this.limit
    // What is worth of a refund depends on when the bucket was filled last.
    if (limit.max === max && limit.refill === refill && limit.refillMillis === refillMillis) {
      this.limit = limit
      return
    }
    this.#fill(now)
    // What was used stays used: a bucket that grows does not become fuller than its inflow makes it.
    if (limit.refillMillis !== this.limit.refillMillis) this.#fraction = 0
    this.#level += limit.max - this.limit.max
    this.#peaks.raise(limit.max - this.limit.max, Number.NEGATIVE_INFINITY)
    this.limit = limit
  }

  clone(): TokenBucketState {
    const copy = new TokenBucketState(this.limit, this.#peaks.clone())
    copy.reserved = this.reserved
    copy.#level = this.#level
    copy.#fraction = this.#fraction
    copy.#filledAt = this.#filledAt
    return copy
  }

  /** The level is that of the last filling: what flows in later overflows by itself. */
  #refund(amount: number, takenAt: number): void {
    const peak = this.#peaks.since(takenAt, this.#levelCeiling())
    const worth = Math.max(0, Math.min(amount, this.limit.max - peak))
    this.#level += worth
    this.#peaks.raise(worth, takenAt)
  }

  #levelCeiling(): number {
    return this.#fraction > 0 ? this.#level + 1 : this.#level
  }

  #millisToGain(units: number): number {
    const [whole, rest] = divide(units, this.limit.refillMillis, -this.#fraction, this.limit.refill)
    return rest > 0 ? whole + 1 : whole
  }

  #fill(now: number): void {
    const elapsed = Math.floor(now - this.#filledAt)
    if (!(elapsed > 0)) return
    if (this.#level >= this.limit.max || elapsed >= this.#millisToGain(this.limit.max - this.#level)) {
      this.#level = this.limit.max
      this.#fraction = 0
      this.#filledAt = now
      return
    }
    const [gained, fraction] = divide(elapsed, this.limit.refill, this.#fraction, this.limit.refillMillis)
    this.#level += gained
    this.#fraction = fraction
    this.#filledAt += elapsed
  }
}

/** Quotient and remainder of `(a × b + c) / divisor`, exact also where the product exceeds 2^53. */
const divide = (a: number, b: number, c: number, divisor: number): [quotient: number, remainder: number] => {
  const dividend = a * b + c
  if (Number.isSafeInteger(a * b) && Number.isSafeInteger(dividend)) {
    const remainder = dividend % divisor
    return [(dividend - remainder) / divisor, remainder]
  }
  const exact = BigInt(a) * BigInt(b) + BigInt(c)
  return [Number(exact / BigInt(divisor)), Number(exact % BigInt(divisor))]
}
