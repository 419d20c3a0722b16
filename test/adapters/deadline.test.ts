/**
 * The deadline of a task that calls a budgeted `HttpClient` or `LanguageModel`, or makes a budgeted `fetch`.
 */
import { describe, expect, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as AiResponse from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { HttpClient, HttpClientRequest } from "effect/http"
import * as Budget from "../../src/Budget.ts"
import { BudgetError } from "../../src/BudgetError.ts"
import * as BudgetedFetch from "../../src/BudgetedFetch.ts"
import * as BudgetedHttpClient from "../../src/BudgetedHttpClient.ts"
import * as BudgetedLanguageModel from "../../src/BudgetedLanguageModel.ts"
import { expectAtRest } from "../../src/BudgetTesting.ts"
import * as CallFailure from "../../src/CallFailure.ts"
import * as Deadline from "../../src/Deadline.ts"
import * as Limit from "../../src/Limit.ts"
import { key, makeBreaker } from "../support/circuit.ts"
import { until } from "../support/latch.ts"

const url = "https://api.openai.com/v1/chat/completions"
const question = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }], max_tokens: 100 }
const request = HttpClientRequest.post(url).pipe(HttpClientRequest.bodyJsonUnsafe(question))

const cut = { kind: "Withheld", ending: "Unseen" }
const unsent = { kind: "Withheld", ending: "Unsent" }

/** What a question reserves: 10 tokens of input, and 100 of output. */
const estimate = 110

const used = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ spent }) => [spent.requests, spent.inputTokens + spent.outputTokens])

/** What becomes of a task that has ten seconds, and needs them all once it is under way. */
const inTenSeconds = <A, E, R>(task: Effect.Effect<A, E, R>, isUnderWay: () => boolean) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Deadline.within("10 seconds", { task: "answer" })(task))
    yield* until(isUnderWay)
    yield* TestClock.adjust(9_999)
    expect(fiber.pollUnsafe()).toBeUndefined()
    yield* TestClock.adjust(1)
    return yield* Fiber.join(fiber)
  })

const isWaiting = (budget: Budget.Budget): boolean => Effect.runSync(budget.snapshot).waiting === 1

const delta = (delta: string): AiResponse.TextDeltaPartEncoded => ({ type: "text-delta", id: "t", delta })

describe("under a deadline", () => {
  const setUp = Effect.fnUntraced(function* (limits: ReadonlyArray<Limit.Limit> = [Limit.cap("tokens", 10_000)]) {
    const breaker = yield* makeBreaker()
    const budget = yield* Budget.make({ name: "run", limits })
    const seen = { asked: 0, interrupted: 0 }
    const hanging = Effect.suspend(() => {
      seen.asked++
      return Effect.onInterrupt(Effect.never, () => Effect.sync(() => void seen.interrupted++))
    })
    return { breaker, budget, hanging, seen }
  })

  describe("an HttpClient", () => {
    it.effect("ends a request at the deadline, and is charged as it was estimated", () =>
      Effect.gen(function* () {
        const { breaker, budget, hanging, seen } = yield* setUp()
        const client = yield* BudgetedHttpClient.make(
          HttpClient.make(() => hanging),
          { budget, breaker }
        )
        for (let call = 1; call <= 3; call++) {
          const error = yield* inTenSeconds(Effect.flip(client.execute(request)), () => seen.asked === call)
          expect(error).toBeInstanceOf(Deadline.DeadlineExceeded)
          expect(CallFailure.of(error)).toMatchObject(cut)
          expect(seen).toEqual({ asked: call, interrupted: call })
        }
        expect(yield* used(budget)).toEqual([3, 3 * estimate])
        expect(yield* breaker.state(key)).toMatchObject({ _tag: "Closed" })
        yield* expectAtRest(budget)
      })
    )

    it.effect("does not wait past it for room, and then costs nothing", () =>
      Effect.gen(function* () {
        const { budget, hanging, seen } = yield* setUp([Limit.slidingWindow("requests", 1, "1 minute")])
        yield* budget.charge({ ...(yield* budget.snapshot).spent, requests: 1 })
        const client = yield* BudgetedHttpClient.make(
          HttpClient.make(() => hanging),
          { budget }
        )
        const error = yield* client.execute(request).pipe(Deadline.within("59 seconds"), Effect.flip)
        expect(error).toBeInstanceOf(BudgetError)
        expect(CallFailure.of(error)).toMatchObject(unsent)
        expect([seen.asked, yield* used(budget)]).toEqual([0, [1, 0]])
        yield* expectAtRest(budget)
      })
    )

    it.effect("of the context answers 504 for what was cut, and 408 for what was never sent", () =>
      Effect.gen(function* () {
        const { budget, hanging } = yield* setUp([Limit.concurrency(1)])
        const bare = Layer.succeed(
          HttpClient.HttpClient,
          HttpClient.make(() => hanging)
        )
        const execute = yield* Effect.map(Layer.build(BudgetedHttpClient.layer({ budget })), (context) =>
          Effect.provide(HttpClient.execute(request), context)
        ).pipe(Effect.provide(bare))
        const both = yield* inTenSeconds(Effect.all([execute, execute], { concurrency: 2 }), () => isWaiting(budget))
        expect(
          both.map(({ headers, status }) => [status, headers["x-effect-budget"], headers["x-should-retry"]])
        ).toEqual([
          [504, "DeadlineExceeded", "false"],
          [408, "DeadlineExceeded", "false"]
        ])
        expect(both.map((response) => CallFailure.of(response))).toMatchObject([cut, unsent])
        expect((yield* used(budget))[0]).toBe(1)
        yield* expectAtRest(budget)
      })
    )

    it.effect("charges a budget further out as well, when the one further in cuts a request", () =>
      Effect.gen(function* () {
        const { budget, hanging, seen } = yield* setUp()
        const outer = yield* Budget.make({ name: "outer", limits: [Limit.cap("tokens", 10_000)] })
        const inner = yield* BudgetedHttpClient.layer({ budget }).pipe(
          Layer.provide(
            Layer.succeed(
              HttpClient.HttpClient,
              HttpClient.make(() => hanging)
            )
          ),
          Layer.build
        )
        // Only the inner one knows of the deadline.
        const blind = HttpClient.transform(yield* Effect.provide(HttpClient.HttpClient, inner), (effect) =>
          Deadline.within("10 seconds")(effect)
        )
        const client = yield* BudgetedHttpClient.make(blind, { budget: outer })
        const fiber = yield* Effect.forkChild(client.execute(request))
        yield* until(() => seen.asked === 1)
        yield* TestClock.adjust("10 seconds")
        expect((yield* Fiber.join(fiber)).status).toBe(504)
        expect([yield* used(budget), yield* used(outer)]).toEqual([
          [1, estimate],
          [1, estimate]
        ])
        yield* expectAtRest(budget, outer)
      })
    )
  })

  describe("a LanguageModel", () => {
    const make = (
      parts: Effect.Effect<never>,
      stream: Stream.Stream<AiResponse.StreamPartEncoded>,
      options: BudgetedLanguageModel.Options
    ) =>
      Effect.flatMap(LanguageModel.make({ generateText: () => parts, streamText: () => stream }), (bare) =>
        BudgetedLanguageModel.make(bare, { model: "gpt-4o-mini", provider: "openai", maxOutputTokens: 100, ...options })
      )

    it.effect("ends a round at the deadline, and is charged as it was estimated", () =>
      Effect.gen(function* () {
        const { breaker, budget, hanging, seen } = yield* setUp()
        const model = yield* make(hanging, Stream.empty, { budget, breaker })
        const error = yield* inTenSeconds(Effect.flip(model.generateText({ prompt: "Hi" })), () => seen.asked === 1)
        expect(error.reason._tag).toBe("UnknownError")
        expect(error.message).toContain("answer has had its 10s")
        expect(Option.getOrUndefined(BudgetedLanguageModel.budgetErrorOf(error))).toBeInstanceOf(
          Deadline.DeadlineExceeded
        )
        expect(CallFailure.of(error)).toMatchObject(cut)
        expect([seen, yield* used(budget)]).toEqual([{ asked: 1, interrupted: 1 }, [1, estimate]])
        yield* expectAtRest(budget)
      })
    )

    it.effect("charges as it was estimated who is interrupted before that", () =>
      Effect.gen(function* () {
        for (const method of ["generateText", "streamText"] as const) {
          const { breaker, budget, hanging, seen } = yield* setUp()
          const model = yield* make(hanging, Stream.fromEffect(hanging), { budget, breaker })
          const ask: Effect.Effect<unknown, AiError.AiError> =
            method === "generateText"
              ? model.generateText({ prompt: "Hi" })
              : Stream.runDrain(model.streamText({ prompt: "Hi" }))
          const asking = yield* Effect.forkChild(Deadline.within("10 seconds")(ask))
          yield* until(() => seen.asked === 1)
          yield* TestClock.adjust("5 seconds")
          yield* Fiber.interrupt(asking)
          expect([seen, yield* used(budget)]).toEqual([{ asked: 1, interrupted: 1 }, [1, estimate]])
          yield* expectAtRest(budget)
        }
      })
    )

    it.effect("ends a stream that waits for its first part, and one that waits for another", () =>
      Effect.gen(function* () {
        const streams = (hanging: Effect.Effect<never>) => [
          Stream.fromEffect(hanging),
          Stream.concat(Stream.make(delta("Hello, "), delta("world!")), Stream.fromEffect(hanging))
        ]
        const charged: Array<ReadonlyArray<number>> = []
        for (const index of [0, 1]) {
          const { breaker, budget, hanging, seen } = yield* setUp()
          const model = yield* make(hanging, streams(hanging)[index] ?? Stream.empty, { budget, breaker })
          let parts = 0
          const error = yield* model.streamText({ prompt: "Hi" }).pipe(
            Stream.runForEach(() => Effect.sync(() => void parts++)),
            Effect.flip,
            (task) => inTenSeconds(task, () => seen.asked === 1)
          )
          expect([AiError.isAiError(error), CallFailure.of(error)]).toMatchObject([true, cut])
          expect([parts, seen]).toEqual([2 * index, { asked: 1, interrupted: 1 }])
          charged.push(yield* used(budget))
          yield* expectAtRest(budget)
        }
        // The estimate, or the estimated input and the output that was seen.
        expect(charged).toEqual([
          [1, estimate],
          [1, 15]
        ])
      })
    )

    it.effect("does not wait past it for room, and then costs nothing", () =>
      Effect.gen(function* () {
        const { budget, hanging, seen } = yield* setUp([Limit.concurrency(1)])
        const model = yield* make(hanging, Stream.empty, { budget })
        const holding = yield* Effect.forkChild(model.generateText({ prompt: "Hi" }))
        yield* until(() => seen.asked === 1)
        const error = yield* inTenSeconds(Effect.flip(model.generateText({ prompt: "Hi" })), () => isWaiting(budget))
        expect(CallFailure.of(error)).toMatchObject(unsent)
        yield* Fiber.interrupt(holding)
        expect([seen.asked, yield* used(budget)]).toEqual([1, [1, estimate]])
        yield* expectAtRest(budget)
      })
    )
  })

  describe("a fetch", () => {
    it.effect("keeps to the deadline under which it was made", () =>
      Effect.gen(function* () {
        const { budget } = yield* setUp()
        let asked = 0
        const fetch = yield* BudgetedFetch.make({
          budget,
          fetch: () => {
            asked++
            return new Promise(() => {})
          }
        }).pipe(Deadline.within("10 seconds"))
        const asking = yield* Effect.forkChild(
          Effect.promise(() => fetch(url, { method: "POST", body: JSON.stringify(question) }))
        )
        yield* until(() => asked === 1)
        yield* TestClock.adjust("10 seconds")
        expect((yield* Fiber.join(asking)).status).toBe(504)
        expect(yield* used(budget)).toEqual([1, estimate])
        yield* expectAtRest(budget)
      })
    )
  })
})
