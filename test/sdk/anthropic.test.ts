import { Anthropic, APIUserAbortError, InternalServerError, RateLimitError } from "@anthropic-ai/sdk"
import type { Fixture } from "@copilotkit/aimock"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Budget from "../../src/Budget.ts"
import * as BudgetedFetch from "../../src/BudgetedFetch.ts"
import * as Limit from "../../src/Limit.ts"
import { makeLatch, settle, until } from "../support/latch.ts"
import { expectAccounted, mockProvider } from "../support/mockProvider.ts"

const model = "claude-sonnet-4-6"
const ask = (content: string) => ({ model, max_tokens: 300, messages: [{ role: "user" as const, content }] })

const usage = { input_tokens: 41, output_tokens: 13 }
const hello: Fixture = { match: { userMessage: "hello" }, response: { content: "Hello to you, too.", usage } }

const setUp = Effect.fnUntraced(function* (
  fixtures: ReadonlyArray<Fixture>,
  options: { limits?: ReadonlyArray<Limit.Limit>; maxRetries?: number; chaos?: object } = {}
) {
  const { chaos, limits = [Limit.cap("tokens", 1_000_000), Limit.cap("usd", 100)], maxRetries = 0 } = options
  const provider = yield* mockProvider(fixtures, chaos === undefined ? {} : { chaos })
  const budget = yield* Budget.make({ name: "run", limits })
  const reserved: Array<number> = []
  const fetch = yield* BudgetedFetch.make({
    budget,
    fetch: (input, init) => {
      reserved.push(Effect.runSync(budget.snapshot).limits[0]?.reserved ?? 0)
      return globalThis.fetch(input, init)
    }
  })
  const client = new Anthropic({ apiKey: "none", baseURL: provider.url, fetch, maxRetries })
  return { provider, budget, client, reserved }
})

const estimated = (reserved: number, outputTokens = 300) => ({ inputTokens: reserved - outputTokens, outputTokens })

describe("@anthropic-ai/sdk", () => {
  it.effect("messages, not streamed and streamed, and what they cost", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello])
      const message = yield* Effect.promise(() => client.messages.create(ask("hello")))
      expect(message.content).toMatchObject([{ type: "text", text: "Hello to you, too." }])
      yield* expectAccounted(budget, provider)
      // $3 and $15 for a million tokens.
      expect((yield* budget.snapshot).spent.costNanoUsd).toBe(41 * 3_000 + 13 * 15_000)
      expect(yield* Effect.promise(() => client.messages.stream(ask("hello")).finalText())).toBe("Hello to you, too.")
      yield* expectAccounted(budget, provider)
      yield* Effect.promise(async () => {
        for await (const _ of await client.messages.create({ ...ask("hello"), stream: true }));
      })
      yield* expectAccounted(budget, provider)
    })
  )

  it.effect("tools, whose answers go into another call", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([
        {
          match: { userMessage: "weather", hasToolResult: false },
          response: { toolCalls: [{ name: "weather", arguments: '{"city":"Rome"}', id: "toolu_1" }], usage }
        },
        {
          match: { hasToolResult: true },
          response: { content: "Sunny.", usage: { input_tokens: 90, output_tokens: 4 } }
        }
      ])
      const tools = [{ name: "weather", input_schema: { type: "object" as const, properties: {} } }]
      const first = yield* Effect.promise(() => client.messages.create({ ...ask("weather"), tools }))
      const use = first.content.find((block) => block.type === "tool_use")
      expect(use).toMatchObject({ name: "weather", input: { city: "Rome" } })
      const second = yield* Effect.promise(() =>
        client.messages.create({
          ...ask("weather"),
          tools,
          messages: [
            ...ask("weather").messages,
            { role: "assistant", content: first.content },
            { role: "user", content: [{ type: "tool_result", tool_use_id: use?.id ?? "", content: "sunny" }] }
          ]
        })
      )
      expect(second.content).toMatchObject([{ text: "Sunny." }])
      yield* expectAccounted(budget, provider)
      expect(provider.journal()).toHaveLength(2)
    })
  )

  it.effect("an abort before, in line, and under way", () =>
    Effect.gen(function* () {
      const arrived = makeLatch()
      const release = makeLatch()
      const late = async () => {
        arrived.resolve()
        await release.promise
        return { content: "late", usage }
      }
      const { budget, client, provider, reserved } = yield* setUp(
        [hello, { match: { userMessage: "slow" }, response: late }],
        { limits: [Limit.cap("tokens", 100_000), Limit.concurrency(1)] }
      )
      const gone = { signal: AbortSignal.abort() }
      expect(yield* settle(client.messages.create(ask("hello"), gone))).toBeInstanceOf(APIUserAbortError)
      yield* expectAccounted(budget, provider)
      const [underway, inLine] = [new AbortController(), new AbortController()]
      const first = settle(client.messages.create(ask("slow"), { signal: underway.signal }))
      yield* Effect.promise(() => arrived.promise)
      const second = settle(client.messages.create(ask("hello"), { signal: inLine.signal }))
      yield* until(() => Effect.runSync(budget.snapshot).waiting === 1)
      inLine.abort()
      expect(yield* second).toBeInstanceOf(APIUserAbortError)
      expect((yield* budget.snapshot).waiting).toBe(0)
      underway.abort()
      expect(yield* first).toBeInstanceOf(APIUserAbortError)
      release.resolve()
      expect((yield* budget.snapshot).spent).toMatchObject({ requests: 1, ...estimated(reserved[0]!) })
      expect((yield* budget.snapshot).open).toBe(0)
    })
  )

  for (const [name, cut] of [
    ["aborted", { streamingProfile: { ttft: 0, tps: 20 } }],
    ["truncated", { truncateAfterChunks: 4 }]
  ] as const) {
    it.effect(`a stream that is ${name} charges the reported input and the output that was seen`, () =>
      Effect.gen(function* () {
        const content = "one two three four five six seven eight nine ten"
        const { budget, client, reserved } = yield* setUp([
          { match: { userMessage: "hello" }, response: { content, usage }, chunkSize: 8, ...cut }
        ])
        const texts: Array<string> = []
        const outcome = yield* settle(
          (async () => {
            const stream = await client.messages.create({ ...ask("hello"), stream: true })
            for await (const event of stream) {
              if (event.type !== "content_block_delta" || event.delta.type !== "text_delta") continue
              texts.push(event.delta.text)
              if (name === "aborted") return "aborted"
            }
            return "whole"
          })()
        )
        expect(outcome).not.toBe("whole")
        const { open, spent } = yield* budget.snapshot
        expect([open, spent.requests]).toEqual([0, 1])
        // Where the socket died before anything was read, the estimate stands.
        const { inputTokens } = estimated(reserved[0]!)
        expect([41, ...(texts.length === 0 ? [inputTokens] : [])]).toContain(spent.inputTokens)
        expect(spent.outputTokens).toBeGreaterThanOrEqual(texts.length)
        if (texts.length > 0) expect(spent.outputTokens).toBeLessThanOrEqual(20)
      })
    )
  }

  it.effect("its own retries reserve again: an overload costs a request and no tokens", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], { maxRetries: 1 })
      provider.mock.nextRequestError(529, { message: "Overloaded", type: "overloaded_error" })
      yield* Effect.promise(() => client.messages.create(ask("hello")))
      expect(provider.journal().map(({ response }) => response.status)).toEqual([529, 200])
      yield* expectAccounted(budget, provider)
    })
  )

  it.effect("retries give up after maxRetries, each counted", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], { maxRetries: 1, chaos: { dropRate: 1 } })
      expect(yield* settle(client.messages.create(ask("hello")))).toBeInstanceOf(InternalServerError)
      expect(provider.journal()).toHaveLength(2)
      yield* expectAccounted(budget, provider)
    })
  )

  for (const [name, chaos] of [
    ["malformed JSON", { malformedRate: 1 }],
    ["a connection that is cut", { disconnectRate: 1 }]
  ] as const) {
    it.effect(`${name} charges the estimate`, () =>
      Effect.gen(function* () {
        const { budget, client, provider, reserved } = yield* setUp([hello], { chaos })
        expect(yield* settle(client.messages.create(ask("hello")))).toBeInstanceOf(Error)
        yield* expectAccounted(budget, provider, estimated(reserved[0]!))
      })
    )
  }

  it.effect("a refusal is the client's own error, and is not retried where that is in vain", () =>
    Effect.gen(function* () {
      const { budget, client, provider } = yield* setUp([hello], { limits: [Limit.cap("tokens", 100)], maxRetries: 3 })
      const error = yield* settle(client.messages.create(ask("hello")))
      expect(error).toBeInstanceOf(RateLimitError)
      expect(error).toMatchObject({ error: { error: { type: "rate_limit_error" } } })
      expect(provider.journal()).toEqual([])
      yield* expectAccounted(budget, provider)
    })
  )
})
