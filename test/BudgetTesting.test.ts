import { Anthropic } from "@anthropic-ai/sdk"
import { describe, expect, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { OpenAI } from "openai"
import * as Budget from "../src/Budget.ts"
import * as BudgetedFetch from "../src/BudgetedFetch.ts"
import * as BudgetTesting from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Meter from "../src/Meter.ts"
import * as Usage from "../src/Usage.ts"
import { settle } from "./support/latch.ts"

const usedOf = (budget: Budget.Budget) => Effect.map(budget.snapshot, ({ limits }) => limits.map(({ used }) => used))

/** What an effect dies with, as text. */
const defectOf = (effect: Effect.Effect<unknown>) =>
  Effect.map(Effect.exit(effect), (exit) => (Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "nothing"))

describe("a budget that is filled", () => {
  it.effect("has each of its limits at the fraction, whatever it measures", () =>
    Effect.gen(function* () {
      const weighted = Meter.make("weighted", (usage) => usage.inputTokens + 5 * usage.outputTokens)
      for (const fraction of [0, 0.25, 0.9, 1, 1.5]) {
        const budget = yield* BudgetTesting.makeFilled(
          {
            name: "run",
            limits: [
              Limit.slidingWindow("tokens", 1_000, "1 minute"),
              Limit.tokenBucket("outputTokens", 400, "1 minute"),
              Limit.fixedWindow("requests", 20, "hour"),
              Limit.cap("usd", 2),
              Limit.cap(weighted, 1_000_000),
              Limit.concurrency(3),
              Limit.perCall("tokens", 10)
            ]
          },
          fraction
        )
        const [tokens, output, requests, usd, , ...unfilled] = yield* usedOf(budget)
        expect([tokens, output, requests, usd]).toEqual([1_000, 400, 20, 2_000_000_000].map((max) => max * fraction))
        expect(unfilled).toEqual([0, 0])
      }
    })
  )

  it.effect("has none of its limits beyond the fraction: the smaller one of a meter decides", () =>
    Effect.gen(function* () {
      const limits = [
        Limit.cap("tokens", 1_000),
        Limit.cap("tokens", 300, { name: "small" }),
        Limit.cap("inputTokens", 99)
      ]
      const budget = yield* BudgetTesting.makeFilled({ name: "run", limits }, 0.5)
      expect(yield* usedOf(budget)).toEqual([150, 150, 49])
    })
  )

  it.effect("counts what is there already, and what is above stays", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 1_000)] })
      yield* budget.charge(Usage.make({ inputTokens: 400 }))
      yield* BudgetTesting.fill(budget, 0.5)
      expect(yield* usedOf(budget)).toEqual([500])
      yield* BudgetTesting.fill(budget, 0.1)
      expect(yield* usedOf(budget)).toEqual([500])
    })
  )

  it.effect("admits what is left, and not one token more", () =>
    Effect.gen(function* () {
      const budget = yield* BudgetTesting.makeFilled({ name: "run", limits: [Limit.cap("tokens", 1_000)] }, 0.9)
      const refused = yield* Effect.flip(Effect.scoped(budget.tryReserve(Usage.make({ inputTokens: 101 }))))
      expect(refused.reason._tag).toBe("BudgetExceeded")
      yield* Effect.scoped(budget.tryReserve(Usage.make({ inputTokens: 100 })))
    })
  )

  it.effect("can be a service, with the budgets that it is within", () =>
    Effect.gen(function* () {
      class Key extends Budget.Service<Key>()("Key", { limits: [Limit.cap("tokens", 10_000)] }) {}
      class Run extends Budget.Service<Run>()("Run", { limits: [Limit.cap("tokens", 1_000)], within: [Key] }) {}
      const layer = Layer.provideMerge(BudgetTesting.layerFilled(Run, 0.7), Key.layer)
      const used = Effect.all([Run.snapshot, Key.snapshot]).pipe(
        Effect.map((snapshots) => snapshots.map(({ limits }) => limits[0]?.used))
      )
      expect(yield* Effect.provide(used, layer)).toEqual([700, 700])
    })
  )

  it.effect("is not filled to nonsense", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const message = "RangeError: BudgetTesting.fill: the fraction must be 0 or more, got"
      expect(yield* defectOf(BudgetTesting.fill(budget, -0.1))).toBe(`${message} -0.1`)
      expect(yield* defectOf(BudgetTesting.fill(budget, Number.NaN))).toBe(`${message} NaN`)
    })
  )
})

describe("the assertion that nothing is held", () => {
  it.effect("says what is open, waiting and reserved, of every budget that is not at rest", () =>
    Effect.gen(function* () {
      const limits = [Limit.cap("usd", 1), Limit.slidingWindow("tokens", 500, "1 minute")]
      const key = yield* Budget.make({ name: "key", limits: [] })
      const run = yield* Budget.make({ name: "run", limits, within: [key] })
      const idle = yield* Budget.make({ name: "idle", limits })
      const scope = yield* Scope.make()
      yield* Scope.provide(run.reserve(Usage.make({ inputTokens: 400, costUsd: 0.02 })), scope)
      const waiting = yield* Effect.forkChild(Effect.scoped(run.reserve(Usage.make({ inputTokens: 200 }))), {
        startImmediately: true
      })

      expect(yield* defectOf(BudgetTesting.expectAtRest(key, run, idle))).toBe(
        'Error: "key" is not at rest: 1 open, 1 waiting\n' +
          '"run" is not at rest: 1 open, 1 waiting, $0.02 reserved, 400 tokens reserved'
      )
      yield* Fiber.interrupt(waiting)
      yield* Scope.close(scope, Exit.void)
      yield* BudgetTesting.expectAtRest(key, run, idle)
    })
  )
})

const setUp = Effect.fnUntraced(function* (answer?: Parameters<typeof BudgetTesting.makeProvider>[0]) {
  const provider = BudgetTesting.makeProvider(answer)
  const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100_000)] })
  const fetch = yield* BudgetedFetch.make({ budget, fetch: provider.fetch })
  const openai = new OpenAI({ fetch, apiKey: "none", maxRetries: 0 })
  const anthropic = new Anthropic({ fetch, apiKey: "none", maxRetries: 0 })
  return { anthropic, budget, fetch, openai, provider }
})

const question = { messages: [{ role: "user" as const, content: "Hi" }], max_tokens: 100 }
const ask = (client: OpenAI, signal?: AbortSignal) =>
  client.chat.completions.create({ model: "gpt-4o-mini", ...question }, signal === undefined ? {} : { signal })

/** Sockets are not involved: a few turns are enough for a request to be where it stays. */
const turns = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
})

describe("a provider in memory", () => {
  it.live("answers as the API of its address does, and says what it has served", () =>
    Effect.gen(function* () {
      const { anthropic, budget, openai, provider } = yield* setUp({ text: "Hello.", inputTokens: 7, outputTokens: 3 })
      const chat = yield* Effect.promise(() => ask(openai))
      expect(chat.choices[0]?.message.content).toBe("Hello.")
      const response = yield* Effect.promise(() => openai.responses.create({ model: "gpt-4o-mini", input: "Hi" }))
      expect(response.output_text).toBe("Hello.")
      const message = yield* Effect.promise(() => anthropic.messages.create({ model: "claude-haiku-4-5", ...question }))
      expect(message.content).toMatchObject([{ type: "text", text: "Hello." }])

      expect(provider.requests.map(({ status, url }) => [new URL(url).pathname, status])).toEqual([
        ["/v1/chat/completions", 200],
        ["/v1/responses", 200],
        ["/v1/messages", 200]
      ])
      expect(provider.requests[0]?.body).toMatchObject({ model: "gpt-4o-mini", max_tokens: 100 })
      const { spent } = yield* budget.snapshot
      expect([spent.requests, spent.inputTokens, spent.outputTokens]).toEqual([3, 21, 9])
      expect([provider.served.requests, provider.served.inputTokens, provider.served.outputTokens]).toEqual([3, 21, 9])
      yield* BudgetTesting.expectAtRest(budget)
    })
  )

  it.live("answers what it is asked, where the answer depends on that", () =>
    Effect.gen(function* () {
      const { openai } = yield* setUp(({ body }) => ({
        text: JSON.stringify(body).includes("Hi") ? "Hello." : "What?"
      }))
      expect((yield* Effect.promise(() => ask(openai))).choices[0]?.message.content).toBe("Hello.")
    })
  )

  it.live("refuses as often as it is told, and then answers again", () =>
    Effect.gen(function* () {
      const { budget, openai, provider } = yield* setUp()
      provider.refuseNext({ status: 529, times: 2 })
      provider.refuseNext({ status: 400 })
      const seen: Array<unknown> = []
      for (let call = 0; call < 4; call++) seen.push(yield* settle(ask(openai)))
      expect(seen).toMatchObject([{ status: 529 }, { status: 529 }, { status: 400 }, { object: "chat.completion" }])
      expect((yield* budget.snapshot).spent.outputTokens).toBe(20)
      yield* BudgetTesting.expectAtRest(budget)
    })
  )

  it.live("says when to come back, for which the budget waits", () =>
    Effect.gen(function* () {
      const { budget, openai, provider } = yield* setUp()
      provider.refuseNext({ retryAfter: "1500 millis" })
      const refused = yield* settle(ask(openai))
      expect(refused).toMatchObject({ status: 429 })
      if (!(refused instanceof OpenAI.APIError)) throw new Error("no error of the client")
      expect(refused.headers?.get("retry-after")).toBe("2")
      expect((yield* budget.snapshot).pausedUntil).toBeGreaterThan(Date.now())
    })
  )

  it.live("loses a connection, of which nobody knows what it has cost", () =>
    Effect.gen(function* () {
      const { budget, openai, provider } = yield* setUp()
      provider.loseNext()
      expect(yield* settle(ask(openai))).toBeInstanceOf(OpenAI.APIConnectionError)
      expect(provider.requests.map(({ status }) => status)).toEqual([0])
      yield* BudgetTesting.expectAtRest(budget)
    })
  )

  it.live("keeps a call open until it is told to answer, or the call is given up", () =>
    Effect.gen(function* () {
      const { budget, openai, provider } = yield* setUp()
      const answerNow = provider.holdNext()
      const first = ask(openai)
      yield* turns
      expect([(yield* budget.snapshot).open, provider.requests[0]?.status]).toEqual([1, 0])
      answerNow()
      expect(yield* settle(first)).toMatchObject({ object: "chat.completion" })

      provider.holdNext()
      const controller = new AbortController()
      const second = ask(openai, controller.signal)
      yield* turns
      controller.abort()
      expect(yield* settle(second)).toBeInstanceOf(OpenAI.APIUserAbortError)
      yield* BudgetTesting.expectAtRest(budget)
    })
  )
})
