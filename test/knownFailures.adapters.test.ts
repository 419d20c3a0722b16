/**
 * Failures that were seen in systems that govern real clients, each as a test that is named after it. The numbers are
 * those of test/knownFailures.test.ts, which has the failures of budgets themselves.
 */
import { describe, expect, it } from "@effect/vitest"
import { Budget, BudgetedFetch, BudgetedLanguageModel, Dialect, Feedback, Limit, Pricing, Usage } from "effect-budget"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { LanguageModel, Tool, Toolkit } from "effect/ai"
import { expectAtRest } from "../src/BudgetTesting.ts"

const url = "https://api.openai.com/v1/chat/completions"

const request = {
  method: "POST",
  body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 500 })
}

const delta = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`

const finish = (reason: "stop" | "tool-calls", input: number, output: number) => ({
  type: "finish" as const,
  reason,
  usage: { inputTokens: { total: input }, outputTokens: { total: output } }
})

class Run extends Budget.Service<Run>()("test/Run", { limits: [Limit.concurrency(1), Limit.cap("tokens", 10_000)] }) {}

const Ask = Toolkit.make(Tool.make("ask", { success: Schema.String, dependencies: [LanguageModel.LanguageModel] }))

/** Calls the tool once, then answers. */
const provider = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({
    generateText: ({ tools }) =>
      Effect.succeed(
        tools.length > 0
          ? [{ type: "tool-call", id: "1", name: "ask", params: {} }, finish("tool-calls", 40, 2)]
          : [{ type: "text", text: "not { json" }, finish("stop", 7, 3)]
      ),
    streamText: () => Stream.empty
  })
)

const budgeted = BudgetedLanguageModel.layer({ budget: Run, model: "gpt-4o-mini", maxOutputTokens: 100 }).pipe(
  Layer.provide(provider)
)

const spent = Effect.map(Run.snapshot, ({ open, spent }) => [open, spent.inputTokens, spent.outputTokens])

describe("failures of other systems around clients", () => {
  it.effect("18. a stream that is cut short charges nothing", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 10_000)] })
      let pulls = 0
      const cut = () =>
        new ReadableStream<Uint8Array>({
          pull(controller) {
            if (++pulls > 20) controller.error(new Error("cut"))
            else controller.enqueue(new TextEncoder().encode(delta(" word")))
          }
        })
      const fetch = yield* BudgetedFetch.make({
        budget,
        fetch: async () => new Response(cut(), { headers: { "content-type": "text/event-stream" } })
      })
      const read = Effect.tryPromise(async () => {
        for await (const _ of (await fetch(url, request)).body!) continue
      })
      yield* Effect.flip(read)
      const { inputTokens, outputTokens } = (yield* budget.snapshot).spent
      expect(inputTokens).toBeGreaterThan(0)
      expect(outputTokens).toBe(20)
      yield* expectAtRest(budget)
    })
  )

  it.effect("18. a tool handler that fails loses the usage of a call that was paid", () =>
    Effect.gen(function* () {
      const handlers = Ask.toLayer({ ask: () => Effect.die("broken") })
      yield* Effect.exit(LanguageModel.generateText({ prompt: "Hi", toolkit: Ask }).pipe(Effect.provide(handlers)))
      expect(yield* spent).toEqual([0, 40, 2])
    }).pipe(Effect.provide(budgeted), Effect.provide(Run.fresh))
  )

  it.effect("18. an answer that cannot be decoded loses the usage of a call that was paid", () =>
    Effect.gen(function* () {
      const schema = Schema.Struct({ city: Schema.String })
      yield* Effect.flip(LanguageModel.generateObject({ prompt: "Where?", schema }))
      expect(yield* spent).toEqual([0, 7, 3])
    }).pipe(Effect.provide(budgeted), Effect.provide(Run.fresh))
  )

  it.effect("19. a model that nobody has a price for costs nothing, and the cost cap never trips", () =>
    Effect.gen(function* () {
      let sent = 0
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("usd", 1)] })
      const fetch = yield* BudgetedFetch.make({
        budget,
        onRefusal: "throw",
        fetch: async () => {
          sent++
          return Response.json({})
        }
      })
      const body = JSON.stringify({ ...JSON.parse(request.body), model: "nobody-knows-7b" })
      const error = yield* Effect.flip(
        Effect.tryPromise({ try: () => fetch(url, { method: "POST", body }), catch: (error) => error })
      )
      expect(error).toBeInstanceOf(Pricing.UnknownModel)
      expect(sent).toBe(0)
    })
  )

  it("19. cached tokens are counted twice, or not at all", () => {
    const inputs = [
      Dialect.openAiChat.readAnswer({
        usage: { prompt_tokens: 1_000, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 900 } }
      }),
      Dialect.anthropicMessages.readAnswer({
        usage: { input_tokens: 100, cache_read_input_tokens: 900, cache_creation_input_tokens: 0, output_tokens: 1 }
      })
    ].map((report) => [report?.usage.inputTokens, report?.usage.cacheReadTokens])
    expect(inputs).toEqual([
      [1_000, 900],
      [1_000, 900]
    ])
  })

  it("20. an instant 9 s away is a wait of 2,026 s, 120ms are 120 s, and 6m0s are 6 s", () => {
    const now = Date.parse("2026-11-23T16:43:00Z")
    expect(Feedback.parseReset("2026-11-23T16:43:09Z", now)).toBe(9_000)
    expect(Feedback.parseReset("120ms", now)).toBe(120)
    expect(Feedback.parseReset("6m0s", now)).toBe(360_000)
  })

  it.effect("21. calls that a provider has throttled come back without bound, all at once", () =>
    Effect.gen(function* () {
      const sentAt: Array<number> = []
      const clock = yield* Clock.Clock
      const budget = yield* Budget.make({ name: "key", limits: [Limit.concurrency(100)] })
      const fetch = yield* BudgetedFetch.make({
        budget,
        fetch: async () => {
          const at = clock.currentTimeMillisUnsafe()
          sentAt.push(at)
          return at < 30_000 ? new Response("", { status: 429, headers: { "retry-after": "30" } }) : Response.json({})
        }
      })
      // As an SDK that retries once, and at once.
      const call = Effect.promise(async () => {
        const first = await fetch(url, request)
        return (first.status === 429 ? await fetch(url, request) : first).text()
      })
      const calls = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 50 }), () => call, { concurrency: 50 }))
      while (sentAt.length < 50) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      while ((yield* budget.snapshot).waiting < 50)
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(calls)
      const later = sentAt.slice(50).map((at) => at - 30_000)
      expect(later).toHaveLength(50)
      // One in the first second, two in the next, then four, and so on.
      const perSecond = [0, 1, 2, 3, 4].map(
        (second) => later.filter((at) => at >= second * 1_000 && at < (second + 1) * 1_000).length
      )
      expect(perSecond).toEqual([1, 2, 4, 8, 16])
    })
  )

  it.effect("22. a call from a tool handler waits for ever for what the call around it holds", () =>
    Effect.gen(function* () {
      const handlers = Ask.toLayer({
        ask: () => Effect.map(LanguageModel.generateText({ prompt: "And?" }), ({ text }) => text)
      })
      const { toolResults } = yield* LanguageModel.generateText({ prompt: "Hi", toolkit: Ask }).pipe(
        Effect.provide(handlers)
      )
      expect(toolResults[0]?.result).toBe("not { json")
      expect(yield* spent).toEqual([0, 47, 5])
    }).pipe(Effect.provide(budgeted), Effect.provide(Run.fresh))
  )

  it.effect("24. a daily budget for money never rolls over, or does so in the wrong time zone", () =>
    Effect.gen(function* () {
      const perDay = Limit.fixedWindow("usd", 1, "day", { timeZone: "America/Los_Angeles" })
      const budget = yield* Budget.make({ name: "day", limits: [perDay] })
      yield* TestClock.setTime(Date.parse("2026-11-24T07:00:00Z"))
      yield* budget.charge(Usage.make({ costUsd: 1 }))
      yield* TestClock.setTime(Date.parse("2026-11-24T07:59:59.999Z"))
      expect((yield* budget.snapshot).limits[0]?.available).toBe(0)
      yield* TestClock.setTime(Date.parse("2026-11-24T08:00:00Z"))
      expect((yield* budget.snapshot).limits[0]?.available).toBe(Usage.nanoUsdPerUsd)
    })
  )
})
