import { describe, expect, it } from "@effect/vitest"
import type { Fixture } from "@copilotkit/aimock"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { APIUserAbortError, OpenAI, RateLimitError } from "openai"
import * as Budget from "../../src/Budget.ts"
import * as BudgetedFetch from "../../src/BudgetedFetch.ts"
import type * as Governor from "../../src/Governor.ts"
import * as Limit from "../../src/Limit.ts"
import { makeLatch, settle, until } from "../support/latch.ts"
import { expectAccounted, mockProvider } from "../support/mockProvider.ts"

const model = "gpt-4o-mini"
const ask = (content: string, more: object = {}) => ({
  model,
  max_tokens: 300,
  messages: [{ role: "user" as const, content }],
  ...more
})

const usage = { prompt_tokens: 40, completion_tokens: 12 }
const hello: Fixture = { match: { userMessage: "hello" }, response: { content: "Hello to you, too.", usage } }
const tool: Fixture = {
  match: { userMessage: "weather", hasToolResult: false },
  response: { toolCalls: [{ name: "weather", arguments: '{"city":"Rome"}' }], usage }
}
const told: Fixture = {
  match: { userMessage: "weather", hasToolResult: true },
  response: { content: "Sunny.", usage: { prompt_tokens: 70, completion_tokens: 3 } }
}

const setUp = Effect.fnUntraced(function* (
  fixtures: ReadonlyArray<Fixture>,
  options: Partial<Governor.Options> & {
    limits?: ReadonlyArray<Limit.Limit>
    maxRetries?: number
    chaos?: object
    onRefusal?: "respond" | "throw"
  } = {}
) {
  const { chaos, limits = [Limit.cap("tokens", 1_000_000)], maxRetries = 0, ...rest } = options
  const provider = yield* mockProvider(fixtures, chaos === undefined ? {} : { chaos })
  const budget = yield* Budget.make({ name: "run", limits })
  const estimates: Array<Budget.LimitSnapshot> = []
  const fetch = yield* BudgetedFetch.make({
    budget,
    ...rest,
    fetch: (input, init) => {
      estimates.push(...Effect.runSync(budget.snapshot).limits)
      return globalThis.fetch(input, init)
    }
  })
  const client = new OpenAI({ apiKey: "none", baseURL: `${provider.url}/v1`, fetch, maxRetries })
  return { provider, budget, client, estimates }
})

/** The estimate's output is what was asked for; the rest of what was reserved is input. */
const estimated = (reserved: number, outputTokens = 300) => ({ inputTokens: reserved - outputTokens, outputTokens })

describe("openai", () => {
  it.effect("chat, not streamed and streamed, with tools", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello, tool, told])
      const chat = yield* Effect.promise(() => client.chat.completions.create(ask("hello")))
      expect(chat.choices[0]?.message.content).toBe("Hello to you, too.")
      yield* expectAccounted(budget, provider)

      const text = yield* Effect.promise(async () => {
        let text = ""
        const stream = await client.chat.completions.create({
          ...ask("hello"),
          stream: true,
          stream_options: { include_usage: true }
        })
        for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ""
        return text
      })
      expect(text).toBe("Hello to you, too.")
      yield* expectAccounted(budget, provider)

      const tools = [{ type: "function" as const, function: { name: "weather", parameters: { type: "object" } } }]
      const runner = client.chat.completions.runTools({
        ...ask("weather"),
        tools: [{ type: "function", function: { ...tools[0]!.function, description: "", function: () => "sunny" } }]
      })
      expect(yield* Effect.promise(() => runner.finalContent())).toBe("Sunny.")
      yield* expectAccounted(budget, provider)
      expect(provider.journal()).toHaveLength(4)
    })
  )

  it.effect("responses, not streamed and streamed, and embeddings", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([
        hello,
        { match: { inputText: "hello" }, response: { embedding: [1, 2] } }
      ])
      const request = { model, input: "hello", max_output_tokens: 300 }
      const response = yield* Effect.promise(() => client.responses.create(request))
      expect(response.output_text).toBe("Hello to you, too.")
      yield* expectAccounted(budget, provider)
      yield* Effect.promise(async () => {
        for await (const _ of await client.responses.create({ ...request, stream: true }));
      })
      yield* expectAccounted(budget, provider)
      const embedded = yield* Effect.promise(() =>
        client.embeddings.create({ model: "text-embedding-3-small", input: "hello", encoding_format: "float" })
      )
      expect(embedded.data[0]?.embedding).toEqual([1, 2])
      yield* expectAccounted(budget, provider)
    })
  )

  it.effect("an abort before, in line, and under way", () =>
    Effect.gen(function* () {
      const arrived = makeLatch()
      const release = makeLatch()
      const { budget, client, estimates, provider } = yield* setUp(
        [
          hello,
          {
            match: { userMessage: "slow" },
            response: async () => {
              arrived.resolve()
              await release.promise
              return { content: "late", usage }
            }
          }
        ],
        { limits: [Limit.cap("tokens", 100_000), Limit.concurrency(1)] }
      )
      const before = settle(client.chat.completions.create(ask("hello"), { signal: AbortSignal.abort() }))
      expect(yield* before).toBeInstanceOf(APIUserAbortError)
      yield* expectAccounted(budget, provider)

      const underway = new AbortController()
      const inLine = new AbortController()
      const first = settle(client.chat.completions.create(ask("slow"), { signal: underway.signal }))
      yield* Effect.promise(() => arrived.promise)
      const second = settle(client.chat.completions.create(ask("hello"), { signal: inLine.signal }))
      yield* until(() => Effect.runSync(budget.snapshot).waiting === 1)
      inLine.abort()
      expect(yield* second).toBeInstanceOf(APIUserAbortError)
      expect((yield* budget.snapshot).waiting).toBe(0)
      underway.abort()
      expect(yield* first).toBeInstanceOf(APIUserAbortError)
      const { inputTokens, outputTokens, requests } = (yield* budget.snapshot).spent
      expect(requests).toBe(1)
      expect({ inputTokens, outputTokens }).toEqual(estimated(estimates[0]!.reserved))
      release.resolve()
      yield* Effect.promise(() => client.chat.completions.create(ask("hello")))
      expect((yield* budget.snapshot).spent.requests).toBe(2)
      expect((yield* budget.snapshot).open).toBe(0)
    })
  )

  it.effect("an abort in the middle of a stream charges what was seen", () =>
    Effect.gen(function* () {
      const words = "one two three four five six seven eight nine ten"
      const { budget, client, estimates } = yield* setUp([
        {
          match: { userMessage: "hello" },
          response: { content: words, usage },
          chunkSize: 8,
          streamingProfile: { ttft: 0, tps: 20 }
        }
      ])
      const seen = yield* Effect.promise(async () => {
        const stream = await client.chat.completions.create({ ...ask("hello"), stream: true })
        for await (const chunk of stream) if (chunk.choices[0]?.delta.content) return chunk.choices[0].delta.content
        return ""
      })
      expect(words.startsWith(seen)).toBe(true)
      const { spent, open } = yield* budget.snapshot
      expect(open).toBe(0)
      expect(spent.inputTokens).toBe(estimated(estimates[0]!.reserved).inputTokens)
      expect(spent.outputTokens).toBeGreaterThanOrEqual(1)
      expect(spent.outputTokens).toBeLessThanOrEqual(20)
    })
  )

  it.effect("a stream that is truncated charges what was seen, and at most what was estimated", () =>
    Effect.gen(function* () {
      const { budget, client, estimates } = yield* setUp([{ ...hello, chunkSize: 4, truncateAfterChunks: 3 }])
      const error = yield* settle(
        (async () => {
          const stream = await client.chat.completions.create({
            ...ask("hello"),
            stream: true,
            stream_options: { include_usage: true }
          })
          for await (const _ of stream);
        })()
      )
      expect(error).toBeInstanceOf(Error)
      const { open, spent } = yield* budget.snapshot
      expect([open, spent.requests]).toEqual([0, 1])
      expect(spent.inputTokens).toBe(estimated(estimates[0]!.reserved).inputTokens)
      expect(spent.outputTokens).toBeLessThanOrEqual(300)
    })
  )

  it.effect("its own retries reserve again: after a 5xx, a refused request costs no tokens", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], { maxRetries: 1 })
      provider.mock.nextRequestError(503, { message: "busy" })
      yield* Effect.promise(() => client.chat.completions.create(ask("hello")))
      expect(provider.journal().map(({ response }) => response.status)).toEqual([503, 200])
      yield* expectAccounted(budget, provider)
    })
  )

  for (const [name, chaos] of [
    ["malformed JSON", { malformedRate: 1 }],
    ["a connection that is cut", { disconnectRate: 1 }]
  ] as const) {
    it.effect(`${name} charges the estimate`, () =>
      Effect.gen(function* () {
        const { budget, client, estimates, provider } = yield* setUp([hello], { chaos })
        expect(yield* settle(client.chat.completions.create(ask("hello")))).toBeInstanceOf(Error)
        yield* expectAccounted(budget, provider, estimated(estimates[0]!.reserved))
      })
    )
  }

  it.effect("a storm of 429s: at most 1 + maxRetries requests a call, and one by one after the pause", () =>
    Effect.gen(function* () {
      const arrivals: Array<number> = []
      const clock = yield* TestClock.testClockWith((clock) => Effect.succeed(clock))
      const provider = yield* mockProvider([hello], { chaos: { rateLimitRate: 1 } })
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const fetch = yield* BudgetedFetch.make({
        budget,
        fetch: async (input, init) => {
          arrivals.push(clock.currentTimeMillisUnsafe())
          const { body, headers, status } = await globalThis.fetch(input, init)
          const own = new Headers(headers)
          // The client sleeps for a millisecond; the pause of the budget is that of the provider.
          own.set("x-should-retry", "true")
          return new Response(body, { status, headers: own })
        }
      })
      const paced: BudgetedFetch.Fetch = async (input, init) => {
        const response = await fetch(input, init)
        const headers = new Headers(response.headers)
        headers.set("retry-after-ms", "1")
        return new Response(response.body, { status: response.status, headers })
      }
      const client = new OpenAI({ apiKey: "none", baseURL: `${provider.url}/v1`, fetch: paced, maxRetries: 1 })
      const calls = Array.from({ length: 5 }, () => settle(client.chat.completions.create(ask("hello"))))
      yield* until(() => Effect.runSync(budget.snapshot).waiting === 5)
      expect(arrivals).toEqual([0, 0, 0, 0, 0])
      yield* TestClock.adjust(999)
      expect(arrivals).toHaveLength(5)
      // Each retry is refused, too, and pauses everyone again.
      for (let step = 1; step <= 5; step++) {
        yield* TestClock.adjust(step === 1 ? 1 : 1_000)
        yield* until(() => Effect.runSync(budget.snapshot).open === 0)
        expect(arrivals).toHaveLength(5 + step)
      }
      for (const call of calls) expect(yield* call).toBeInstanceOf(RateLimitError)
      expect(arrivals).toEqual([0, 0, 0, 0, 0, 1_000, 2_000, 3_000, 4_000, 5_000])
      expect(provider.journal()).toHaveLength(10)
      yield* expectAccounted(budget, provider)
    })
  )

  it.effect("a refusal is the client's own error, and is not retried where that is in vain", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], { limits: [Limit.cap("tokens", 100)], maxRetries: 3 })
      expect(yield* settle(client.chat.completions.create(ask("hello")))).toMatchObject({
        status: 429,
        code: "rate_limit_exceeded"
      })
      yield* expectAccounted(budget, provider)
      expect(provider.journal()).toEqual([])
    })
  )

  it.effect("an elastic call asks the server for the shorter answer, and changes nothing else", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], {
        limits: [Limit.cap("tokens", 200)],
        leastOutputTokens: 50
      })
      const body = ask("hello", { temperature: 0.5, user: "ü" })
      yield* Effect.promise(() => client.chat.completions.create(body))
      const received = provider.bodies()[0]
      expect(received).toMatchObject({ ...body, max_tokens: expect.any(Number) })
      const { max_tokens } = received as { max_tokens: number }
      expect(max_tokens).toBeGreaterThan(150)
      expect(max_tokens).toBeLessThan(200)
      yield* expectAccounted(budget, provider)
    })
  )
})
