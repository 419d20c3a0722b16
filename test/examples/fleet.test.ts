import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TokenCounter } from "effect-budget"
import { readDocuments, readmes, texts } from "../../examples/fleet/documents.ts"
import { makeInk } from "../../examples/fleet/ink.ts"
import { documentTokensMax, providerLimits } from "../../examples/fleet/plan.ts"
import { startProvider } from "../../examples/fleet/provider.ts"
import { goDuration } from "../../examples/fleet/rateHeaders.ts"
import { introduce, report } from "../../examples/fleet/report.ts"
import { count, inOutage, throttled } from "../../examples/fleet/run.ts"
import { model } from "../../examples/fleet/summarise.ts"
import { runWithGuard } from "../../examples/fleet/withGuard.ts"
import { runWithoutGuard } from "../../examples/fleet/withoutGuard.ts"

// All at once, these calls ask for more than the provider's bucket holds: 60 × (1,000 + 120) > 60,000 tokens.
const never = { fromMillis: Number.POSITIVE_INFINITY, untilMillis: Number.POSITIVE_INFINITY }
const burst = { agents: 60, tasksPerAgent: 1, outage: never }
const unwatched = () => Effect.never
const services = Layer.merge(NodeServices.layer, TokenCounter.layerModel(model))

const longDocuments = Effect.map(readDocuments("node_modules", readmes, documentTokensMax), (documents) =>
  documents.filter(({ cut, promptTokens }) => cut && promptTokens > 900)
)

describe("the fleet, over real HTTP", () => {
  it.live("is throttled without a guard, and never with one", () =>
    Effect.gen(function* () {
      const documents = yield* longDocuments
      const without = yield* runWithoutGuard(burst, documents, unwatched)
      const within = yield* runWithGuard(burst, documents, unwatched)

      assert.isAbove(throttled(without), 0)
      assert.strictEqual(throttled(within), 0)
      assert.strictEqual(count(within, "Completed"), within.calls)

      // Nothing is held at the end, and the ledger agrees with what the provider counted by itself.
      assert.strictEqual(within.key.open, 0)
      assert.strictEqual(within.key.waiting, 0)
      for (const { reserved } of within.key.limits) assert.strictEqual(reserved, 0)
      const { inputTokens, outputTokens, requests } = within.key.spent
      assert.strictEqual(requests, within.attempts.length)
      assert.strictEqual(
        inputTokens + outputTokens,
        within.attempts.reduce((sum, { tokens }) => sum + tokens, 0)
      )

      const ink = makeInk(false)
      const output = `${introduce(burst, documents, ink)}\n${report(burst, without, within, ink)}`
      for (const line of output.split("\n")) assert.isAtMost(line.length, 100, line)
    }).pipe(Effect.provide(services))
  )

  it.live("loses documents to an outage without a guard, and none with one, whose circuit keeps most calls back", () =>
    Effect.gen(function* () {
      const documents = yield* longDocuments
      // Longer than the client's own retries last.
      const plan = { agents: 30, tasksPerAgent: 1, outage: { fromMillis: 0, untilMillis: 4_000 } }
      const without = yield* runWithoutGuard(plan, documents, unwatched)
      const within = yield* runWithGuard(plan, documents, unwatched)

      assert.isAbove(count(without, "Failed"), 0)
      assert.strictEqual(count(within, "Completed"), within.calls)
      assert.isAtLeast(within.openings, 1)
      assert.strictEqual(within.sentWhileOpen, 0)
      assert.isBelow(inOutage(within), inOutage(without))

      // What met the outage has cost requests and no tokens.
      const { inputTokens, outputTokens, requests } = within.key.spent
      assert.strictEqual(requests, within.attempts.length)
      assert.strictEqual(
        inputTokens + outputTokens,
        within.attempts.reduce((sum, { tokens }) => sum + tokens, 0)
      )
      const output = report(plan, without, within, makeInk(false))
      for (const line of output.split("\n")) assert.isAtMost(line.length, 100, line)
    }).pipe(Effect.provide(services))
  )

  it.live("refuses an agent whose session is used up, and names the limit", () =>
    Effect.gen(function* () {
      const run = yield* runWithGuard({ agents: 1, tasksPerAgent: 5, outage: never }, yield* longDocuments, unwatched)
      assert.strictEqual(count(run, "Completed"), 4)
      assert.strictEqual(run.attempts.length, 4)
      const last = run.outcomes.at(-1)
      const error = last?._tag === "Refused" ? last.error : undefined
      assert.strictEqual(error?._tag === "BudgetError" ? error.reason._tag : last?._tag, "BudgetExceeded")
      assert.include(
        last?._tag === "Refused" ? last.error.message : "",
        "AgentSession: cap(tokens) has too little left"
      )
    }).pipe(Effect.provide(services))
  )

  it.live("stops at once when it is interrupted", () =>
    Effect.gen(function* () {
      const documents = yield* longDocuments
      const fiber = yield* Effect.forkChild(runWithGuard(burst, documents, unwatched))
      yield* Effect.sleep("500 millis")
      const interruptedAt = performance.now()
      yield* Fiber.interrupt(fiber)
      assert.isBelow(performance.now() - interruptedAt, 500)
    }).pipe(Effect.provide(services))
  )
})

describe("the provider", () => {
  it.live("refuses with the headers and the body of OpenAI", () =>
    Effect.gen(function* () {
      const { baseURL } = yield* startProvider({ ...providerLimits, tokensPerMinute: 100 }, [], never)
      const ask = (body: unknown) =>
        Effect.promise(() => fetch(`${baseURL}/chat/completions`, { method: "POST", body: JSON.stringify(body) }))

      const invalid = yield* ask({ model, messages: [] })
      assert.strictEqual(invalid.status, 400)

      const refused = yield* ask({ model, messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 123 })
      assert.strictEqual(refused.status, 429)
      // 8 tokens of input and 123 of output are 31 more than the bucket holds, and 100 flow in within 3 seconds.
      assert.strictEqual(refused.headers.get("retry-after-ms"), "930")
      assert.strictEqual(refused.headers.get("retry-after"), "1")
      assert.strictEqual(refused.headers.get("x-ratelimit-limit-tokens"), "100")
      assert.strictEqual(refused.headers.get("x-ratelimit-remaining-requests"), "99")
      const body = yield* Effect.promise(() => refused.json())
      assert.deepInclude(body, { error: { ...Object(body).error, type: "tokens", code: "rate_limit_exceeded" } })
    }).pipe(Effect.scoped)
  )

  it("writes durations as Go does", () => {
    assert.deepStrictEqual([0, 120, 1_000, 1_500, 360_000, 3_723_000].map(goDuration), [
      "0s",
      "120ms",
      "1s",
      "1.5s",
      "6m0s",
      "1h2m3s"
    ])
  })
})

describe("the documents", () => {
  it.live("are cut to whole lines, counted as the prompt that is sent", () =>
    Effect.gen(function* () {
      const counter = yield* TokenCounter.TokenCounter
      for (const { cut, text } of yield* readDocuments("node_modules", readmes, 200)) {
        const tokens = yield* counter.count(text)
        assert.isAtMost(tokens, 200)
        if (cut) assert.isAbove(tokens, 50)
      }
    }).pipe(Effect.provide(services))
  )

  it.live("are missed with a sentence that names the folder", () =>
    Effect.gen(function* () {
      const missing = yield* Effect.flip(readDocuments("/no/such/folder", texts, documentTokensMax))
      assert.strictEqual(missing.message, "There is no folder /no/such/folder.")
      const none = yield* Effect.flip(readDocuments("test", texts, documentTokensMax))
      assert.strictEqual(none.message, "There is no .md or .txt file with text in it below test.")
    }).pipe(Effect.provide(services))
  )
})
