import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import type { Fixture } from "@copilotkit/aimock"
import { describe, expect, it } from "@effect/vitest"
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai"
import * as Effect from "effect/Effect"
import * as Budget from "../../src/Budget.ts"
import * as BudgetedFetch from "../../src/BudgetedFetch.ts"
import * as Limit from "../../src/Limit.ts"
import { makeLatch, settle, until } from "../support/latch.ts"
import { expectAccounted, mockProvider } from "../support/mockProvider.ts"

const usage = { input_tokens: 42, output_tokens: 14 }
const hello: Fixture = { match: { userMessage: "hello" }, response: { content: "Hello to you, too.", usage } }
const toolTurns: ReadonlyArray<Fixture> = [
  {
    match: { userMessage: "weather", hasToolResult: false },
    response: { toolCalls: [{ name: "weather", arguments: '{"city":"Rome"}', id: "call_1" }], usage }
  },
  {
    match: { userMessage: "weather", hasToolResult: true },
    response: { content: "Sunny.", usage: { input_tokens: 90, output_tokens: 4 } }
  }
]
const tools = {
  weather: tool({
    description: "The weather",
    inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
    execute: async () => "sunny"
  })
}

const setUp = Effect.fnUntraced(function* (
  fixtures: ReadonlyArray<Fixture>,
  options: {
    limits?: ReadonlyArray<Limit.Limit>
    chaos?: object
    onRefusal?: "respond" | "throw"
  } = {}
) {
  const { chaos, limits = [Limit.cap("tokens", 1_000_000)], onRefusal } = options
  const provider = yield* mockProvider(fixtures, chaos === undefined ? {} : { chaos })
  const budget = yield* Budget.make({ name: "run", limits })
  const reserved: Array<number> = []
  const fetch = yield* BudgetedFetch.make({
    budget,
    onRefusal,
    fetch: (input, init) => {
      reserved.push(Effect.runSync(budget.snapshot).limits[0]?.reserved ?? 0)
      return globalThis.fetch(input, init)
    }
  })
  const openai = createOpenAI({ apiKey: "none", baseURL: `${provider.url}/v1`, fetch })
  const anthropic = createAnthropic({ apiKey: "none", baseURL: `${provider.url}/v1`, fetch })
  const models = {
    "openai chat": openai.chat("gpt-4o-mini"),
    "openai responses": openai.responses("gpt-4o-mini"),
    anthropic: anthropic("claude-sonnet-4-6")
  }
  return { provider, budget, models, reserved }
})

const plain = { maxOutputTokens: 300, maxRetries: 0 }

const estimated = (reserved: number, outputTokens = 300) => ({ inputTokens: reserved - outputTokens, outputTokens })

for (const name of ["openai chat", "openai responses", "anthropic"] as const) {
  describe(`ai with ${name}`, () => {
    it.effect("generateText and streamText", () =>
      Effect.gen(function* () {
        const { budget, models, provider } = yield* setUp([hello])
        const request = { ...plain, model: models[name], prompt: "hello" }
        expect((yield* Effect.promise(() => generateText(request))).text).toBe("Hello to you, too.")
        yield* expectAccounted(budget, provider)
        const text = yield* Effect.promise(async () => {
          let text = ""
          for await (const piece of streamText(request).textStream) text += piece
          return text
        })
        expect(text).toBe("Hello to you, too.")
        yield* expectAccounted(budget, provider)
        expect(provider.journal()).toHaveLength(2)
      })
    )

    it.effect("tools, whose answers go into another call", () =>
      Effect.gen(function* () {
        const { budget, models, provider } = yield* setUp(toolTurns)
        const request = { ...plain, model: models[name], prompt: "weather", tools, stopWhen: stepCountIs(3) }
        expect((yield* Effect.promise(() => generateText(request))).text).toBe("Sunny.")
        expect(provider.journal()).toHaveLength(2)
        yield* expectAccounted(budget, provider)
        yield* Effect.promise(async () => streamText(request).consumeStream())
        expect(provider.journal()).toHaveLength(4)
        yield* expectAccounted(budget, provider)
      })
    )

    it.effect("an abort in line and under way", () =>
      Effect.gen(function* () {
        const arrived = makeLatch()
        const release = makeLatch()
        const late = async () => {
          arrived.resolve()
          await release.promise
          return { content: "late", usage }
        }
        const { budget, models, reserved } = yield* setUp([hello, { match: { userMessage: "slow" }, response: late }], {
          limits: [Limit.cap("tokens", 100_000), Limit.concurrency(1)]
        })
        const call = (prompt: string, { signal }: AbortController) =>
          settle(generateText({ ...plain, model: models[name], prompt, abortSignal: signal }))
        const [underway, inLine] = [new AbortController(), new AbortController()]
        const first = call("slow", underway)
        yield* Effect.promise(() => arrived.promise)
        const second = call("hello", inLine)
        yield* until(() => Effect.runSync(budget.snapshot).waiting === 1)
        inLine.abort()
        expect(yield* second).toMatchObject({ name: "AbortError" })
        expect((yield* budget.snapshot).waiting).toBe(0)
        underway.abort()
        expect(yield* first).toMatchObject({ name: "AbortError" })
        release.resolve()
        expect((yield* budget.snapshot).spent).toMatchObject({ requests: 1, ...estimated(reserved[0]!) })
        expect((yield* budget.snapshot).open).toBe(0)
      })
    )

    it.effect("a stream that is aborted in the middle leaves nothing reserved", () =>
      Effect.gen(function* () {
        const content = "one two three four five six seven eight nine ten"
        const { budget, models } = yield* setUp([
          {
            match: { userMessage: "hello" },
            response: { content, usage },
            chunkSize: 8,
            streamingProfile: { ttft: 0, tps: 20 }
          }
        ])
        const abort = new AbortController()
        const outcome = yield* settle(
          (async () => {
            const request = { ...plain, model: models[name], prompt: "hello", abortSignal: abort.signal }
            let text = ""
            for await (const piece of streamText(request).textStream) {
              text += piece
              abort.abort()
            }
            return text
          })()
        )
        expect(outcome).not.toBe(content)
        yield* until(() => Effect.runSync(budget.snapshot).open === 0)
        const { spent } = yield* budget.snapshot
        expect(spent.requests).toBe(1)
        expect(spent.outputTokens).toBeGreaterThanOrEqual(1)
        expect(spent.outputTokens).toBeLessThanOrEqual(20)
      })
    )

    for (const [fault, chaos] of [
      ["malformed JSON", { malformedRate: 1 }],
      ["a connection that is cut", { disconnectRate: 1 }]
    ] as const) {
      it.effect(`${fault} charges the estimate`, () =>
        Effect.gen(function* () {
          const { budget, models, provider, reserved } = yield* setUp([hello], { chaos })
          const error = yield* settle(generateText({ ...plain, model: models[name], prompt: "hello" }))
          expect(error).toBeInstanceOf(Error)
          yield* expectAccounted(budget, provider, estimated(reserved[0]!))
        })
      )
    }

    it.effect("a refusal sends nothing, and is the budget's own error where it is thrown", () =>
      Effect.gen(function* () {
        const limits = [Limit.cap("tokens", 100)]
        const { budget, models, provider } = yield* setUp([hello], { limits })
        const request = { ...plain, prompt: "hello" }
        expect(yield* settle(generateText({ ...request, model: models[name] }))).toMatchObject({ statusCode: 429 })
        expect(provider.journal()).toEqual([])
        yield* expectAccounted(budget, provider)
        const throwing = yield* setUp([hello], { limits, onRefusal: "throw" })
        // Its own retries are on: it does not retry what is no error of a provider.
        const thrown = settle(generateText({ ...request, maxRetries: 2, model: throwing.models[name] }))
        expect(yield* thrown).toMatchObject({ _tag: "BudgetError" })
        expect(throwing.provider.journal()).toEqual([])
      })
    )
  })
}
