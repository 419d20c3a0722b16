import { describe, expect, it } from "@effect/vitest"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as ResponseIdTracker from "effect/ai/ResponseIdTracker"
import * as Telemetry from "effect/ai/Telemetry"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as BudgetedLanguageModel from "../src/BudgetedLanguageModel.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import * as Limit from "../src/Limit.ts"
import * as Usage from "../src/Usage.ts"
import { makeBreaker } from "./support/circuit.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"

/** What "Hi" is estimated to be. */
const inputTokens = 10

type Parts = Array<Response.PartEncoded>
type StreamParts = ReadonlyArray<Response.StreamPartEncoded>

const finish = (
  inputTokens: Response.FinishPartEncoded["usage"]["inputTokens"] = { total: 10 },
  outputTokens: Response.FinishPartEncoded["usage"]["outputTokens"] = { total: 20 }
): Response.FinishPartEncoded => ({ type: "finish", reason: "stop", usage: { inputTokens, outputTokens } })
const unsaid = finish({}, {})
const text = (text: string): Response.TextPartEncoded => ({ type: "text", text })
const delta = (delta: string): Response.TextDeltaPartEncoded => ({ type: "text-delta", id: "t", delta })
const fails = (reason: AiError.AiErrorReason) => AiError.make({ module: "Fake", method: "generateText", reason })

const model = (
  generateText: (options: LanguageModel.ProviderOptions) => Effect.Effect<Parts, AiError.AiError>,
  streamText: (
    options: LanguageModel.ProviderOptions
  ) => Stream.Stream<Response.StreamPartEncoded, AiError.AiError> = () => Stream.empty
) => LanguageModel.make({ generateText, streamText })

const answering = (...parts: Parts) => model(() => Effect.succeed(parts))
const streaming = (...parts: StreamParts) =>
  model(
    () => Effect.die("not streamed"),
    () => Stream.fromIterable(parts).pipe(Stream.rechunk(1))
  )

const tokens = (budget: Budget.Budget) =>
  Effect.map(budget.snapshot, ({ spent }) => [spent.inputTokens, spent.outputTokens])

const setUp = Effect.fnUntraced(function* (
  inner: Effect.Effect<LanguageModel.LanguageModel>,
  limits: ReadonlyArray<Limit.Limit> = [Limit.cap("tokens", 1_000_000)],
  options: Omit<BudgetedLanguageModel.Options, "budget"> = {}
) {
  const budget = yield* Budget.make({ name: "run", limits })
  const bare = yield* inner
  const budgeted = yield* BudgetedLanguageModel.make(bare, {
    budget,
    model: "gpt-4o-mini",
    maxOutputTokens: 100,
    ...options
  })
  return { bare, budget, budgeted }
})

const Ask = Tool.make("Ask", {
  parameters: Schema.Struct({ count: Schema.NumberFromString }),
  success: Schema.NumberFromString,
  failure: Schema.String
})
const tools = Toolkit.make(Ask)
const call: Response.ToolCallPartEncoded = { type: "tool-call", id: "c", name: "Ask", params: { count: "3" } }

describe("a budgeted language model", () => {
  it.effect("charges what the provider reports for a text", () =>
    Effect.gen(function* () {
      const { budget, budgeted } = yield* setUp(answering(text("Hello"), finish()))
      const response = yield* budgeted.generateText({ prompt: "Hi" })
      expect(response.text).toBe("Hello")
      expect(yield* tokens(budget)).toEqual([10, 20])
      yield* expectAtRest(budget)
    })
  )

  it.effect("sums the parts where the provider says no total, and keeps them apart", () =>
    Effect.gen(function* () {
      const parts = finish({ uncached: 1, cacheRead: 2, cacheWrite: 4 }, { text: 8, reasoning: 16 })
      const { budget, budgeted } = yield* setUp(answering(parts))
      yield* budgeted.generateText({ prompt: "Hi" })
      const { spent } = yield* budget.snapshot
      expect(spent).toMatchObject({
        inputTokens: 7,
        cacheReadTokens: 2,
        cacheWriteTokens: 4,
        outputTokens: 24,
        reasoningTokens: 16
      })
    })
  )

  it.effect("charges the estimate of what the provider leaves unsaid", () =>
    Effect.gen(function* () {
      const estimated = inputTokens
      for (const [parts, charged] of [
        [
          [text("one two three"), unsaid],
          [estimated, 4]
        ],
        [
          [text("one two three"), finish({ total: 5 }, {})],
          [5, 4]
        ],
        [
          [text("one two three"), finish({}, { total: 7 })],
          [estimated, 7]
        ]
      ] as const) {
        const { budget, budgeted } = yield* setUp(answering(...parts))
        yield* budgeted.generateText({ prompt: "Hi" })
        expect(yield* tokens(budget)).toEqual(charged)
      }
    })
  )

  it.effect("changes nothing for the caller, whatever the parts", () =>
    Effect.gen(function* () {
      const common: Parts = [
        { type: "response-metadata", id: "r", modelId: "m", timestamp: "2026-01-01T00:00:00.000Z" },
        { type: "file", mediaType: "image/png", data: "AQID" },
        {
          type: "source",
          sourceType: "url",
          id: "s",
          url: "https://example.com/",
          title: "A",
          metadata: { a: { b: 1 } }
        },
        { type: "source", sourceType: "document", id: "d", mediaType: "text/plain", title: "B", fileName: "b.txt" },
        call,
        { ...call, id: "p", providerExecuted: true },
        { type: "tool-result", id: "p", name: "Ask", isFailure: false, result: "4", providerExecuted: true },
        {
          ...finish({ total: 9, cacheRead: 1 }, { total: 3, reasoning: 1 }),
          metadata: { x: { y: [1] } },
          response: { status: 200, headers: { a: "b" } }
        }
      ]
      const whole: Parts = [text("a"), { type: "reasoning", text: "b", metadata: { k: { s: "sig" } } }, ...common]
      const streamed: StreamParts = [
        { type: "text-start", id: "t" },
        delta("a"),
        { type: "text-end", id: "t" },
        { type: "reasoning-start", id: "r" },
        { type: "reasoning-delta", id: "r", delta: "b" },
        { type: "reasoning-end", id: "r" },
        { type: "tool-params-start", id: "c", name: "Ask" },
        { type: "tool-params-delta", id: "c", delta: "{" },
        { type: "tool-params-end", id: "c" },
        { type: "error", error: { odd: true } },
        ...(common as StreamParts)
      ]
      const { bare, budgeted } = yield* setUp(
        model(
          () => Effect.succeed(whole),
          () => Stream.fromIterable(streamed).pipe(Stream.rechunk(2))
        )
      )
      const toolkit = yield* tools.pipe(
        Effect.provide(tools.toLayer({ Ask: ({ count }) => Effect.succeed(count + 1) }))
      )
      for (const extra of [
        {},
        { disableToolCallResolution: true },
        { disableToolCallResolution: true, toolCallValidation: "deferred" }
      ] as const) {
        const options = { prompt: "Hi", toolkit, ...extra }
        const content = (m: LanguageModel.LanguageModel) => Effect.map(m.generateText(options), (r) => r.content)
        expect(yield* content(budgeted)).toEqual(yield* content(bare))
        const stream = (m: LanguageModel.LanguageModel) => Stream.runCollect(m.streamText(options))
        expect(yield* stream(budgeted)).toEqual(yield* stream(bare))
      }
    })
  )

  it.effect("leaves it to the caller's side to judge a tool that nobody declared", () =>
    Effect.gen(function* () {
      const { budget, budgeted } = yield* setUp(answering({ ...call, name: "Other" }, finish()))
      const toolkit = yield* tools.pipe(Effect.provide(tools.toLayer({ Ask: () => Effect.succeed(1) })))
      const error = yield* Effect.flip(budgeted.generateText({ prompt: "Hi", toolkit }))
      expect(error).toMatchObject({ reason: { _tag: "InvalidOutputError" } })
      expect(yield* tokens(budget)).toEqual([10, 20])
    })
  )

  describe("asked for an object", () => {
    const schema = Schema.Struct({ n: Schema.NumberFromString })

    it.effect("gives it as the model decodes it", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(answering(text(`{"n":"5"}`), finish()))
        const { usage, value } = yield* budgeted.generateObject({ prompt: "Hi", schema })
        expect(value).toEqual({ n: 5 })
        expect(usage.inputTokens.total).toBe(10)
        expect(yield* tokens(budget)).toEqual([10, 20])
      })
    )

    it.effect("leaves the decoding to the transformer of the model", () =>
      Effect.gen(function* () {
        const inner = LanguageModel.make({
          generateText: () => Effect.succeed([text("[7]"), finish()]),
          streamText: () => Stream.empty,
          codecTransformer: (() => ({
            codec: Schema.Tuple([Schema.Number]),
            jsonSchema: {}
          })) as unknown as LanguageModel.CodecTransformer
        })
        const { budgeted } = yield* setUp(inner)
        expect((yield* budgeted.generateObject({ prompt: "Hi", schema })).value).toEqual([7])
      })
    )

    it.effect("fails as the model does where it cannot use the schema", () =>
      Effect.gen(function* () {
        const inner = LanguageModel.make({
          generateText: () => Effect.succeed([text("no JSON"), finish()]),
          streamText: () => Stream.empty,
          codecTransformer: () => {
            throw new Error("unsupported")
          }
        })
        const { budget, budgeted } = yield* setUp(inner)
        const error = yield* Effect.flip(budgeted.generateObject({ prompt: "Hi", schema }))
        expect(error.reason._tag).toBe("UnsupportedSchemaError")
        expect(yield* tokens(budget)).toEqual([10, 20])
      })
    )

    it.effect.each([`{"n":true}`, "no JSON", ""])("charges one that cannot be decoded: %s", (wrong) =>
      Effect.gen(function* () {
        const { bare, budget, budgeted } = yield* setUp(answering(text(wrong), finish()))
        const error = yield* Effect.flip(budgeted.generateObject({ prompt: "Hi", schema }))
        expect(error).toEqual(yield* Effect.flip(bare.generateObject({ prompt: "Hi", schema })))
        expect(yield* tokens(budget)).toEqual([10, 20])
      })
    )
  })

  it.effect("lets the caller's transformer of spans work exactly once", () =>
    Effect.gen(function* () {
      const { budgeted } = yield* setUp(
        model(
          () => Effect.succeed([text("{}"), finish()]),
          () => Stream.make(delta("a"), finish())
        )
      )
      const seen: Array<string> = []
      const transformer: Telemetry.SpanTransformer = ({ response }) => {
        seen.push(response.map((part) => part.type).join())
      }
      yield* Effect.gen(function* () {
        yield* budgeted.generateText({ prompt: "Hi" })
        yield* budgeted.generateObject({ prompt: "Hi", schema: Schema.Struct({}) })
        yield* Stream.runDrain(budgeted.streamText({ prompt: "Hi" }))
      }).pipe(Effect.provideService(Telemetry.CurrentSpanTransformer, transformer))
      expect(seen).toEqual(["text,finish", "text,finish", "text-delta,finish"])
    })
  )

  it.effect("leaves a transformer that both models were made with to one of them", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const transformer: Telemetry.SpanTransformer = ({ response }) => {
        seen.push(response.map((part) => part.type).join())
      }
      const inner = answering(text("{}"), finish())
      const both = yield* Effect.provideService(setUp(inner), Telemetry.CurrentSpanTransformer, transformer)
      yield* both.budgeted.generateText({ prompt: "Hi" })
      yield* both.budgeted.generateObject({ prompt: "Hi", schema: Schema.Struct({}) })
      expect(seen).toEqual(["text,finish", "text,finish"])
      const ofInner = Effect.provideService(inner, Telemetry.CurrentSpanTransformer, transformer)
      yield* (yield* setUp(ofInner)).budgeted.generateText({ prompt: "Hi" })
      expect(seen.length).toBe(3)
    })
  )

  it.effect("tracks the ids of responses once, and tries again within one reservation", () =>
    Effect.gen(function* () {
      const asked: Array<string | undefined> = []
      const { budget, budgeted } = yield* setUp(
        model((options) => {
          asked.push(options.previousResponseId)
          return options.previousResponseId === undefined
            ? Effect.succeed([{ type: "response-metadata", id: "r1" }, text("a"), finish()])
            : Effect.fail(fails(new AiError.InvalidRequestError({})))
        })
      )
      const tracker = yield* ResponseIdTracker.make
      const first = Prompt.make("Hi")
      const ask = (prompt: Prompt.Prompt) =>
        Effect.provideService(budgeted.generateText({ prompt }), ResponseIdTracker.ResponseIdTracker, tracker)
      yield* ask(first)
      const more = Prompt.make([
        { role: "assistant", content: [{ type: "text", text: "a" }] },
        { role: "user", content: [{ type: "text", text: "b" }] }
      ])
      yield* ask(Prompt.fromMessages([...first.content, ...more.content]))
      expect(asked).toEqual([undefined, "r1", undefined])
      expect((yield* budget.snapshot).spent.requests).toBe(2)
    })
  )

  it.effect("tries no more often than the model itself when the whole prompt is rejected, too", () =>
    Effect.gen(function* () {
      let asked = 0
      const { budget, budgeted } = yield* setUp(
        model(() =>
          ++asked === 1
            ? Effect.succeed([{ type: "response-metadata", id: "r1" }, finish()])
            : Effect.fail(fails(new AiError.InvalidRequestError({})))
        )
      )
      const tracker = yield* ResponseIdTracker.make
      const messages = Prompt.make([
        { role: "user", content: [{ type: "text", text: "Hi" }] },
        { role: "assistant", content: [{ type: "text", text: "a" }] },
        { role: "user", content: [{ type: "text", text: "b" }] }
      ]).content
      const ask = (count: number) =>
        budgeted
          .generateText({ prompt: Prompt.fromMessages(messages.slice(0, count)) })
          .pipe(Effect.provideService(ResponseIdTracker.ResponseIdTracker, tracker))
      yield* ask(1)
      yield* Effect.flip(ask(3))
      expect(asked).toBe(3)
      expect((yield* budget.snapshot).spent.requests).toBe(2)
    })
  )

  describe("with tools", () => {
    const provider = (name: string) => {
      let round = 0
      const next = (): Parts => (++round === 1 ? [{ ...call, name }, finish()] : [text("nested"), finish()])
      return model(
        () => Effect.sync(next),
        () => Stream.suspend(() => Stream.fromIterable(next() as StreamParts).pipe(Stream.rechunk(1)))
      )
    }

    it.effect("has settled a call before its tools ask of the same budget", () =>
      Effect.gen(function* () {
        for (const mode of ["generateText", "streamText"] as const) {
          const { budget, budgeted } = yield* setUp(provider("Ask"), [
            Limit.concurrency(1),
            Limit.cap("tokens", 1_000_000)
          ])
          const nested: Array<string> = []
          const toolkit = yield* tools.pipe(
            Effect.provide(
              tools.toLayer({
                Ask: ({ count }) =>
                  budgeted.generateText({ prompt: "Nested" }).pipe(
                    Effect.map(({ text }) => {
                      nested.push(text)
                      return count
                    })
                  )
              })
            )
          )
          if (mode === "generateText") yield* budgeted.generateText({ prompt: "Hi", toolkit })
          else yield* Stream.runDrain(budgeted.streamText({ prompt: "Hi", toolkit }))
          expect({ mode, nested }).toEqual({ mode, nested: ["nested"] })
          expect(yield* tokens(budget)).toEqual([20, 40])
        }
      })
    )

    it.effect("drains the provider's stream while a handler waits for the budget", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(
          model(
            () => Effect.succeed([text("nested"), finish()]),
            () => Stream.make<StreamParts>(call, delta("a"), delta("b"), delta("c"), finish()).pipe(Stream.rechunk(1))
          ),
          [Limit.concurrency(1)]
        )
        const toolkit = yield* tools.pipe(
          Effect.provide(
            tools.toLayer({
              Ask: () => Effect.as(budgeted.generateText({ prompt: "Nested" }), 1)
            })
          )
        )
        const types = yield* budgeted.streamText({ prompt: "Hi", toolkit }).pipe(
          Stream.map((part) => part.type),
          Stream.runCollect
        )
        expect(types).toContain("tool-result")
        yield* expectAtRest(budget)
      })
    )

    it.effect("calls them for an object that cannot be decoded, as the model itself does", () =>
      Effect.gen(function* () {
        const { bare, budgeted } = yield* setUp(answering(call, finish()))
        let calls = 0
        const ask = Effect.sync(() => ++calls)
        const toolkit = yield* tools.pipe(Effect.provide(tools.toLayer({ Ask: () => ask })))
        const options = { prompt: "Hi", toolkit, schema: Schema.Struct({}) }
        expect(yield* Effect.flip(budgeted.generateObject(options))).toEqual(
          yield* Effect.flip(bare.generateObject(options))
        )
        expect(calls).toBe(2)
      })
    )

    it.effect("charges a call whose tool fails", () =>
      Effect.gen(function* () {
        for (const mode of ["generateText", "streamText"] as const) {
          const { budget, budgeted } = yield* setUp(provider("Ask"))
          const toolkit = yield* tools.pipe(Effect.provide(tools.toLayer({ Ask: () => Effect.fail("broken") })))
          const options = { prompt: "Hi", toolkit }
          const asked =
            mode === "generateText" ? budgeted.generateText(options) : Stream.runDrain(budgeted.streamText(options))
          expect(yield* Effect.flip(asked as Effect.Effect<unknown, unknown>)).toBe("broken")
          expect({ mode, tokens: yield* tokens(budget) }).toEqual({ mode, tokens: [10, 20] })
        }
      })
    )
  })

  describe("streaming", () => {
    it.effect("settles with the finish part, before it is seen", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(streaming(delta("Hello"), finish()))
        yield* budgeted
          .streamText({ prompt: "Hi" })
          .pipe(
            Stream.runForEach((part) =>
              Effect.map(budget.snapshot, ({ open }) => expect(open).toBe(part.type === "finish" ? 0 : 1))
            )
          )
        expect(yield* tokens(budget)).toEqual([10, 20])
      })
    )

    const seenInput = inputTokens

    it.effect("charges what was seen of a stream that ends without a report", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(streaming(delta("one two"), delta(" three")))
        yield* Stream.runDrain(budgeted.streamText({ prompt: "Hi" }))
        expect(yield* tokens(budget)).toEqual([seenInput, 4])
      })
    )

    it.effect("charges what was seen of a stream that the caller abandons", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(streaming(delta("one two"), delta(" three"), finish()))
        yield* budgeted.streamText({ prompt: "Hi" }).pipe(Stream.take(1), Stream.runDrain)
        expect(yield* tokens(budget)).toEqual([seenInput, 2])
        yield* expectAtRest(budget)
      })
    )

    it.effect("charges what was seen of a stream that fails or is interrupted", () =>
      Effect.gen(function* () {
        const error = fails(new AiError.InternalProviderError({ description: "broken" }))
        for (const rest of [Stream.fail(error), Stream.never]) {
          const latch = yield* Latch.make()
          const { budget, budgeted } = yield* setUp(
            model(
              () => Effect.die("not streamed"),
              () => Stream.concat(Stream.make(delta("one two")), rest)
            )
          )
          const fiber = yield* budgeted.streamText({ prompt: "Hi" }).pipe(
            Stream.runForEach(() => latch.open),
            Effect.exit,
            Effect.forkChild
          )
          yield* latch.await
          if (rest === Stream.never) yield* Fiber.interrupt(fiber)
          else yield* Fiber.await(fiber)
          expect(yield* tokens(budget)).toEqual([seenInput, 2])
          yield* expectAtRest(budget)
        }
      })
    )
  })

  describe("whose provider fails", () => {
    const net = (reason: "TransportError" | "EncodeError", cause?: unknown) =>
      new AiError.NetworkError({ reason, method: "POST", url: "https://example.com", cause })
    const estimate = inputTokens + 100
    const cases: ReadonlyArray<readonly [string, AiError.AiErrorReason, readonly [requests: number, tokens: number]]> =
      [
        ["rejected", new AiError.AuthenticationError({ kind: "InvalidKey" }), [1, 0]],
        ["rejected", new AiError.InternalProviderError({ description: "" }), [1, 0]],
        [
          "rejected by its status",
          new AiError.UnknownError({ http: { response: { status: 404, headers: {} } } }),
          [1, 0]
        ],
        ["unknown", new AiError.UnknownError({}), [1, estimate]],
        ["broken on the way", net("TransportError"), [1, estimate]],
        ["not sent", net("EncodeError"), [0, 0]],
        ["not connected", net("TransportError", Object.assign(new Error("x"), { code: "ECONNREFUSED" })), [0, 0]],
        ["not understood", new AiError.InvalidResponseError({ description: "" }), [1, estimate]],
        [
          "invalid, with its usage",
          new AiError.InvalidOutputError({ description: "", usage: { promptTokens: 1, completionTokens: 2 } }),
          [1, 3]
        ]
      ]
    it.effect.each(cases)("is charged as its error says: %s", ([, reason, [requests, charged]]) =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(
          model(
            () => Effect.fail(fails(reason)),
            () => Stream.fail(fails(reason))
          )
        )
        yield* Effect.flip(budgeted.generateText({ prompt: "Hi" }))
        const { spent } = yield* budget.snapshot
        expect([spent.requests, spent.inputTokens + spent.outputTokens]).toEqual([requests, charged])
        yield* Effect.flip(Stream.runDrain(budgeted.streamText({ prompt: "Hi" })))
        const after = (yield* budget.snapshot).spent
        expect([after.requests, after.inputTokens + after.outputTokens]).toEqual([2 * requests, 2 * charged])
      })
    )

    it.effect("holds everyone back for as long as it asks to", () =>
      Effect.gen(function* () {
        const { budget, budgeted } = yield* setUp(
          model(() => Effect.fail(fails(new AiError.RateLimitError({ retryAfter: Duration.seconds(7) }))))
        )
        yield* Effect.flip(budgeted.generateText({ prompt: "Hi" }))
        const { reason, retryAfter } = yield* Effect.flip(Effect.scoped(budget.tryReserve(Usage.make({}))))
        expect(reason._tag).toBe("Paused")
        expect(retryAfter).toEqual(Duration.seconds(7))
      })
    )
  })

  describe("that the budget refuses", () => {
    const refusalOf = Effect.fnUntraced(function* (
      limits: ReadonlyArray<Limit.Limit>,
      options: Omit<BudgetedLanguageModel.Options, "budget"> = {},
      before: (budget: Budget.Budget) => Effect.Effect<unknown, unknown, Scope.Scope> = () => Effect.void
    ) {
      const { budget, budgeted } = yield* setUp(
        model(
          () => Effect.die("asked"),
          () => Stream.die("asked")
        ),
        limits,
        { maxWait: 0, ...options }
      )
      yield* before(budget)
      const error = yield* Effect.flip(budgeted.generateText({ prompt: "Hi" }))
      const streamed = yield* Effect.flip(Stream.runDrain(budgeted.streamText({ prompt: "Hi" })))
      expect(streamed.reason._tag).toBe(error.reason._tag)
      return error
    })

    it.effect("because it is spent, fails with QuotaExhaustedError", () =>
      Effect.gen(function* () {
        const error = yield* refusalOf([Limit.cap("tokens", 150)], {}, (budget) =>
          budget.charge(Usage.make({ inputTokens: 100 }))
        )
        expect(error).toMatchObject({
          module: "BudgetedLanguageModel",
          reason: {
            _tag: "QuotaExhaustedError",
            metadata: { budget: { reason: "BudgetExceeded", budget: "run", requested: inputTokens + 100 } }
          }
        })
        expect(Option.getOrThrow(BudgetedLanguageModel.budgetErrorOf(error))).toMatchObject({
          _tag: "BudgetError",
          reason: { _tag: "BudgetExceeded" }
        })
        expect((yield* refusalOf([Limit.cap("tokens", 50)])).reason).toMatchObject({
          _tag: "QuotaExhaustedError",
          metadata: { budget: { reason: "RequestTooLarge" } }
        })
      })
    )

    it.effect("for now, fails with RateLimitError and says when to come back", () =>
      Effect.gen(function* () {
        const full = yield* refusalOf([Limit.slidingWindow("tokens", 150, "1 minute")], {}, (budget) =>
          budget.charge(Usage.make({ inputTokens: 100 }))
        )
        expect(full.reason._tag).toBe("RateLimitError")
        expect(full.retryAfter).toEqual(Duration.minutes(1))
        const paused = yield* refusalOf([Limit.cap("tokens", 150)], {}, (budget) => budget.pauseUntil(5_000))
        expect(paused.retryAfter).toEqual(Duration.seconds(5))
        const busy = yield* refusalOf([Limit.concurrency(1)], {}, (budget) => budget.reserve(Usage.make({})))
        expect(busy.reason).toMatchObject({
          _tag: "RateLimitError",
          metadata: { budget: { reason: "ConcurrencyExceeded" } }
        })
        expect(busy.retryAfter).toBe(undefined)
      })
    )

    it.effect("because its model has no price, fails with InvalidRequestError", () =>
      Effect.gen(function* () {
        const error = yield* refusalOf([Limit.cap("usd", 1)], { model: "no-such-model" })
        expect(error.reason).toMatchObject({ _tag: "InvalidRequestError", parameter: "model" })
        expect(Option.getOrThrow(BudgetedLanguageModel.budgetErrorOf(error))._tag).toBe("UnknownModel")
      })
    )

    it.effect("costs nothing in a budget around it, and pauses nobody there", () =>
      Effect.gen(function* () {
        const inside = yield* setUp(answering(finish()), [Limit.concurrency(1)], { maxWait: 0 })
        yield* inside.budget.reserve(Usage.make({}))
        const { budget, budgeted: around } = yield* setUp(Effect.succeed(inside.budgeted))
        const error = yield* Effect.flip(around.generateText({ prompt: "Hi" }))
        expect(Option.isSome(BudgetedLanguageModel.budgetErrorOf(error))).toBe(true)
        expect(error.reason._tag).toBe("RateLimitError")
        expect((yield* budget.snapshot).spent).toEqual(Usage.zero)
        yield* Effect.scoped(budget.tryReserve(Usage.make({})))
      })
    )
  })

  it.effect("waits until the window has room", () =>
    Effect.gen(function* () {
      const { budget, budgeted } = yield* setUp(answering(finish()), [Limit.slidingWindow("tokens", 150, "1 minute")])
      yield* budget.charge(Usage.make({ inputTokens: 100 }))
      const fiber = yield* Effect.forkChild(budgeted.generateText({ prompt: "Hi" }))
      yield* TestClock.setTime(59_999)
      expect(fiber.pollUnsafe()).toBe(undefined)
      yield* TestClock.setTime(60_000)
      yield* Fiber.join(fiber)
    })
  )

  it.effect("asks for a shorter answer where there is no room for the whole", () =>
    Effect.gen(function* () {
      const Config = Context.Reference<number>("test/maxTokens", { defaultValue: () => 100 })
      const bounds: Array<number> = []
      const { budget, budgeted } = yield* setUp(
        model(
          () =>
            Effect.as(
              Effect.map(Effect.service(Config), (bound) => bounds.push(bound)),
              [finish({ total: 1 })]
            ),
          () =>
            Stream.fromEffect(
              Effect.as(
                Effect.map(Effect.service(Config), (bound) => bounds.push(bound)),
                finish()
              )
            )
        ),
        [Limit.cap("tokens", 100)],
        { leastOutputTokens: 10, limitOutput: (bound, context) => Context.add(context, Config, bound) }
      )
      yield* budgeted.generateText({ prompt: "Hi" })
      expect(bounds).toEqual([90])
      yield* Stream.runDrain(budgeted.streamText({ prompt: "Hi" }))
      expect(bounds).toEqual([90, 69])
      expect(yield* tokens(budget)).toEqual([11, 40])
    })
  )

  it.effect("refuses an elastic reservation of which the provider would not be told", () =>
    Effect.gen(function* () {
      const budget = yield* Budget.make({ name: "run", limits: [] })
      const inner = yield* answering()
      const make = (options: Omit<BudgetedLanguageModel.Options, "budget">) => () =>
        BudgetedLanguageModel.make(inner, { budget, ...options })
      expect(make({ leastOutputTokens: 10 })).toThrow(RangeError)
      expect(make({ maxOutputTokens: -1 })).toThrow(RangeError)
    })
  )

  it.effect("takes the budget that is provided where it is called", () =>
    Effect.gen(function* () {
      class Tenant extends Budget.Service<Tenant>()("test/Tenant", { limits: [Limit.cap("tokens", 10_000)] }) {}
      const shared = yield* Budget.make({ name: "shared", limits: [Limit.cap("tokens", 10_000)] })
      const tenant = yield* Budget.make({ name: "tenant", limits: [Limit.cap("tokens", 10_000)] })
      const inner = yield* model(
        () => Effect.succeed([finish()]),
        () => Stream.make(finish())
      )
      const budgeted = yield* BudgetedLanguageModel.make(inner, { budget: Tenant }).pipe(
        Effect.provideService(Tenant, shared)
      )
      yield* budgeted.generateText({ prompt: "Hi" })
      yield* Effect.provideService(budgeted.generateText({ prompt: "Hi" }), Tenant, tenant)
      yield* Effect.provideService(Stream.runDrain(budgeted.streamText({ prompt: "Hi" })), Tenant, tenant)
      expect([yield* tokens(shared), yield* tokens(tenant)]).toEqual([
        [10, 20],
        [20, 40]
      ])
    })
  )

  it.effect("knows the model and the provider by the names that come with it", () =>
    Effect.gen(function* () {
      const priced = Effect.fnUntraced(function* (options: Omit<BudgetedLanguageModel.Options, "budget">) {
        const budget = yield* Budget.make({ name: "run", limits: [Limit.cap("usd", 1)] })
        const budgeted = yield* BudgetedLanguageModel.make(yield* answering(finish()), { budget, ...options })
        const asked = yield* Effect.result(budgeted.generateText({ prompt: "Hi" }))
        return Result.isFailure(asked) ? asked.failure.reason._tag : (yield* budget.snapshot).spent.costNanoUsd
      })
      const named = Context.make(Model.ModelName, "gpt-4o-mini").pipe(Context.add(Model.ProviderName, "openai"))
      const cost = 10 * 150 + 20 * 600
      expect(yield* priced({ model: "gpt-4o-mini" })).toBe(cost)
      expect(yield* Effect.provideContext(priced({}), named)).toBe(cost)
      expect(yield* priced({})).toBe("InvalidRequestError")
    })
  )

  it.effect("has nothing reserved, and has charged what it should, wherever a call is interrupted", () =>
    Effect.gen(function* () {
      const modes = ["generateText", "streamText"] as const
      const guards = ["alone", "with a circuit"] as const
      for (const { guard, mode } of modes.flatMap((mode) => guards.map((guard) => ({ guard, mode })))) {
        yield* interruptAtEveryOperation(
          {
            operationsMin: 20,
            phases: ["asking", "asked", "answered"],
            charges: [0, inputTokens + 100, 30]
          },
          Effect.gen(function* () {
            let phase = "asking"
            const provide = Effect.sync(() => {
              phase = "asked"
            }).pipe(Effect.andThen(Effect.yieldNow))
            const answered = Effect.sync(() => {
              phase = "answered"
            })
            const { budget, budgeted } = yield* setUp(
              model(
                () => provide.pipe(Effect.andThen(answered), Effect.as([finish()])),
                () => Stream.fromEffect(provide.pipe(Effect.andThen(answered), Effect.as(finish())))
              ),
              undefined,
              { breaker: guard === "with a circuit" ? yield* makeBreaker() : undefined }
            )
            return {
              call:
                mode === "generateText"
                  ? budgeted.generateText({ prompt: "Hi" })
                  : Stream.runDrain(budgeted.streamText({ prompt: "Hi" })),
              phase: () => phase,
              charged: () =>
                Effect.gen(function* () {
                  yield* expectAtRest(budget)
                  const { spent } = yield* budget.snapshot
                  return spent.inputTokens + spent.outputTokens
                })
            }
          })
        )
      }
    })
  )
})
