import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { describe, expect, it } from "@effect/vitest"
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  PeriodicExportingMetricReader
} from "@opentelemetry/sdk-metrics"
import { InMemoryLogRecordExporter, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs"
import { AlwaysOffSampler, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import * as TestClock from "effect/testing/TestClock"
import * as Budget from "../src/Budget.ts"
import * as Governor from "../src/Governor.ts"
import * as Limit from "../src/Limit.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as Usage from "../src/Usage.ts"
import { expectAtRest } from "../src/BudgetTesting.ts"
import { interruptAtEveryOperation } from "./support/interruptAtEveryOperation.ts"
import { valuesOf, withOwnMetrics } from "./support/metrics.ts"

const tokens = (inputTokens: number, outputTokens = 0) => Usage.make({ inputTokens, outputTokens })

/** A tracer that remembers its spans, in the order in which they began. */
const rememberingTracer = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
}

const traced = <A, E, R>(program: (spans: ReadonlyArray<Tracer.NativeSpan>) => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const { spans, tracer } = rememberingTracer()
    return program(spans).pipe(
      Effect.provide(Telemetry.layer({ refusalLogs: false })),
      Effect.withTracer(tracer),
      withOwnMetrics
    )
  })

const attributesOf = (span: Tracer.NativeSpan | undefined) => Object.fromEntries(span?.attributes ?? [])
const eventsOf = (span: Tracer.NativeSpan | undefined) =>
  (span?.events ?? []).map(([name, , attributes]) => [name, attributes])
const millisOf = (span: Tracer.NativeSpan | undefined) => {
  if (span?.status._tag !== "Ended") return undefined
  return Number(span.status.endTime - span.status.startTime) / 1_000_000
}
const parentOf = (span: Tracer.NativeSpan | undefined) => Option.getOrUndefined(span?.parent ?? Option.none())

describe("the span of a reservation", () => {
  it.effect("lasts from the asking to the settlement, with the call beneath it", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const limits = [Limit.slidingWindow("tokens", 100, "1 minute")]
        const key = yield* Budget.make({ name: "key", limits })
        const run = yield* Budget.make({ name: "run", limits: [], within: [key] })
        yield* key.charge(tokens(60))
        const call = Effect.sleep("2 seconds").pipe(Effect.withSpan("call"))
        const asking = run.spend({
          estimate: { ...tokens(40, 10), costNanoUsd: 3_000_000 },
          actual: () => ({ ...tokens(35, 20), cacheReadTokens: 5, costNanoUsd: 2_000_000 })
        })
        const fiber = yield* call.pipe(asking, Effect.withSpan("task"), Effect.forkChild({ startImmediately: true }))
        yield* TestClock.adjust("62 seconds")
        yield* Fiber.join(fiber)

        expect(spans.map(({ name }) => name)).toEqual(["task", "effect_budget.reservation", "call"])
        const [task, span, inner] = spans
        expect(parentOf(span)).toBe(task)
        expect(parentOf(inner)).toBe(span)
        expect(millisOf(span)).toBe(62_000)
        expect(millisOf(inner)).toBe(2_000)
        expect(attributesOf(span)).toEqual({
          "effect_budget.budget": "run",
          "effect_budget.waited_millis": 60_000,
          "effect_budget.estimate.input_tokens": 40,
          "effect_budget.estimate.output_tokens": 10,
          "effect_budget.estimate.cost_usd": 0.003,
          "gen_ai.usage.input_tokens": 35,
          "gen_ai.usage.output_tokens": 20,
          "gen_ai.usage.cache_read.input_tokens": 5,
          "effect_budget.usage.cost_usd": 0.002
        })
        const [admitted, overran] = span!.events
        expect(eventsOf(span)).toEqual([
          [
            "effect_budget.admitted",
            {
              "effect_budget.waited_millis": 60_000,
              "effect_budget.waited_for.budget": "key",
              "effect_budget.waited_for.limit": "slidingWindow(tokens, 60000ms)"
            }
          ],
          [
            "effect_budget.overran",
            { "effect_budget.limit": "slidingWindow(tokens, 60000ms)", "effect_budget.overrun": 5 }
          ]
        ])
        expect(admitted![1]).toBe(60_000_000_000n)
        expect(overran![1]).toBe(62_000_000_000n)
      })
    )
  )

  it.effect("of a refusal says why, and fails", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
        const error = yield* Effect.flip(run.spend({ estimate: tokens(101) })(Effect.void))
        yield* Effect.ignore(Effect.scoped(run.tryReserve(tokens(101))))
        expect(spans).toHaveLength(2)
        const refusal = {
          "effect_budget.refusal.reason": "RequestTooLarge",
          "effect_budget.refusal.by": "run",
          "effect_budget.refusal.limit": "cap(tokens)"
        }
        for (const span of spans) {
          expect(attributesOf(span)).toEqual({
            "effect_budget.budget": "run",
            "effect_budget.estimate.input_tokens": 101,
            "effect_budget.estimate.output_tokens": 0,
            ...refusal
          })
          expect(eventsOf(span)).toEqual([["effect_budget.refused", refusal]])
          if (span.status._tag !== "Ended" || span.status.exit._tag !== "Failure") throw new Error("it has not failed")
          expect(Cause.squash(span.status.exit.cause)).toEqual(error)
        }
      })
    )
  )

  it.effect("of a held reservation ends when it is settled, or else with its scope", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
        yield* Effect.scoped(
          Effect.gen(function* () {
            const first = yield* run.reserve(tokens(10))
            yield* run.reserve(tokens(10))
            yield* TestClock.adjust("1 second")
            yield* first.commit(tokens(15))
            yield* TestClock.adjust("1 second")
            expect(spans.map(millisOf)).toEqual([1_000, undefined])
          })
        )
        yield* Effect.yieldNow
        expect(spans.map(millisOf)).toEqual([1_000, 2_000])
        expect(attributesOf(spans[0])["gen_ai.usage.input_tokens"]).toBe(15)
        expect(eventsOf(spans[0])).toContainEqual([
          "effect_budget.overran",
          { "effect_budget.limit": "cap(tokens)", "effect_budget.overrun": 5 }
        ])
      })
    )
  )

  it.effect(
    "of a held reservation ends at once when that is refused, and with its scope when nobody looks any more",
    () =>
      withOwnMetrics(
        Effect.gen(function* () {
          const { spans, tracer } = rememberingTracer()
          const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
          const observing = yield* Scope.make()
          yield* Scope.provide(Telemetry.observe(run, { refusalLogs: false }), observing)
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* Effect.ignore(run.tryReserve(tokens(101)))
              expect(spans.map(millisOf)).toEqual([0])
              yield* run.reserve(tokens(10))
              yield* Scope.close(observing, Exit.void)
              yield* run.reserve(tokens(10))
              yield* TestClock.adjust("1 second")
            })
          ).pipe(Effect.withTracer(tracer))
          expect(spans.map(millisOf)).toEqual([0, 1_000])
        })
      )
  )

  it.effect("of a governed call says its model, operation and provider, with the call beneath it", () =>
    traced((spans) =>
      Effect.gen(function* () {
        const budget = yield* Budget.make({ name: "run", limits: [] })
        const governor = yield* Governor.make({ budget })
        const call = {
          operation: "chat",
          model: "gpt-4o-mini",
          texts: ["Hello"],
          otherInputTokens: 0,
          maxOutputTokens: 10,
          answers: 1,
          isStreamed: false
        } as const
        const destinations = [
          { url: "https://api.openai.com/v1/chat/completions" },
          { provider: "google" },
          { url: "http://localhost:4000/v1", provider: undefined }
        ]
        for (const destination of destinations) {
          yield* Effect.scoped(
            Effect.gen(function* () {
              const admitted = yield* governor.admit(call, destination)
              yield* admitted.send(Effect.void.pipe(Effect.withSpan("call")))
              yield* admitted.settle({ _tag: "Unseen" })
            })
          )
        }
        const reservations = spans.filter(({ name }) => name !== "call")
        expect(spans.filter(({ name }) => name === "call").map(parentOf)).toEqual(reservations)
        const named = reservations.map((span) => {
          const { "gen_ai.operation.name": operation, "gen_ai.provider.name": provider } = attributesOf(span)
          return [operation, attributesOf(span)["gen_ai.request.model"], provider, attributesOf(span)["server.address"]]
        })
        expect(named).toEqual([
          ["chat", "gpt-4o-mini", "openai", "api.openai.com"],
          ["chat", "gpt-4o-mini", "gcp.gemini", undefined],
          ["chat", "gpt-4o-mini", undefined, "localhost"]
        ])
      })
    )
  )

  it.effect("is none where that is not wanted, and none without the layer", () =>
    Effect.gen(function* () {
      const { spans, tracer } = rememberingTracer()
      const program = Effect.gen(function* () {
        const run = yield* Budget.make({ name: "run", limits: [] })
        yield* run.spend({ estimate: tokens(1) })(Effect.void)
      }).pipe(Effect.withTracer(tracer))
      yield* Effect.provide(program, Telemetry.layer({ spans: false }))
      yield* program
      expect(spans).toEqual([])
    }).pipe(withOwnMetrics)
  )

  const sweep = (
    phases: ReadonlyArray<string>,
    call: (run: Budget.Budget, running: Effect.Effect<void>) => Effect.Effect<unknown, unknown>,
    isHeld: boolean
  ) =>
    interruptAtEveryOperation(
      { operationsMin: 12, phases, charges: [0, 7] },
      Effect.gen(function* () {
        const { spans, tracer } = rememberingTracer()
        const observed = Layer.merge(
          Telemetry.layer({ refusalLogs: false }),
          Layer.succeed(Metric.MetricRegistry, new Map())
        )
        const run = yield* Effect.provide(Budget.make({ name: "run", limits: [Limit.concurrency(1)] }), observed)
        let phase = "asking"
        const running = Effect.suspend(() => {
          phase = "running"
          return Effect.yieldNow
        })
        const others = isHeld ? yield* Scope.make() : undefined
        if (others !== undefined) yield* Scope.provide(run.reserve(tokens(1)), others)
        return {
          call: Effect.withTracer(call(run, running), tracer),
          phase: () => phase,
          meanwhile: others === undefined ? Effect.void : Scope.close(others, Exit.fail("given back")),
          charged: () =>
            Effect.gen(function* () {
              yield* Effect.yieldNow
              yield* expectAtRest(run)
              expect(spans.filter(({ status }) => status._tag !== "Ended")).toEqual([])
              expect(spans.length).toBeLessThanOrEqual(1)
              return (yield* run.snapshot).spent.inputTokens
            })
        }
      })
    )

  for (const isHeld of [false, true]) {
    const who = isHeld ? "a call that waits" : "a call that need not wait"
    it.effect(`ends wherever ${who} is interrupted, and changes nothing of what it costs`, () =>
      sweep(
        ["asking", "running"],
        (run, running) =>
          run.withReservation(tokens(10), (reservation) => Effect.andThen(running, reservation.commit(tokens(7)))),
        isHeld
      )
    )

    it.effect(`ends wherever ${who} holds a reservation and is interrupted`, () =>
      sweep(
        ["asking", "running"],
        (run, running) =>
          Effect.scoped(
            Effect.flatMap(run.reserve(tokens(10)), (reservation) =>
              Effect.andThen(running, reservation.commit(tokens(7)))
            )
          ),
        isHeld
      )
    )
  }
})

describe("a sampler that drops every trace", () => {
  it.effect("leaves refusals in metrics and logs", () =>
    Effect.gen(function* () {
      const spans = new InMemorySpanExporter()
      const logs = new InMemoryLogRecordExporter()
      const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
      const sdk = NodeSdk.layer(() => ({
        spanProcessor: new SimpleSpanProcessor(spans),
        tracerConfig: { sampler: new AlwaysOffSampler() },
        logRecordProcessor: new SimpleLogRecordProcessor({ exporter: logs }),
        metricReader: new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 1_000_000 })
      }))
      yield* Effect.gen(function* () {
        const run = yield* Budget.make({ name: "run", limits: [Limit.cap("tokens", 100)] })
        yield* Effect.ignore(run.spend({ estimate: tokens(101) })(Effect.void))
        expect(Object.values(yield* valuesOf("refused_total"))).toEqual([1])
        expect(spans.getFinishedSpans()).toEqual([])
        expect(logs.getFinishedLogRecords().map(({ attributes, severityText }) => [severityText, attributes])).toEqual([
          ["Warn", expect.objectContaining({ "effect_budget.refusal.limit": "cap(tokens)" })]
        ])
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Telemetry.layer(), sdk)))
      const exported = metrics
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      const refused = exported.find(({ descriptor }) => descriptor.name === "effect_budget_refused_total")
      expect(refused?.descriptor.unit).toBe("{request}")
      expect(refused?.dataPoints.map(({ value }) => value)).toEqual([1])
    }).pipe(withOwnMetrics)
  )
})
