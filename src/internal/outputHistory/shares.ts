/**
 * Which shares of the allowed output calls have written: a histogram of fixed size, in which old calls fade.
 *
 * Its buckets grow by a sixteenth of a doubling (4.4 %), from 1/131,072 to 1. A share counts as the upper end of its
 * bucket, so that no quantile comes out too low, and none more than 4.4 % too high. More than all is never reserved, so
 * that a share above 1 counts as 1.
 */
export class Shares {
  readonly #counts = new Uint32Array(UPPER_ENDS.length)
  readonly #fadeAt: number
  #total = 0

  /** `fadeAt`, an even number, is how many calls are counted before all counts are halved. */
  constructor(fadeAt: number) {
    this.#fadeAt = fadeAt
  }

  /** How many calls are counted, those that have faded in part. */
  get total(): number {
    return this.#total
  }

  add(share: number): void {
    const bucket = bucketOf(share)
    this.#counts[bucket] = this.#countIn(bucket) + 1
    this.#total++
    if (this.#total === this.#fadeAt) this.#fade()
  }

  /**
   * The share that the next call does not exceed with a probability of at least `quantile`, if it is of the same kind
   * as those before: of n shares in order, the one at place `quantile * (n + 1)`. At most 1.
   */
  quantile(quantile: number): number {
    // Counted from above, where fewer of them are for the quantiles that matter.
    let above = this.#total - Math.ceil(quantile * (this.#total + 1))
    for (let bucket = LAST; bucket >= 0; bucket--) {
      above -= this.#countIn(bucket)
      if (above < 0) return UPPER_ENDS[bucket] ?? 1
    }
    return UPPER_ENDS[0] ?? 1
  }

  // Sums are halved, not counts: a tail of single calls would be rounded away. What is lost is lost at the low end.
  #fade(): void {
    let sum = 0
    let halved = 0
    for (let bucket = 0; bucket <= LAST; bucket++) {
      sum += this.#countIn(bucket)
      const count = Math.floor(sum / 2) - halved
      this.#counts[bucket] = count
      halved += count
    }
    this.#total = halved
  }

  #countIn(bucket: number): number {
    return this.#counts[bucket] ?? 0
  }
}

const BUCKETS_PER_DOUBLING = 16
const DOUBLINGS = 17

const LAST = BUCKETS_PER_DOUBLING * DOUBLINGS

/** The upper ends of the buckets. */
const UPPER_ENDS = Float64Array.from(
  { length: LAST + 1 },
  (_, bucket) => 2 ** (bucket / BUCKETS_PER_DOUBLING - DOUBLINGS)
)

const bucketOf = (share: number): number => {
  if (share >= 1) return LAST
  const bucket = Math.max(0, Math.ceil(BUCKETS_PER_DOUBLING * (Math.log2(share) + DOUBLINGS)))
  // A logarithm may err by its last digit, and a share must not exceed the end of its bucket.
  return share > (UPPER_ENDS[bucket] ?? 1) ? bucket + 1 : bucket
}
