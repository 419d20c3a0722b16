import type { Quantiles } from "../../Recording.ts"

/**
 * Counts whole numbers in buckets that grow with them, so that quantiles of any number of them take bounded memory.
 *
 * Below 128 every number has its own bucket. Above, each power of two is divided into 64: a quantile is at most 1/128
 * away from a number that was counted at that rank.
 */
export class Histogram {
  #counts = new Float64Array(BUCKETS_PER_OCTAVE)
  count = 0
  max = 0

  add(value: number): void {
    const bucket = bucketOf(value)
    if (bucket >= this.#counts.length) this.#growTo(bucket + 1)
    this.#counts[bucket]!++
    this.count++
    if (value > this.max) this.max = value
  }

  /** The number at a rank, as a fraction: the smallest that at least so many are not above. Zero when there is none. */
  quantile(fraction: number): number {
    const rank = Math.max(1, Math.ceil(fraction * this.count))
    let below = 0
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      below += this.#counts[bucket]!
      if (below >= rank) return Math.min(middleOf(bucket), this.max)
    }
    return 0
  }

  quantiles(): Quantiles {
    return {
      count: this.count,
      p50: this.quantile(0.5),
      p90: this.quantile(0.9),
      p95: this.quantile(0.95),
      p99: this.quantile(0.99),
      p999: this.quantile(0.999),
      max: this.max
    }
  }

  #growTo(buckets: number): void {
    const grown = new Float64Array(Math.ceil(buckets / BUCKETS_PER_OCTAVE) * BUCKETS_PER_OCTAVE)
    grown.set(this.#counts)
    this.#counts = grown
  }
}

const BUCKETS_PER_OCTAVE = 64

// 2^6 is the first number whose power of two is divided into 64.
const FIRST_OCTAVE = 6

const bucketOf = (value: number): number => {
  if (value < 2 * BUCKETS_PER_OCTAVE) return value
  // Where the logarithm of a number just below a power of two is rounded up, its bucket is the one before.
  const octave = Math.floor(Math.log2(value)) - FIRST_OCTAVE
  return octave * BUCKETS_PER_OCTAVE + Math.floor(value / 2 ** octave)
}

const middleOf = (bucket: number): number => {
  if (bucket < 2 * BUCKETS_PER_OCTAVE) return bucket
  const octave = Math.floor(bucket / BUCKETS_PER_OCTAVE) - 1
  const width = 2 ** octave
  return (bucket - octave * BUCKETS_PER_OCTAVE) * width + Math.floor(width / 2)
}
