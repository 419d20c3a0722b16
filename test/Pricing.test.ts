import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as Limit from "../src/Limit.ts"
import * as Pricing from "../src/Pricing.ts"
import * as Usage from "../src/Usage.ts"

const openAi = "https://api.openai.com/v1/chat/completions"
const anthropic = "https://api.anthropic.com/v1/messages"
const mock = "http://localhost:4010/v1/chat/completions"

const usage = Usage.make({ inputTokens: 1_000, outputTokens: 100 })

/** What a call of 1,000 input and 100 output tokens costs in nano-dollars, or whatever else is said of it. */
const nanoUsd = (model: string, priced: Partial<Pricing.Priced> = {}) =>
  Pricing.Pricing.use((pricing) =>
    pricing.price({ model, url: undefined, provider: undefined, usage, units: {}, ...priced })
  )

const unknown = (model: string, priced?: Partial<Pricing.Priced>) => Effect.flip(nanoUsd(model, priced))

/** Dollars per million tokens are nano-dollars per thousandth of a token. */
const text = (input: number, output: number) => input * 1_000_000 + output * 100_000

describe("the price of a model", () => {
  it.effect("is that of the provider whose address is called", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("gpt-4o-mini", { url: openAi })).toBe(text(0.15, 0.6))
      expect(yield* nanoUsd("claude-sonnet-4-5", { url: anthropic })).toBe(text(3, 15))
      const groq = "https://api.groq.com/openai/v1/chat/completions"
      expect(yield* nanoUsd("openai/gpt-oss-120b", { url: groq, provider: "openai" })).toBe(text(0.15, 0.6))
      const openRouter = "https://openrouter.ai/api/v1/chat/completions"
      expect(yield* nanoUsd("anthropic/claude-sonnet-4.5", { url: openRouter })).toBe(text(3, 15))
      const azure = "https://acme.openai.azure.com/openai/deployments/main/chat/completions?api-version=1"
      expect(yield* nanoUsd("gpt-4o", { url: azure })).toBe(text(2.5, 10))
    })
  )

  it.effect("depends on the path where one host serves for several providers", () =>
    Effect.gen(function* () {
      const model = "Qwen/Qwen3-32B"
      const groq = yield* nanoUsd(model, { url: "https://router.huggingface.co/groq/v1/chat/completions" })
      const nebius = yield* nanoUsd(model, { url: "https://router.huggingface.co/nebius/v1/chat/completions" })
      expect(groq).not.toBe(nebius)
    })
  )

  it.effect("is found by the given provider at an address that nobody knows", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("text-embedding-3-small", { url: mock, provider: "openai", usage: embedded })).toBe(20_000)
      expect(yield* nanoUsd("gpt-4o", { url: mock, provider: "openai" })).toBe(text(2.5, 10))
    })
  )

  it.effect("is found by the name alone at a gateway or a mock", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("gpt-4o", { url: mock })).toBe(text(2.5, 10))
      expect(yield* nanoUsd("claude-sonnet-4-5", { url: mock, provider: "openai" })).toBe(text(3, 15))
      expect(yield* nanoUsd("gemini-2.5-pro")).toBe(text(1.25, 10))
    })
  )

  it.effect("is found by the provider that the name begins with", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("openai/gpt-4o", { url: mock })).toBe(text(2.5, 10))
      expect(yield* nanoUsd("anthropic/claude-sonnet-4-5", { url: mock, provider: "openai" })).toBe(text(3, 15))
      expect(yield* nanoUsd("openrouter/anthropic/claude-sonnet-4.5", { url: mock })).toBe(text(3, 15))
      expect((yield* unknown("someone/gpt-4o", { url: mock })).model).toBe("someone/gpt-4o")
    })
  )

  it.effect("is unknown, not free, where nobody lists it", () =>
    Effect.gen(function* () {
      const error = yield* unknown("our-llama", { url: mock })
      expect(error._tag).toBe("UnknownModel")
      expect(error.message).toBe(
        'Pricing: no price is known for the model "our-llama"; give it one with ' +
          'Pricing.layer({ models: { "our-llama": { input, output } } }), in dollars per million tokens, ' +
          "or give one to all unknown models with Pricing.layer({ unknown: { input, output } })"
      )
    })
  )

  it.effect("is unknown where the provider that is called does not list it, whoever else does", () =>
    Effect.gen(function* () {
      const error = yield* unknown("claude-sonnet-4-5", { url: openAi, provider: "anthropic" })
      expect(error.provider).toBe("openai")
      expect(error.message).toContain('"claude-sonnet-4-5" of openai;')
    })
  )

  it.effect("is unknown where the tables have no price for what the call consists of", () =>
    Effect.gen(function* () {
      yield* unknown("whisper-1", { url: openAi })
      yield* unknown("whisper-1", { url: openAi, usage: Usage.make({}) })
      yield* unknown("whisper-1", { url: openAi, units: { input_audio_tokens: 900 } })
      yield* unknown("gpt-4.1", { provider: "github-copilot", url: mock, usage: Usage.make({}) })
      yield* unknown("text-embedding-3-small", { url: openAi })
      expect(yield* nanoUsd("text-embedding-3-small", { url: openAi, usage: embedded })).toBe(20_000)
    })
  )

  it.effect("is zero where the name says that the model is free", () =>
    Effect.gen(function* () {
      const url = "https://openrouter.ai/api/v1/chat/completions"
      expect(yield* nanoUsd("deepseek/deepseek-r1:free", { url })).toBe(0)
    })
  )

  it.effect("of a fine-tuned model is never that of its base", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("ft:gpt-4o-mini-2024-07-18:org::id", { url: openAi })).toBe(420_000)
      yield* unknown("ft:gpt-4o-mini:org::id", { url: openAi })
      yield* unknown("ft:gpt-4.1-2025-04-14:org::id", { url: openAi })
      yield* unknown("ft:gpt-oss-20b:org::id", { url: mock, provider: "together" })
      // Listed as whatever contains the name of the base.
      yield* unknown("ft:amazon.nova-lite-v1:0:org::id", { url: "https://bedrock-runtime.us-east-1.amazonaws.com/x" })
      yield* unknown("bedrock/ft:amazon.nova-lite-v1:0:org::id", { url: mock })
    })
  )
})

const embedded = Usage.make({ inputTokens: 1_000 })

describe("the parts of a call", () => {
  it.effect("have prices of their own where they are cached", () =>
    Effect.gen(function* () {
      const cached = Usage.make({ inputTokens: 1_000, cacheReadTokens: 600, cacheWriteTokens: 300, outputTokens: 100 })
      const sonnet = 100 * 3_000 + 600 * 300 + 300 * 3_750 + 100 * 15_000
      expect(yield* nanoUsd("claude-sonnet-4-5", { usage: cached })).toBe(sonnet)
      const hours = { cache_write_1h_tokens: 200 }
      expect(yield* nanoUsd("claude-sonnet-4-5", { usage: cached, units: hours })).toBe(sonnet + 200 * (6_000 - 3_750))
      expect(yield* nanoUsd("gpt-4o-mini", { usage: cached })).toBe(400 * 150 + 600 * 75 + 100 * 600)
    })
  )

  it.effect("cost more where the input is long", () =>
    Effect.gen(function* () {
      const long = (inputTokens: number) => Usage.make({ inputTokens, outputTokens: 1_000 })
      expect(yield* nanoUsd("claude-sonnet-4-5", { usage: long(200_000) })).toBe(200_000 * 3_000 + 1_000 * 15_000)
      expect(yield* nanoUsd("claude-sonnet-4-5", { usage: long(200_001) })).toBe(200_001 * 6_000 + 1_000 * 22_500)
      expect(yield* nanoUsd("gemini-2.5-pro", { usage: long(200_000) })).toBe(200_000 * 1_250 + 1_000 * 10_000)
      expect(yield* nanoUsd("gemini-2.5-pro", { usage: long(200_001) })).toBe(200_001 * 2_500 + 1_000 * 15_000)
    })
  )

  it.effect("cost as output where they are reasoning", () =>
    Effect.gen(function* () {
      const reasoned = Usage.make({ inputTokens: 1_000, outputTokens: 100, reasoningTokens: 90 })
      expect(yield* nanoUsd("gpt-5", { usage: reasoned })).toBe(text(1.25, 10))
      const perplexity = "https://api.perplexity.ai/chat/completions"
      const research = yield* nanoUsd("sonar-deep-research", { url: perplexity, usage: reasoned })
      expect(research).toBe(1_000 * 2_000 + 10 * 8_000 + 90 * 3_000)
    })
  )

  it.effect("have a price for each request where the provider asks for one", () =>
    Effect.gen(function* () {
      const url = "https://api.perplexity.ai/chat/completions"
      expect(yield* nanoUsd("sonar", { url })).toBe(text(1, 1) + 12_000_000)
      const thrice = Usage.make({ requests: 3, inputTokens: 1_000, outputTokens: 100 })
      expect(yield* nanoUsd("sonar", { url, usage: thrice })).toBe(text(1, 1) + 36_000_000)
      const searched = yield* nanoUsd("sonar", { url, usage: thrice, units: { output_audio_tokens: 1 } })
      expect(searched).toBe(text(1, 1) + 36_000_000)
    })
  )

  it.effect("are priced by what they are: audio, searches, seconds", () =>
    Effect.gen(function* () {
      const spoken = { input_audio_tokens: 300, output_audio_tokens: 40 }
      const audio = 700 * 2_500 + 300 * 32_000 + 60 * 10_000 + 40 * 64_000
      expect(yield* nanoUsd("gpt-audio", { url: openAi, units: spoken })).toBe(audio)
      expect(yield* nanoUsd("gpt-4o", { url: openAi, units: { web_searches: 2 } })).toBe(text(2.5, 10) + 20_000_000)
      const minute = { audio_seconds: 60, input_audio_seconds: 60 }
      expect(yield* nanoUsd("whisper-1", { url: openAi, usage: Usage.make({}), units: minute })).toBe(6_000_000)
    })
  )

  it.effect("cost the most that they can where the provider leaves open how much of the audio was cached", () =>
    Effect.gen(function* () {
      // Read from the cache: text at 2.5, audio at 2.5. Fresh: text at 5, audio at 40.
      const call = (cacheReadTokens: number) => ({
        url: openAi,
        usage: Usage.make({ inputTokens: 1_000, cacheReadTokens }),
        units: { input_audio_tokens: 200 }
      })
      const realtime = "gpt-4o-realtime-preview"
      expect(yield* nanoUsd(realtime, call(500))).toBe(300 * 5_000 + 500 * 2_500 + 200 * 40_000)
      expect(yield* nanoUsd(realtime, call(900))).toBe(900 * 2_500 + 100 * 40_000)
    })
  )

  it.effect("make no price where they exceed what they are parts of, and a budget then charges the estimate", () =>
    Effect.gen(function* () {
      const written = Usage.make({ inputTokens: 100, cacheWriteTokens: 10 })
      const hours = { usage: written, units: { cache_write_1h_tokens: 11 } }
      expect(yield* nanoUsd("claude-sonnet-4-5", hours)).toBeNaN()
      expect(yield* nanoUsd("gpt-audio", { units: { input_audio_tokens: 1_001 } })).toBeNaN()
      expect(yield* nanoUsd("gpt-4o", { units: { web_searches: Number.NaN } })).toBeNaN()
      expect(yield* nanoUsd("gpt-4o", { usage: Usage.make({ inputTokens: Number.NaN }) })).toBeNaN()

      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("usd", 1)] })
      const reservation = yield* budget.reserve(Usage.make({ costUsd: 0.25 }))
      yield* reservation.commit({ ...usage, costNanoUsd: yield* nanoUsd("claude-sonnet-4-5", hours) })
      expect((yield* budget.snapshot).limits[0]?.used).toBe(250_000_000)
    })
  )
})

describe("prices that change", () => {
  it.effect("are those of the time of the day", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-09-01T00:29:59.999Z"))
      const cheap = yield* nanoUsd("deepseek-chat")
      yield* TestClock.adjust(1)
      const dear = yield* nanoUsd("deepseek-chat")
      expect([cheap, dear]).toEqual([text(0.135, 0.55), text(0.27, 1.1)])
    })
  )

  it.effect("are those of the date", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2025-06-09T23:59:59.999Z"))
      const before = yield* nanoUsd("o3")
      yield* TestClock.adjust(1)
      expect([before, yield* nanoUsd("o3")]).toEqual([text(10, 40), text(2, 8)])
      yield* TestClock.setTime(Date.parse("2025-06-09T23:59:59.999Z"))
      expect(yield* nanoUsd("o3")).toBe(before)
    })
  )
})

describe("prices of one's own", () => {
  const models = {
    "our-llama": { input: 0.2, output: 0.6 },
    "gpt-4o": { input: 2, output: 8, cacheRead: 1, cacheWrite: 2.5, cacheWrite1h: 4, reasoning: 9, perRequest: 0.001 },
    "ft:gpt-4o-mini-2024-07-18:org::id": { input: 1, output: 1 },
    constructor: { input: 7, output: 7 }
  }
  const assumed = { input: 15, output: 75 }

  it.effect("win over the bundled ones, by the exact name, wherever the model is called", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("our-llama", { url: mock })).toBe(text(0.2, 0.6))
      expect(yield* nanoUsd("gpt-4o", { url: openAi })).toBe(text(2, 8) + 1_000_000)
      expect(yield* nanoUsd("gpt-4o-2024-08-06", { url: openAi })).toBe(text(2.5, 10))
      expect(yield* nanoUsd("ft:gpt-4o-mini-2024-07-18:org::id", { url: openAi })).toBe(text(1, 1))
      expect(yield* nanoUsd("ft:gpt-4o-mini-2024-07-18:org::other", { url: openAi })).toBe(420_000)
      expect(yield* nanoUsd("constructor")).toBe(text(7, 7))
      yield* unknown("toString")
    }).pipe(Effect.provide(Pricing.layer({ models })))
  )

  it.effect("have parts of their own", () =>
    Effect.gen(function* () {
      const usage = Usage.make({
        inputTokens: 1_000,
        cacheReadTokens: 500,
        cacheWriteTokens: 400,
        outputTokens: 100,
        reasoningTokens: 30
      })
      const call = { usage, units: { cache_write_1h_tokens: 300 } }
      const input = 100 * 2_000 + 500 * 1_000 + 100 * 2_500 + 300 * 4_000
      expect(yield* nanoUsd("gpt-4o", call)).toBe(input + 70 * 8_000 + 30 * 9_000 + 1_000_000)
      expect(yield* nanoUsd("our-llama", call)).toBe(text(0.2, 0.6))
      expect(yield* nanoUsd("our-llama", { usage, units: { cache_write_1h_tokens: 401 } })).toBeNaN()
    }).pipe(Effect.provide(Pricing.layer({ models })))
  )

  it.effect("stand for unknown models, and for those only", () =>
    Effect.gen(function* () {
      expect(yield* nanoUsd("another-llama")).toBe(text(15, 75))
      expect(yield* nanoUsd("claude-sonnet-4-5", { url: openAi })).toBe(text(15, 75))
      expect(yield* nanoUsd("gpt-4o")).toBe(text(2.5, 10))
    }).pipe(Effect.provide(Pricing.layer({ unknown: assumed })))
  )

  it.effect("may be zero, where a model is free because somebody says so", () =>
    Effect.gen(function* () {
      const pricing = Pricing.make({ models: { local: { input: 0, output: 0 } } })
      const local = { model: "local", url: mock, provider: undefined, usage, units: {} }
      expect(yield* pricing.price(local)).toBe(0)
    })
  )

  it("are refused, by the name of the field, where they make no sense", () => {
    const refused = (prices: Partial<Record<keyof Pricing.Prices, unknown>>) => () =>
      Pricing.make({ models: JSON.parse(JSON.stringify({ "our-llama": prices })) })
    const message = (field: string, got: string) =>
      `Pricing.make: models["our-llama"].${field} must be a price in dollars between 0 and 9000, got ${got}`
    expect(refused({ input: -1, output: 1 })).toThrow(new RangeError(message("input", "-1")))
    expect(refused({ input: 1 })).toThrow(new RangeError(message("output", "undefined")))
    expect(refused({ input: null, output: 1 })).toThrow(new RangeError(message("input", "null")))
    expect(refused({ input: 1, output: "3" })).toThrow(new RangeError(message("output", "3")))
    expect(refused({ input: 1, output: 1, cacheRead: -0.1 })).toThrow(new RangeError(message("cacheRead", "-0.1")))
    expect(refused({ input: 1, output: 1, perRequest: 1e4 })).toThrow(new RangeError(message("perRequest", "10000")))
    expect(() => Pricing.layer({ unknown: { input: Number.NaN, output: 1 } })).toThrow("unknown.input must be")
  })
})

describe("a priced usage", () => {
  it.effect("carries its cost to the limits in dollars", () =>
    Effect.gen(function* () {
      const priced = yield* Pricing.price({ model: "gpt-4o-mini", usage })
      expect(priced).toEqual({ ...usage, costNanoUsd: text(0.15, 0.6) })
    })
  )
})
