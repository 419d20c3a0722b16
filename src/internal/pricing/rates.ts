import type * as Pricing from "../../Pricing.ts"
import * as Usage from "../../Usage.ts"
import { scaleUp } from "../scaleUp.ts"

/**
 * What one token of each kind and one request cost, in whole pico-dollars (a thousandth of a nano-dollar).
 *
 * A dollar per million tokens is a million pico-dollars per token, so that prices of six decimals stay whole and the
 * cost of a call is computed exactly. A price with more decimals is rounded up.
 */
export interface Rates {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWrite1h: number
  /** Absent where none is known, as of embeddings, which write nothing. */
  readonly output: number | undefined
  readonly reasoning: number
  readonly request: number
}

/** Prices per million tokens, without a price for output where there is none. */
export type Listed = Omit<Pricing.Prices, "output"> & { readonly output: number | undefined }

/** Turns prices in dollars into rates. A kind of tokens without a price of its own costs what those around it cost. */
export const makeRates = (prices: Listed): Rates => {
  const cacheWrite = prices.cacheWrite ?? prices.input
  return {
    input: perToken(prices.input),
    cacheRead: perToken(prices.cacheRead ?? prices.input),
    cacheWrite: perToken(cacheWrite),
    cacheWrite1h: perToken(prices.cacheWrite1h ?? cacheWrite),
    output: prices.output === undefined ? undefined : perToken(prices.output),
    reasoning: perToken(prices.reasoning ?? prices.output ?? 0),
    request: scaleUp(prices.perRequest ?? 0, PICO_USD_PER_USD)
  }
}

const PICO_USD_PER_USD = 1_000_000_000_000
const TOKENS_PRICED_AT_ONCE = 1_000_000

const perToken = (usdPerMillion: number): number => scaleUp(usdPerMillion, PICO_USD_PER_USD / TOKENS_PRICED_AT_ONCE)

/**
 * What a call costs in nano-dollars, rounded up once. NaN for a usage that makes no sense, `undefined` when the call
 * has written and no price of output is known.
 */
export const costNanoUsd = (rates: Rates, usage: Usage.Usage, written1h: number): number | undefined => {
  if (!Usage.isValid(usage) || !Usage.isAmount(written1h) || written1h > usage.cacheWriteTokens) return Number.NaN
  if (rates.output === undefined && usage.outputTokens > 0) return undefined
  const output = rates.output ?? 0
  const fresh = usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens
  const written5m = usage.cacheWriteTokens - written1h
  const said = usage.outputTokens - usage.reasoningTokens
  const pico =
    fresh * rates.input +
    usage.cacheReadTokens * rates.cacheRead +
    written5m * rates.cacheWrite +
    written1h * rates.cacheWrite1h +
    said * output +
    usage.reasoningTokens * rates.reasoning +
    usage.requests * rates.request
  if (Number.isSafeInteger(pico)) return ceilNano(pico)
  return ceilNanoExact([
    [fresh, rates.input],
    [usage.cacheReadTokens, rates.cacheRead],
    [written5m, rates.cacheWrite],
    [written1h, rates.cacheWrite1h],
    [said, output],
    [usage.reasoningTokens, rates.reasoning],
    [usage.requests, rates.request]
  ])
}

/** Rounds whole pico-dollars up to nano-dollars. A division would err from 2^42 on, where its digits run out. */
export const ceilNano = (pico: number): number => {
  const rest = pico % PICO_PER_NANO
  return (pico - rest) / PICO_PER_NANO + (rest > 0 ? 1 : 0)
}

// From about $9,007 a call on, where doubles no longer hold every pico-dollar.
const ceilNanoExact = (terms: ReadonlyArray<readonly [count: number, rate: number]>): number => {
  const pico = terms.reduce((sum, [count, rate]) => sum + BigInt(count) * BigInt(rate), 0n)
  const perNano = BigInt(PICO_PER_NANO)
  return Number((pico + perNano - 1n) / perNano)
}

const PICO_PER_NANO = 1_000

/** Dollars that the library has computed in floating point, in whole pico-dollars, without the error of that. */
export const picoUsd = (usd: number): number => Math.round(usd * PICO_USD_PER_USD)
