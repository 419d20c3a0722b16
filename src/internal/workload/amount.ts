import type { Amount } from "../../Workload.ts"
import type { Random } from "./random.ts"

/** Draws whole numbers of zero or more. */
export type Draw = (random: Random) => number

/** How to draw an amount. Throws a `RangeError`, naming it, when that makes no sense. */
export const drawing = (what: string, amount: Amount): Draw => {
  if (typeof amount === "number") {
    demand(isWhole(amount), `${what} must be a whole number of zero or more, got ${amount}`)
    return () => amount
  }
  if ("min" in amount) {
    const { max, min } = amount
    demand(
      isWhole(min) && isWhole(max),
      `${what}: min and max must be whole numbers of zero or more, got ${min}, ${max}`
    )
    demand(min <= max, `${what}: min (${min}) must not exceed max (${max})`)
    return (random) => min + Math.floor(random.fraction() * (max - min + 1))
  }
  const { median, p95 } = amount
  demand(median > 0 && Number.isFinite(p95), `${what}: median and p95 must be positive numbers, got ${median}, ${p95}`)
  demand(p95 >= median, `${what}: p95 (${p95}) must not be below median (${median})`)
  const mu = Math.log(median)
  const sigma = (Math.log(p95) - mu) / NORMAL_P95
  // Without a bound, one call in a million would be larger than any limit.
  const most = p95 * (p95 / median)
  return (random) => Math.round(Math.min(most, Math.exp(mu + sigma * random.normal())))
}

/** Throws one sentence unless it holds. */
export const demand = (holds: boolean, sentence: string): void => {
  if (!holds) throw new RangeError(sentence)
}

export const isWhole = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

// The normal distribution is below this with a probability of 95 %.
const NORMAL_P95 = 1.644_853_626_951
