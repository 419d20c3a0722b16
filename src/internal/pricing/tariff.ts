import type { ModelPrice } from "@pydantic/genai-prices"
import { makeRates, type Rates } from "./rates.ts"

/** The rates of a model by the length of the input, shortest first. Empty where tokens have no price. */
export type Tariff = ReadonlyArray<Tier>

interface Tier {
  /** The rates hold for calls with more input tokens than this. */
  readonly above: number
  readonly rates: Rates
}

/** The rates for a call, which for some models depend on how long its input is. */
export const ratesFor = (tariff: Tariff, inputTokens: number): Rates | undefined => {
  let rates = tariff[0]?.rates
  for (let index = 1; index < tariff.length; index++) {
    const tier = tariff[index]
    if (tier === undefined || inputTokens <= tier.above) break
    rates = tier.rates
  }
  return rates
}

/** Reads the prices of a model as `@pydantic/genai-prices` lists them. */
export const makeTariff = (prices: ModelPrice): Tariff =>
  prices["input_mtok"] === undefined
    ? []
    : startsOf(prices).map((above) => ({
        above,
        rates: makeRates({
          input: priceOf(prices, "input_mtok", above) ?? 0,
          output: priceOf(prices, "output_mtok", above),
          cacheRead: priceOf(prices, "cache_read_mtok", above),
          cacheWrite: priceOf(prices, "cache_write_mtok", above),
          cacheWrite1h: priceOf(prices, "cache_write_1h_mtok", above),
          reasoning: priceOf(prices, "output_reasoning_mtok", above),
          perRequest: (priceOf(prices, "requests_kcount", above) ?? 0) / REQUESTS_PRICED_AT_ONCE
        })
      }))

const REQUESTS_PRICED_AT_ONCE = 1_000

const startsOf = (prices: ModelPrice): ReadonlyArray<number> => {
  const starts = new Set([BASE])
  for (const price of Object.values(prices)) {
    if (typeof price === "object") for (const { start } of price.tiers) starts.add(start)
  }
  return [...starts].sort((one, other) => one - other)
}

/** Where the base price starts: below a call without any input. */
const BASE = -1

const priceOf = (prices: ModelPrice, name: string, above: number): number | undefined => {
  const price = prices[name]
  if (typeof price !== "object") return price
  const reached = price.tiers.filter(({ start }) => start <= above).sort((one, other) => one.start - other.start)
  return reached.at(-1)?.price ?? price.base
}
