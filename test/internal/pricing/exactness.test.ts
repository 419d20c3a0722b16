/**
 * Prices beside two oracles: decimal arithmetic in BigInt, to the nano-dollar, and the library's own calculation.
 */
import type * as Library from "@pydantic/genai-prices"
import * as library from "@pydantic/genai-prices"
import { describe, expect, it } from "vitest"
import { Listing } from "../../../src/internal/pricing/listing.ts"
import { WRITTEN_1H } from "../../../src/internal/pricing/parts.ts"
import { ceilNano, costNanoUsd, makeRates } from "../../../src/internal/pricing/rates.ts"
import * as Usage from "../../../src/Usage.ts"
import { forEachSeed, type Random } from "../../support/random.ts"

interface Entry {
  readonly provider: Library.Provider
  readonly model: Library.ModelInfo
}

const entries: ReadonlyArray<Entry> = ((await library.waitForUpdate()) ?? []).flatMap((provider) =>
  provider.models.map((model) => ({ provider, model }))
)

const textPrices = new Set([
  "input_mtok",
  "output_mtok",
  "cache_read_mtok",
  "cache_write_mtok",
  "cache_write_1h_mtok",
  "output_reasoning_mtok",
  "requests_kcount"
])

const decimalsOf = (price: number): number => (String(price).split(".")[1] ?? "").length

/** Prices of text with at most six decimals, which neither change with time nor with the length of the input. */
const plain = entries.flatMap(({ model, provider }) => {
  if (Array.isArray(model.prices) || model.prices["output_mtok"] === undefined) return []
  const prices = Object.entries(model.prices).filter(([name]) => textPrices.has(name))
  const numbers = prices.flatMap(([name, price]) => (typeof price === "number" ? [[name, price] as const] : []))
  if (numbers.length < prices.length || numbers.some(([, price]) => decimalsOf(price) > 6)) return []
  return [{ model, provider, prices: new Map(numbers) }]
})

/** A decimal number times 10^9, read from its digits. */
const billionths = (decimal: number): bigint => {
  const [whole = "0", fraction = ""] = String(decimal).split(".")
  return BigInt(whole + fraction.padEnd(9, "0"))
}

const randomUsage = (random: Random) => {
  const tokens = () => (random.chance(0.2) ? 0 : random.magnitude(1, 2_000_000))
  const cacheReadTokens = tokens()
  const cacheWriteTokens = tokens()
  const outputTokens = tokens()
  const usage = Usage.make({
    inputTokens: tokens() + cacheReadTokens + cacheWriteTokens,
    cacheReadTokens,
    cacheWriteTokens,
    outputTokens,
    reasoningTokens: random.int(0, outputTokens)
  })
  return { usage, written1h: random.int(0, cacheWriteTokens) }
}

/** This model alone, whatever it is called: names in the tables do not all match themselves. */
const only = ({ model, provider }: Entry): Library.Provider => ({
  ...provider,
  models: [{ ...model, match: { starts_with: "" } }]
})

const listingOf = (entry: Entry): Listing => {
  const priced = library.calcPrice({}, entry.model.id, { provider: only(entry) })
  if (priced === null) throw new Error(`${entry.model.id} is not found`)
  return new Listing(library, priced)
}

const listsNoText = ({ model }: Entry): boolean =>
  (Array.isArray(model.prices) ? model.prices.map(({ prices }) => prices) : [model.prices]).some(
    (prices) => prices["input_mtok"] === undefined || prices["output_mtok"] === undefined
  )

const now = Date.parse("2026-10-01T12:00:00Z")

describe("the price of a call", () => {
  it("is that of decimal arithmetic, rounded up once, for all plain prices", () => {
    expect(plain.length).toBeGreaterThan(1_000)
    return forEachSeed({ name: "exact prices", runs: 20 }, (random) => {
      for (const { model, prices, provider } of plain) {
        const { usage, written1h } = randomUsage(random)
        const price = (...names: ReadonlyArray<string>) =>
          billionths(names.map((name) => prices.get(name)).find((price) => price !== undefined) ?? 0)
        // Billionths of a dollar for a million tokens, of which 10^15 are a dollar and 10^6 a nano-dollar.
        const cost =
          BigInt(usage.inputTokens - usage.cacheReadTokens - usage.cacheWriteTokens) * price("input_mtok") +
          BigInt(usage.cacheReadTokens) * price("cache_read_mtok", "input_mtok") +
          BigInt(usage.cacheWriteTokens - written1h) * price("cache_write_mtok", "input_mtok") +
          BigInt(written1h) * price("cache_write_1h_mtok", "cache_write_mtok", "input_mtok") +
          BigInt(usage.outputTokens - usage.reasoningTokens) * price("output_mtok") +
          BigInt(usage.reasoningTokens) * price("output_reasoning_mtok", "output_mtok") +
          1_000n * price("requests_kcount")
        const expected = Number((cost + 999_999n) / 1_000_000n)
        random.note(provider.id, model.id, usage, written1h)
        const priced = listingOf({ provider, model }).price({ usage, units: { [WRITTEN_1H]: written1h } }, now)
        if (priced !== expected) expect(priced).toBe(expected)
      }
    })
  })

  it("is that of the library but for its rounding, for all models, lengths and times", () =>
    forEachSeed({ name: "the library's prices", runs: 5 }, (random) => {
      for (const entry of entries) {
        const { usage, written1h } = randomUsage(random)
        const at = now + random.int(-500, 500) * 86_400_000 + random.int(0, 86_399_999)
        const listing = listingOf(entry)
        const ours = listing.price({ usage, units: { [WRITTEN_1H]: written1h } }, at)
        if (ours === undefined) {
          expect(listsNoText(entry)).toBe(true)
          continue
        }
        const calculated = library.calcPrice(
          {
            input_tokens: usage.inputTokens,
            cache_read_tokens: usage.cacheReadTokens,
            cache_write_tokens: usage.cacheWriteTokens,
            cache_write_1h_tokens: written1h,
            output_tokens: usage.outputTokens,
            output_reasoning_tokens: usage.reasoningTokens
          },
          entry.model.id,
          { provider: only(entry), timestamp: new Date(at) }
        )
        random.note(entry.provider.id, entry.model.id, usage, written1h, at)
        const theirs = (calculated?.total_price ?? 0) * 1e9
        // Seven prices have seventeen decimals and are rounded up to six.
        expect(ours).toBeGreaterThanOrEqual(Math.floor(theirs - theirs * 1e-12))
        expect(ours).toBeLessThanOrEqual(Math.ceil(theirs + theirs * 1e-5 + 1e-3))
      }
    }))

  it("is that of decimal arithmetic where the library prices parts of it", () => {
    const audio = entries.filter(({ model }) => model.id === "gpt-audio" || model.id === "gpt-audio-mini")
    expect(audio.length).toBeGreaterThan(0)
    return forEachSeed({ name: "exact prices of audio", runs: 500 }, (random) => {
      const { model, provider } = random.pick(audio)
      if (Array.isArray(model.prices)) return
      const prices = model.prices
      const price = (name: string) => billionths(Number(prices[name]))
      const usage = Usage.make({ inputTokens: random.magnitude(1, 1e6), outputTokens: random.magnitude(1, 1e6) })
      const heard = random.int(1, usage.inputTokens)
      const said = random.int(1, usage.outputTokens)
      const cost =
        BigInt(usage.inputTokens - heard) * price("input_mtok") +
        BigInt(heard) * price("input_audio_mtok") +
        BigInt(usage.outputTokens - said) * price("output_mtok") +
        BigInt(said) * price("output_audio_mtok")
      random.note(model.id, usage, heard, said)
      const units = { input_audio_tokens: heard, output_audio_tokens: said }
      const priced = listingOf({ provider, model }).price({ usage, units }, now)
      expect(priced).toBe(Number((cost + 999_999n) / 1_000_000n))
    })
  })

  it("is exact for calls whose price no double holds to the pico-dollar", () => {
    const rates = makeRates({ input: 9_000, output: 0.000_001 })
    const usage = Usage.make({ inputTokens: 3_000_001, outputTokens: 1 })
    // 3,000,001 tokens at 9,000,000 nano-dollars, and one pico-dollar.
    expect(costNanoUsd(rates, usage, 0)).toBe(27_000_009_000_001)
  })

  it("rounds up to the nano-dollar whatever the size", () =>
    forEachSeed({ name: "ceil nano", runs: 2_000 }, (random) => {
      const pico = random.int(Math.floor(Number.MAX_SAFE_INTEGER / random.magnitude(1, 1e15)), Number.MAX_SAFE_INTEGER)
      expect(BigInt(ceilNano(pico))).toBe((BigInt(pico) + 999n) / 1_000n)
      const whole = pico - (pico % 1_000)
      expect(ceilNano(whole)).toBe(Number(BigInt(whole) / 1_000n))
      expect(ceilNano(whole + 1)).toBe(Number(BigInt(whole) / 1_000n) + 1)
    }))
})
